/** A running job that is asked for a savepoint at the positions of an archive, and what may come of that. */
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openArchive } from '../../src/archive/read.js';
import { systemClock } from '../../src/base/clock.js';
import { homePaths } from '../../src/base/home.js';
import { systemRandom } from '../../src/base/random.js';
import { realDisk } from '../../src/base/real-disk.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { ByteReader } from '../../src/codec/reader.js';
import { valueCodec } from '../../src/codec/value.js';
import { callControl } from '../../src/control/client.js';
import { type ChunkPool, EntryWriter, readEntry } from '../../src/format/entry.js';
import { prepareJob } from '../../src/job/prepare.js';
import { Runner } from '../../src/job/runner.js';
import type { SavepointResult } from '../../src/job/savepoint.js';
import type { StatusDocument } from '../../src/job/status.js';
import { testJob } from '../../src/testing.js';
import { PROJECT } from '../crash/harness.js';
import definition from './at-job.js';
import { archiveOf } from './matrix-archive.js';

const FAR = 1e9;
/** Further than a split comes before the job is asked to stand still, though what is told of it is old. */
const AHEAD = 500;

/** Looks again and again until it is so. */
async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 60_000; !(await isSo()); ) {
    if (performance.now() > end) assert.fail(`in vain: ${what}`);
    await systemClock.sleep(20);
  }
}

describe('savepoint --at', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-test-at-'));
  const fails = join(folder, 'fails');
  const home = homePaths(join(folder, 'home'));
  let catalog: Catalog;
  let runner: Runner;
  let socket = '';
  let archives = 0;

  before(async () => {
    catalog = Catalog.open(home, { create: true, clock: systemClock, random: systemRandom });
    const job = await prepareJob(home, catalog, {
      definition: join(PROJECT, 'test/job/at-job.ts'),
      params: { fails },
      flags: { restart: 'fixed-delay:1ms:9', checkpointInterval: '100ms' },
      cwd: folder,
      environment: {},
    });
    runner = await Runner.start({
      home,
      catalog,
      job: job.id,
      environment: {},
      stdout: async () => undefined,
      onEvent: () => undefined,
    });
    await until('it has a socket', async () => catalog.job(job.id).socket !== undefined);
    socket = catalog.job(job.id).socket ?? '';
    await until('it reads', async () => (await positions())[0] !== undefined);
  });

  after(async () => {
    runner.cancel();
    await runner.ended;
    catalog.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const status = async () => (await callControl(socket, 'GET', '/v1/status', undefined, 0)) as StatusDocument;

  /** How far each split is. */
  async function positions(): Promise<readonly number[]> {
    const { operators } = await status();
    const splits = operators.flatMap(({ subtasks }) => subtasks.flatMap((subtask) => subtask.splits));
    return splits.map(({ position }) => (position as { done: number }).done);
  }

  async function at(archive: string, more: object = {}, signal?: AbortSignal): Promise<SavepointResult> {
    const body = { output: join(folder, `out-${archives++}.tar`), at: archive, ...more };
    return (await callControl(socket, 'POST', '/v1/savepoint', body, 0, signal)) as SavepointResult;
  }

  /** Asks for one at these positions: the archive is made while nothing is read, so that nothing is beyond it by then. */
  async function atSoon(
    there: readonly number[],
    signal?: AbortSignal,
  ): Promise<{ readonly taken: Promise<SavepointResult> }> {
    const missing = join(folder, `late-${archives++}.tar`);
    const taken = at(missing, { await: true }, signal);
    await until('it stands still', async () => (await status()).saving?.phase === 'stand');
    // Named once it is whole, as every archive is.
    renameSync(await archiveAt(...there), missing);
    return { taken };
  }

  /** An archive of the job with its splits at these positions. */
  async function archiveAt(...done: readonly number[]): Promise<string> {
    const job = await testJob(definition, { cwd: folder });
    const taken = await job.snapshot();
    await job.close();
    const chunks: { payload: Buffer; entries: number }[] = [];
    const pool: ChunkPool = {
      take: (bytes) => Buffer.alloc(bytes),
      full: (chunk, used, entries) => void chunks.push({ payload: chunk.subarray(0, used), entries }),
    };
    const out = new EntryWriter(pool, 1024);
    for (const [split, position] of done.entries()) {
      out.begin(
        taken.tables.findIndex(({ kind }) => kind === 'splits'),
        0,
      );
      out.key(keyCodecById('string'), String(split));
      out.value(valueCodec, { position: { done: position }, done: false });
    }
    out.flush();
    const path = join(folder, `at-${archives++}.tar`);
    await archiveOf(definition, { ...taken, chunks }, path, folder);
    return path;
  }

  test('a split that has arrived waits, while checkpoints and others go on; who goes away lets it go', async () => {
    const [first = 0] = await positions();
    const leaves = new AbortController();
    const { taken: asked } = await atSoon([first + AHEAD, FAR], leaves.signal);
    asked.catch(() => undefined);
    const held = async () => (await status()).saving?.held;
    await until('the first waits', async () => (await held())?.arrived === 1);
    assert.deepEqual(await held(), { splits: 2, arrived: 1, away: ['numbers/1'] });
    await assert.rejects(at(join(folder, 'none.tar')), { code: 'JOB_BUSY' });
    await callControl(socket, 'POST', '/v1/checkpoint', {}, 0);
    const before = await positions();
    await until('the other goes on', async () => ((await positions())[1] ?? 0) > (before[1] ?? 0));
    assert.equal((await positions())[0], first + AHEAD);
    leaves.abort();
    await assert.rejects(asked);
    await until('the first goes on', async () => ((await positions())[0] ?? 0) > first + AHEAD);
  });

  test('what has not come in time is named, and what is beyond is refused', async () => {
    const far = await archiveAt(FAR, FAR);
    await assert.rejects(at(far, { timeout: 100 }), {
      code: 'TIMEOUT',
      message:
        /2 of 2 splits \(numbers\/0, numbers\/1\) have not come to the positions of .* in time; all go on/,
    });
    await assert.rejects(at(await archiveAt(FAR, 1)), {
      code: 'POSITION_PASSED',
      message: /split 1 of source numbers, for position \{"done":1\} of the snapshot, is beyond it already/,
      hint: /the other way round: tidemark savepoint at -o FILE.tar/,
    });
    await assert.rejects(at(await archiveAt(FAR)), {
      code: 'POSITION_PASSED',
      message: /split 1 .*does not know it/,
    });
    await assert.rejects(at(await archiveAt(FAR, FAR, FAR)), { code: 'INCOMPATIBLE', message: /no split 2/ });
    await assert.rejects(at(join(folder, 'none.tar')), { code: 'FILE_NOT_FOUND' });
    await assert.rejects(at(far, { stop: true }), { code: 'USAGE' });
    assert.equal((await status()).saving, null);
  });

  test('a failed attempt ends the wait, and the next one holds nothing', async () => {
    const asked = at(await archiveAt(FAR, FAR));
    asked.catch(() => undefined);
    await until('it waits', async () => (await status()).saving?.held !== undefined);
    writeFileSync(fails, '');
    await assert.rejects(asked, { code: 'CHECKPOINT_FAILED', message: /nothing is held any more/ });
    await until('it is back', async () => (await status()).restarts === 1);
    const [first = 0] = await positions();
    await until('it goes on', async () => ((await positions())[0] ?? 0) > first);
  });

  test('it is taken exactly there, also of an archive that is only made while nothing is read', async () => {
    const [first = 0, second = 0] = await positions();
    const there = [first + AHEAD, second + AHEAD + 1];
    const { taken } = await atSoon(there);
    const { path } = await taken;
    const opened = await openArchive(realDisk, path);
    const found: unknown[] = [];
    const table = opened.manifest.tables.findIndex(({ kind }) => kind === 'splits');
    for await (const { payload, entries } of opened.blocks({ tables: [table] })) {
      const reader = new ByteReader(payload);
      for (let i = 0; i < entries; i++) found.push(valueCodec.read(new ByteReader(readEntry(reader).value)));
    }
    await opened.close();
    assert.deepEqual(
      found,
      there.map((done) => ({ position: { done }, done: false })),
    );
    await until('it goes on', async () => ((await positions())[0] ?? 0) > (there[0] ?? 0));
  });
});

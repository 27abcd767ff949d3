/** Checkpoints packed into files: of jobs that run, that ended, that died before they could commit. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { toTidemarkError } from '../../src/base/errors.js';
import { homePaths } from '../../src/base/home.js';
import { systemRandom } from '../../src/base/random.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { externalize } from '../../src/job/externalize.js';
import type { ExternalizePlan } from '../../src/job/externalize-plan.js';
import type { CheckpointRow, JobRow } from '../../src/job/status.js';
import { committedLines, countedLines, difference } from '../crash/harness.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import { tidemark } from './command.js';
import { countedTo, JOBS, KEYS, Place, refused, type Saved, type Snapshot } from './place.js';

type Summary = Parameters<typeof countedTo>[0];

describe('externalize', () => {
  const place = new Place();
  before(async () => {
    await place.make();
    await place.count('counter', '--param', 'count=1000000', '--retain', '3');
  });
  after(() => place.remove());

  it('packs the newest checkpoint of a running job as <job>-<checkpoint>.checkpoint.tar, and prints its path', async () => {
    const { code, stdout, stderr } = await place.run('externalize', 'counter');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /\/counter-\d+\.checkpoint\.tar\n$/);
    assert.match(stderr, /counter: externalized checkpoint \d+, .* digest [0-9a-f]{12}\n/);
    const unpacked = place.bash(
      `mkdir x && tar -C x -xf ${stdout.trimEnd()} && cd x && sha256sum -c SHA256SUMS`,
    );
    assert.equal(unpacked.status, 0, unpacked.stderr);
    assert.match(unpacked.stdout, /data\/[0-9a-f]{64}\.seg: OK/);
  });

  it('--json has the shape of the contract; the archive counts its input up to the position, and is listed', async () => {
    const packed = await place.json<Saved>('externalize', 'counter', '-o', 'a.tar', '--reason', 'to be sure');
    assert.deepEqual(Object.keys(packed), ['path', 'kind', 'layout', 'digest', 'bytes', 'checkpointId']);
    assert.deepEqual([packed.kind, packed.layout], ['checkpoint', 'native']);
    assert.equal(packed.bytes, (await stat(packed.path)).size);
    assert.equal((await place.json<{ ok: boolean }>('verify', 'a.tar')).ok, true);
    const done = countedTo(await place.json<Summary>('inspect', 'a.tar'));
    const entries = await place.rows<{ value: number }>('inspect', 'a.tar', '--state', 'count.seen');
    assert.equal(
      entries.reduce((sum, { value }) => sum + value, 0),
      done,
    );
    const listed = (await place.json<Snapshot[]>('snapshots', 'counter')).find(
      ({ path }) => path === packed.path,
    );
    const { checkpointId, kind, layout, digest, reason, file } = listed ?? assert.fail('it is not listed');
    assert.deepEqual(
      { checkpointId, kind, layout, digest, reason, file },
      { ...pick(packed), reason: 'to be sure', file: 'there' },
    );
    const rows = await place.json<CheckpointRow[]>('checkpoints', 'counter');
    assert.equal(
      rows.some(({ retainedBy }) => retainedBy.includes('pin')),
      false,
    );
  });

  it('takes the checkpoint that is named, a folder, or stdout; refuses what is there or cannot be', async () => {
    await mkdir(place.path('backups'));
    // Pinned, or the next checkpoint may drop it before it is packed.
    const { checkpointId: id } = await place.json<{ checkpointId: number }>('pin', 'counter');
    const packed = await place.json<Saved>('externalize', `counter@${id}`, '-o', 'backups/');
    await place.json('pin', `counter@${id}`, '--remove');
    assert.equal(packed.path, place.path(`backups/counter-${id}.checkpoint.tar`));
    assert.match(
      await refused(place, 5, 'FILE_EXISTS', 'externalize', 'counter', '-o', packed.path),
      /--force/,
    );
    const again = await place.json<Saved>('externalize', 'counter', '-o', packed.path, '--force');
    assert.ok(again.checkpointId >= packed.checkpointId);
    await refused(place, 5, 'FILE_EXISTS', 'externalize', 'counter', '-o', 'backups');
    await refused(place, 4, 'FILE_NOT_FOUND', 'externalize', 'counter', '-o', 'none/');
    await refused(place, 4, 'CHECKPOINT_NOT_FOUND', 'externalize', 'counter@999999');
    await refused(place, 4, 'CHECKPOINT_NOT_FOUND', 'externalize', 'counter@1');
    await refused(place, 2, 'USAGE', 'externalize', 'a.tar');
    await refused(place, 4, 'JOB_NOT_FOUND', 'externalize', 'nobody');
    const piped = place.bash('tidemark externalize counter -o - --json > piped.tar');
    assert.equal(piped.status, 0, piped.stderr);
    const told = JSON.parse(piped.stderr.trimEnd().split('\n').at(-1) ?? '') as Saved;
    assert.equal(told.path, '-');
    assert.equal(told.bytes, (await stat(place.path('piped.tar'))).size);
    assert.equal((await place.json<{ ok: boolean }>('verify', './piped.tar')).ok, true);
  });

  it('--dry-run lists segments and bytes, which are shared, and writes nothing', async () => {
    const flags = ['--backend', 'disk', '--param', 'keys=300', '--param', 'count=1000000', '--retain', '5'];
    await place.count('churn', ...flags);
    let shared: ExternalizePlan | undefined;
    while (shared === undefined) {
      const files = await readdir(place.cwd);
      const plan = await place.json<ExternalizePlan>('externalize', 'churn', '--dry-run');
      assert.deepEqual(await readdir(place.cwd), files);
      if (plan.bytes.shared > 0) shared = plan;
    }
    const { segments, bytes, mode, backend, layout, committed } = shared;
    assert.deepEqual([mode, backend, layout, typeof committed], ['incremental', 'disk', 'native', 'boolean']);
    assert.equal(
      segments.reduce((sum, one) => sum + one.bytes, 0),
      bytes.total,
    );
    assert.equal(bytes.own + bytes.shared, bytes.total);
    const sharing = segments.filter(({ sharedWith }) => sharedWith.length > 0);
    assert.equal(
      sharing.reduce((sum, one) => sum + one.bytes, 0),
      bytes.shared,
    );
    await place.json('suspend', 'churn');
    const plan = await place.json<ExternalizePlan>('externalize', 'churn', '--dry-run');
    const { stdout } = await place.run('externalize', 'churn', '--dry-run');
    assert.match(stdout, new RegExp(`^${plan.segments[0]?.name} `, 'm'));
    assert.match(
      stdout,
      new RegExp(`churn@${plan.checkpointId}, incremental, disk backend: \\d+ segments?, `),
    );
    const packed = await place.json<Saved>('externalize', 'churn', '-o', 'churn.tar');
    const { totals } = await place.json<{ totals: { bytes: number } }>('inspect', 'churn.tar');
    assert.ok(totals.bytes > 0 && packed.bytes > plan.bytes.total);
    assert.equal(packed.checkpointId, plan.checkpointId);
  });

  it('packs what a job that has ended for good retains, and nothing where nothing is', async () => {
    await place.count('retaining', '--param', 'count=1000000', '--on-cancel', 'retain');
    await place.json('cancel', 'retaining');
    const packed = await place.json<Saved>('externalize', 'retaining', '-o', 'retained.tar');
    const done = countedTo(await place.json<Summary>('inspect', 'retained.tar'));
    assert.equal(difference(committedLines(place.path('retaining')), countedLines(done, KEYS)), '');
    const more = ['--name', 'after', '--param', `count=${done + 100}`, '-p', '3'];
    assert.equal((await place.json<JobRow>('restore', packed.path, ...more)).state, 'finished');
    assert.equal(difference(committedLines(place.path('retaining')), countedLines(done + 100, KEYS)), '');
    await place.count('dropping');
    await place.json('cancel', 'dropping');
    assert.match(await refused(place, 4, 'CHECKPOINT_NOT_FOUND', 'externalize', 'dropping'), /snapshots/);
  });
});

describe('externalize, killed, interrupted, or of a job that was', () => {
  const place = new Place();
  before(() => place.make());
  after(() => place.remove());
  const params = ['--param', 'count=1000000', '--param', 'rate=2000', '--checkpoint-interval', '100ms'];

  it('first finishes the commits of a job that died between its checkpoint and them', async () => {
    const env = { TIDEMARK_FAILPOINT: 'checkpoint-before-commit:3' };
    const run = ['run', `${JOBS}/slow-count.ts`, '--name', 'died', '--param', 'output=died', ...params];
    assert.equal((await tidemark(run, { cwd: place.cwd, env })).code, 'SIGKILL');
    const plan = await place.json<ExternalizePlan>('externalize', 'died', '--dry-run');
    assert.equal(plan.committed, false);
    assert.match(
      (await place.run('externalize', 'died', '--dry-run')).stdout,
      /not committed it: that is finished first/,
    );
    const before = committedLines(place.path('died')).length;
    const packed = await place.json<Saved>('externalize', 'died', '-o', 'died.tar');
    assert.equal(packed.checkpointId, plan.checkpointId);
    const done = countedTo(await place.json<Summary>('inspect', 'died.tar'));
    assert.ok(before < done);
    assert.equal(difference(committedLines(place.path('died')), countedLines(done, KEYS)), '');
    assert.equal((await place.json<ExternalizePlan>('externalize', 'died', '--dry-run')).committed, true);
    assert.equal((await place.json<JobRow>('status', 'died')).state, 'lost');
    await place.json('resume', 'died');
    await place.json('stop', 'died', '-o', 'resumed.tar');
    const end = countedTo(await place.json<Summary>('inspect', 'resumed.tar'));
    assert.equal(difference(committedLines(place.path('died')), countedLines(end, KEYS)), '');
  });

  it('does not pack what a sink cannot commit, and is refused where a process holds the job', async () => {
    await writeFile(place.path('failing.ts'), FAILING);
    const run = ['run', 'failing.ts', '--param', `block=${place.path('block')}`, '--restart', 'none'];
    await writeFile(place.path('block'), '');
    assert.notEqual((await place.run(...run)).code, 0);
    assert.equal((await place.json<JobRow>('status', 'failing')).state, 'failed');
    const { code, stderr } = await place.run('externalize', 'failing', '-o', 'failing.tar');
    assert.equal(code, 3, stderr);
    assert.match(stderr, /no commit today/);
    await rm(place.path('block'));
    await withCatalog(place, async (catalog) => {
      const lock = catalog.lockJob(catalog.job('failing').id, { pid: process.pid });
      assert.ok(lock !== undefined);
      try {
        assert.match(
          await refused(place, 5, 'JOB_RUNNING', 'externalize', 'failing', '-o', 'failing.tar'),
          /suspend/,
        );
      } finally {
        lock.release();
      }
    });
    assert.equal(existsSync(place.path('failing.tar')), false);
    await place.json<Saved>('externalize', 'failing', '-o', 'failing.tar');
  });

  it('killed before or after the archive has its name: it is whole or not there, and the next one works', async () => {
    await place.count('killed');
    await place.json('suspend', 'killed');
    for (const [point, there] of [
      ['externalize-before-name', false],
      ['externalize-named', true],
    ] as const) {
      const args = ['externalize', 'killed', '-o', `${point}.tar`];
      const { code } = await tidemark(args, { cwd: place.cwd, env: { TIDEMARK_FAILPOINT: point } });
      assert.equal(code, 'SIGKILL');
      assert.equal(existsSync(place.path(`${point}.tar`)), there);
      if (there) assert.equal((await place.json<{ ok: boolean }>('verify', `${point}.tar`)).ok, true);
      await place.json<Saved>(...args, '--force');
    }
  });

  it('interrupted, or on a disk that fails anywhere, leaves no file, no pin and no row', async () => {
    await mkdir(place.path('out'));
    await place.count('failed');
    await place.json('suspend', 'failed');
    await withCatalog(place, async (catalog) => {
      const job = catalog.job('failed');
      const pack = (disk: FaultyDisk, signal = new AbortController().signal, onProgress = () => {}) =>
        externalize({
          catalog,
          disk,
          clock: systemClock,
          job,
          checkpoint: undefined,
          destination: { output: place.path('out/full.tar'), force: false },
          reason: undefined,
          patience: 0,
          signal,
          onProgress,
        });
      const segments = catalog.lastCompleted(job.id)?.segments ?? [];
      const fresh = async () => {
        const disk = new FaultyDisk();
        for (const name of segments)
          disk.plant(catalog.home.segment(name), await readFile(catalog.home.segment(name)));
        await disk.mkdir(place.path('out'));
        return disk;
      };
      const assertNothing = (disk: FaultyDisk) => {
        assert.deepEqual(
          disk.paths(),
          segments.map((name) => catalog.home.segment(name)),
        );
        assert.equal(catalog.savepoints(job.id).length, named);
        assert.equal(catalog.lastCompleted(job.id)?.retainedBy.includes('pin'), false);
      };
      const whole = await fresh();
      await pack(whole);
      let named = 1;
      const steps = whole.operations.length;
      for (let step = 1; step <= steps; step++) {
        const disk = await fresh();
        disk.failAt(step, 'ENOSPC');
        const failed = await pack(disk).then(
          () => undefined,
          (error: unknown) => toTidemarkError(error).code,
        );
        if (failed === undefined) {
          named++;
          continue;
        }
        assert.equal(failed, 'DISK_FULL', disk.operations.at(-1));
        // Only to make the name durable may fail once it is there.
        if (!disk.paths().includes(place.path('out/full.tar'))) assertNothing(disk);
        else assert.match(disk.operations.at(-2) ?? '', /^syncFolder /);
      }
      const disk = await fresh();
      const stop = new AbortController();
      const gaveUp = pack(disk, stop.signal, () => stop.abort());
      await assert.rejects(gaveUp, (error) => error === stop.signal.reason);
      assertNothing(disk);
    });
  });
});

function pick({ checkpointId, kind, layout, digest }: Saved) {
  return { checkpointId, kind, layout, digest };
}

async function withCatalog(place: Place, use: (catalog: Catalog) => Promise<void>): Promise<void> {
  const catalog = Catalog.open(homePaths(place.path('.tidemark')), {
    create: false,
    clock: systemClock,
    random: systemRandom,
  });
  try {
    await use(catalog);
  } finally {
    catalog.close();
  }
}

/** A job whose sink commits nothing while a file is there. */
const FAILING = `
  import { existsSync } from 'node:fs';
  import { defineJob, defineSink, param, schema, sequence } from 'tidemark';
  const any = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } };
  const params = { block: param.string() };
  export default defineJob('failing', { params, checkpoint: { interval: '50ms' } }, (job, p) => {
    const commit = async () => {
      if (existsSync(p.block)) throw new Error('no commit today');
    };
    job.source('numbers', sequence({ count: 1000000, rate: 1000 })).sink(
      'out',
      defineSink({
        transaction: schema(any),
        open: () => ({ write() {}, prepare: async (checkpoint) => ({ checkpoint }) }),
        committer: () => ({ recover: async (restored) => restored.length > 0 ? commit() : undefined, commit }),
      }),
    );
  });`;

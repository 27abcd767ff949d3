/**
 * Many checkpoints of a state that churns: keys come, change and go. After each the chain is within its hard bound; as
 * soon as merges have caught up it is as short as a store at rest, and all files together are at most three times what
 * is alive. Who ends the job properly finds no file that no checkpoint refers to.
 *
 * `TIDEMARK_TEST_LONG=1`: 1,000 checkpoints of each backend.
 */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { EXIT } from '../../src/base/errors.js';
import { homePaths } from '../../src/base/home.js';
import { realDisk } from '../../src/base/real-disk.js';
import { callControl } from '../../src/control/client.js';
import { decodeManifest, isKeyed } from '../../src/format/manifest.js';
import type { StoreMetrics } from '../../src/job/attempt-store.js';
import { pinCheckpoint } from '../../src/job/pin-checkpoint.js';
import type { StatusDocument } from '../../src/job/status.js';
import { liveBlocks } from '../../src/store/live-blocks.js';
import { HARD_RUNS, LEAST_BYTES, MAX_RUNS } from '../../src/store/pick-merge.js';
import { RunReader } from '../../src/store/run-reader.js';
import { Sandbox } from './harness.js';
import { onlyJob, referredFiles, segmentFiles, withCatalog } from './home-check.js';

const CHECKPOINTS = process.env['TIDEMARK_TEST_LONG'] === '1' ? 1_000 : 36;
/** How often merges are let catch up, and the space is judged. */
const JUDGED_EVERY = CHECKPOINTS / 6;
const MAX_SPACE = 3;
const PATIENCE = 60_000;
/** Some 2 MB are alive of them; of the numbers a second that change them, about a quarter set a value. */
const SHAPE = { keys: 4_000, pad: 200, rate: 12_000 };

const BACKENDS = [
  { name: 'memory', flags: ['--backend', 'memory', '--checkpoint-mode', 'incremental'] },
  { name: 'disk', flags: ['--backend', 'disk', '--cache', '4m'] },
];

/** A running job, asked over its control socket. */
class Churning {
  readonly sandbox = new Sandbox();
  readonly #running;
  #socket = '';

  constructor(flags: readonly string[]) {
    const params = { ...SHAPE, limit: this.sandbox.path('limit'), output: this.sandbox.path('out') };
    const given = Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`]);
    const options = ['-p', '2', '--checkpoint-interval', '0', '--sinks', 'mute'];
    const command = ['run', 'test/crash/definitions/many-deeds.ts', ...options, ...flags, ...given];
    this.#running = this.sandbox.start(command);
  }

  async begin(): Promise<void> {
    await this.#running.says(/ runs from the beginning/);
    this.#socket = withCatalog(this.sandbox.home, (catalog) => onlyJob(catalog).socket ?? '');
  }

  async checkpoint(): Promise<void> {
    await callControl(this.#socket, 'POST', '/v1/checkpoint', { full: false }, PATIENCE);
  }

  async store(): Promise<StoreMetrics> {
    const status = (await callControl(
      this.#socket,
      'GET',
      '/v1/status',
      undefined,
      PATIENCE,
    )) as StatusDocument;
    assert.ok(status.store !== null, 'its state lies in segments');
    return status.store;
  }

  /** Waits for merges: the store is short, and each file is one of it or of the last checkpoint. */
  async quiet(): Promise<StoreMetrics> {
    for (const end = Date.now() + PATIENCE; ; ) {
      const before = await this.store();
      const { whole, unfinished } = segmentFiles(this.sandbox.home);
      const after = await this.store();
      const still = before.merges.count === after.merges.count && unfinished.length === 0;
      const referred = withCatalog(this.sandbox.home, referredFiles).length;
      if (still && after.segments <= MAX_RUNS && whole.length <= after.segments + referred) return after;
      assert.ok(Date.now() < end, `merges do not catch up: ${JSON.stringify(after)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Of all files in the folder of segments. */
  bytesUsed(): number {
    const folder = homePaths(this.sandbox.home).segments;
    const { whole, unfinished } = segmentFiles(this.sandbox.home);
    const sizes = [...whole, ...unfinished].map(
      (name) => statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0,
    );
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  /** Bytes of the entries of the last checkpoint, each once. */
  async bytesAlive(): Promise<number> {
    return await withCatalog(this.sandbox.home, async (catalog) => {
      const job = onlyJob(catalog);
      const held = { who: 'test', now: systemClock.now() };
      const { unpin, checkpoint } = pinCheckpoint(catalog, job, undefined, held);
      const { tables } = decodeManifest(checkpoint.manifest, 'the last checkpoint');
      const unkeyed = new Set(tables.filter(({ kind }) => !isKeyed(kind)).map(({ id }) => id));
      const readers: RunReader[] = [];
      try {
        for (const name of checkpoint.segments)
          readers.push(await RunReader.openFile(realDisk, catalog.home.segments, name));
        let bytes = 0;
        for await (const { payload } of liveBlocks(readers, { unkeyed })) bytes += payload.length;
        return bytes;
      } finally {
        for (const reader of readers) await reader.close();
        unpin();
      }
    });
  }

  async suspend(): Promise<void> {
    this.#running.process.kill('SIGTERM');
    const { code, stderr } = await this.#running.finished;
    assert.equal(code, EXIT.sigterm, stderr);
  }
}

describe(`${CHECKPOINTS} checkpoints of a churning state`, () => {
  for (const { name, flags } of BACKENDS) {
    test(name, async () => {
      const job = new Churning(flags);
      after(() => job.sandbox.remove());
      await job.begin();
      for (let n = 1; n <= CHECKPOINTS; n++) {
        await job.checkpoint();
        const { segments } = await job.store();
        // A delta has at most two runs, and is let in as long as there are fewer than HARD_RUNS.
        assert.ok(segments <= HARD_RUNS + 1, `${segments} segments after checkpoint ${n}`);
        if (n % JUDGED_EVERY !== 0) continue;
        await job.quiet();
        // What the one before needs, and this does not, goes with it.
        await job.checkpoint();
        await job.quiet();
        const used = job.bytesUsed();
        const alive = await job.bytesAlive();
        const what = `after checkpoint ${n}: ${used} bytes are used, ${alive} alive`;
        assert.ok(used <= MAX_SPACE * alive || used <= LEAST_BYTES, what);
      }
      const { merges } = await job.store();
      assert.ok(merges.count >= CHECKPOINTS / HARD_RUNS, `${merges.count} merges`);
      await job.suspend();
      const { whole, unfinished } = segmentFiles(job.sandbox.home);
      assert.deepEqual(unfinished, []);
      assert.deepEqual(whole, withCatalog(job.sandbox.home, referredFiles));
    });
  }
});

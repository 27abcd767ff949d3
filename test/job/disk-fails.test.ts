/** For every n: the nth operation on the disk of checkpoints fails, and the job's output is whole all the same. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import type { Disk, WriteFile } from '../../src/base/disk.js';
import { homePaths } from '../../src/base/home.js';
import { systemRandom } from '../../src/base/random.js';
import { realDisk } from '../../src/base/real-disk.js';
import { Catalog } from '../../src/catalog/catalog.js';
import type { RunnerEvent } from '../../src/job/events.js';
import { prepareJob } from '../../src/job/prepare.js';
import { Runner } from '../../src/job/runner.js';
import { committedLines, countedLines, difference, PROJECT } from '../crash/harness.js';

const COUNT = 600;
const KEYS = 7;

const folder = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The real disk, whose nth changing operation fails once with ENOSPC. */
class FailingDisk implements Disk {
  operations = 0;
  readonly #failAt: number;

  constructor(failAt: number) {
    this.#failAt = failAt;
  }

  open = realDisk.open;
  stat = realDisk.stat;
  list = realDisk.list;
  mkdir = (path: string) => this.#try(() => realDisk.mkdir(path));
  rename = (from: string, to: string) => this.#try(() => realDisk.rename(from, to));
  link = (from: string, to: string) => this.#try(() => realDisk.link(from, to));
  remove = (path: string) => this.#try(() => realDisk.remove(path));
  syncFolder = (path: string) => this.#try(() => realDisk.syncFolder(path));

  create(path: string, options?: { exclusive?: boolean }): Promise<WriteFile> {
    return this.#try(async () => {
      const file = await realDisk.create(path, options);
      return {
        append: (bytes) => this.#try(() => file.append(bytes)),
        sync: () => this.#try(() => file.sync()),
        close: () => file.close(),
      };
    });
  }

  async #try<T>(act: () => Promise<T>): Promise<T> {
    if (++this.operations === this.#failAt)
      throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
    return act();
  }
}

async function runWith(
  disk: Disk,
  name: string,
  definition = 'fixtures/jobs/slow-count.ts',
  onEvent: (event: RunnerEvent) => void = () => undefined,
): Promise<{ state: string; lines: string[] }> {
  const home = homePaths(join(folder, name));
  const output = join(folder, `${name}-out`);
  const catalog = Catalog.open(home, { create: true, clock: systemClock, random: systemRandom });
  try {
    const job = await prepareJob(home, catalog, {
      definition,
      params: { count: String(COUNT), rate: '3000', keys: String(KEYS), output },
      flags: { checkpointInterval: '40ms', restart: 'fixed-delay:1ms:5', parallelism: 2 },
      cwd: PROJECT,
      environment: {},
    });
    const ignore = { stdout: async () => undefined, onEvent, environment: process.env };
    const runner = await Runner.start({ home, catalog, job: job.id, disk, ...ignore });
    const { state } = await runner.ended;
    return { state, lines: committedLines(output) };
  } finally {
    catalog.close();
  }
}

test('a checkpoint disk that fails at any one operation costs an attempt at most', async () => {
  const whole = new FailingDisk(0);
  const undisturbed = await runWith(whole, 'whole');
  assert.equal(undisturbed.state, 'finished');
  assert.ok(whole.operations > 10, `only ${whole.operations} operations`);
  // Every operation of the first checkpoints, and some later ones.
  const many = process.env['TIDEMARK_TEST_LONG'] === '1' ? whole.operations : 12;
  for (let n = 1; n <= many; n++) {
    const { state, lines } = await runWith(new FailingDisk(n), `fail-${n}`);
    assert.equal(state, 'finished', `operation ${n}`);
    assert.equal(difference(lines, countedLines(COUNT, KEYS)), '', `operation ${n}`);
  }
});

test('a checkpoint given up while its file gets its name leaves no file behind', async () => {
  const definition = join(folder, 'impatient.ts');
  const source = readFileSync(join(PROJECT, 'fixtures/jobs/slow-count.ts'), 'utf8');
  writeFileSync(
    definition,
    source.replace("{ interval: '1s' }", "{ interval: '1s', timeout: '1s', tolerated: 9 }"),
  );
  const home = homePaths(join(folder, 'impatient'));
  let giveUp: (() => void) | undefined;
  const givenUp = new Promise<void>((resolve) => {
    giveUp = resolve;
  });
  let slow = 1;
  const disk: Disk = {
    ...realDisk,
    async syncFolder(path) {
      // The first segment has its name, and the disk takes its time.
      if (path === home.segments && slow-- > 0) await givenUp;
      await realDisk.syncFolder(path);
    },
  };
  const { state } = await runWith(disk, 'impatient', definition, (event) => {
    if (event.type === 'checkpoint-failed') giveUp?.();
  });
  assert.equal(state, 'finished');
  assert.ok(slow < 1, 'the disk was slow');
  assert.deepEqual(readdirSync(home.segments), []);
});

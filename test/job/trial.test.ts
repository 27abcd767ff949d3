/** A definition is tried on a snapshot: what throws is found, and nothing is left of it. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openArchive } from '../../src/archive/read.js';
import { homePaths } from '../../src/base/home.js';
import { realDisk } from '../../src/base/real-disk.js';
import { CHECK_SAMPLE } from '../../src/job/check-values.js';
import { snapshotOf } from '../../src/job/planned-snapshot.js';
import { planSnapshot } from '../../src/job/restore.js';
import { runTrial, type TrialOptions, type TrialReport } from '../../src/job/trial.js';
import { testJob } from '../../src/testing.js';
import { PROJECT } from '../crash/harness.js';
import { archiveOf } from './matrix-archive.js';
import definition from './trial-job.js';

describe('a trial', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-test-trial-'));
  const archive = join(folder, 'before.tar');
  const strays = () => readdirSync(tmpdir()).filter((name) => name.startsWith('tidemark-trial-'));
  const straysBefore = strays();

  before(async () => {
    const job = await testJob(definition, { cwd: folder });
    for (let steps = 0; steps < 3; steps++) await job.step();
    await archiveOf(definition, await job.snapshot(), archive, folder, { cwd: folder });
    await job.close();
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  async function trial(
    params: Readonly<Record<string, string>>,
    options: Partial<TrialOptions> = {},
    flags = {},
  ): Promise<TrialReport> {
    const home = homePaths(join(folder, 'home'));
    const opened = await openArchive(realDisk, archive);
    try {
      const snapshot = { label: archive, ...snapshotOf(opened) };
      const common = {
        archive,
        sinks: undefined,
        allowNonRestored: false,
        afterDrain: false,
        convert: false,
      };
      const plan = await planSnapshot(
        home,
        {
          ...common,
          definition: join(PROJECT, 'test/job/trial-job.ts'),
          params,
          flags,
          cwd: folder,
          environment: {},
        },
        snapshot,
        CHECK_SAMPLE,
      );
      return await runTrial(home, plan, snapshot, { elements: 100, ...options });
    } finally {
      await opened.close();
      assert.deepEqual(strays(), straysBefore);
      assert.deepEqual(readdirSync(folder).sort(), ['before.tar', 'home']);
      assert.deepEqual(readdirSync(join(folder, 'home')), ['bundles']);
    }
  }

  test('reads so many elements of each split, and lets event time come to its end', async () => {
    const { durationMs, ...report } = await trial({}, {}, { backend: 'disk', parallelism: '2' });
    assert.ok(durationMs > 0);
    assert.deepEqual(report, {
      splits: ['0', '1', '2'].map((id) => ({ source: 'numbers', id, read: 100, failed: false })),
      elements: 300,
      // Each of ten keys has a timer, restored or not.
      emitted: 10,
      errors: [],
      ended: 'limit',
    });
  });

  test('says what throws in a split, and goes on with the others', async () => {
    const { errors, splits, elements, ended } = await trial({ wrong: 'element' });
    assert.deepEqual(
      errors.map(({ code, operator }) => [code, operator]),
      [['USER_CODE', 'count']],
    );
    assert.match(errors[0]?.message ?? '', /an element/);
    assert.deepEqual(
      splits.map(({ id, read, failed }) => [id, read, failed]),
      [
        ['0', 100, false],
        ['1', 0, true],
        ['2', 100, false],
      ],
    );
    assert.deepEqual([elements, ended], [200, 'limit']);
  });

  test('finds what throws only at a timer, or when state is written', async () => {
    const timer = await trial({ wrong: 'timer' });
    assert.match(timer.errors[0]?.message ?? '', /a timer/);
    assert.equal(timer.ended, 'failed');
    const value = await trial({ wrong: 'value' });
    assert.equal(value.errors[0]?.code, 'VALUE_REFUSED');
  });

  test('waits for no rate, and ends when it is told to', async () => {
    const { elements, ended } = await trial({ wrong: 'slow' }, { elements: 7 });
    assert.deepEqual([elements, ended], [21, 'limit']);
    const signal = AbortSignal.abort(new Error('enough'));
    await assert.rejects(trial({}, { signal }), /enough/);
  });
});

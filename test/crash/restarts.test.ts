/** A job that is stopped again and again, by its own exceptions or by a signal, and restarts: its output is exact. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { EXIT } from '../../src/base/errors.js';
import { seededRandom } from '../../src/base/random.js';
import type { JobRow } from '../../src/job/status.js';
import { SEED } from '../helpers/seed.js';
import { committedLines, countedLines, difference, Sandbox } from './harness.js';

/** With `TIDEMARK_TEST_LONG=1`, more. */
const STOPS = process.env['TIDEMARK_TEST_LONG'] === '1' ? 20 : 6;
const KEYS = 31;

const sandbox = new Sandbox();
after(() => sandbox.remove());

describe('a job that is stopped again and again', { concurrency: 2 }, () => {
  test('by exceptions at random elements: fixed-delay restarts it, and each line is committed once', async () => {
    const count = 24_000;
    const output = sandbox.path('thrown-out');
    const record = sandbox.path('throws');
    const params = { count, rate: 6_000, keys: KEYS, throws: STOPS, within: 1_500, record, output };
    const definition = 'test/crash/definitions/throws-sometimes.ts';
    const options = [
      '-p',
      '3',
      '--checkpoint-interval',
      '50ms',
      '--restart',
      'fixed-delay:10ms:40',
      '--json',
    ];
    const given = Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`]);
    const { code, stdout, stderr } = await sandbox.start(['run', definition, ...options, ...given]).finished;
    assert.equal(code, EXIT.done, stderr);
    assert.equal(statSync(record).size, STOPS);
    const row: JobRow = JSON.parse(stdout);
    assert.deepEqual({ state: row.state, restarts: row.restarts }, { state: 'finished', restarts: STOPS });
    assert.equal(difference(committedLines(output), countedLines(count, KEYS)), '');
  });

  test('by SIGTERM at random moments: run --resume goes on, and each line is committed once', async () => {
    const random = seededRandom(SEED);
    const count = 20_000;
    const output = sandbox.path('stopped-out');
    const params = { count, rate: 1_000, keys: KEYS, splits: 4, output };
    const options = ['--resume', '-p', '2', '--checkpoint-interval', '100ms', '--restart', 'none'];
    const given = Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`]);
    const args = ['run', 'fixtures/jobs/slow-count.ts', ...options, ...given];
    const codes: (number | string | null)[] = [];
    for (let stop = 0; stop < STOPS; stop++) {
      const running = sandbox.start(args);
      // Every fourth one as soon as the job runs, the others at any moment from the start of the process on.
      if (stop % 4 === 0) await running.says(/ runs from /);
      else await new Promise((resolve) => setTimeout(resolve, random.next() * 1_200));
      running.process.kill('SIGTERM');
      const { code, signal, stderr } = await running.finished;
      codes.push(code ?? signal);
      assert.ok(code === EXIT.sigterm || signal === 'SIGTERM', `ended with ${code ?? signal}: ${stderr}`);
      const lines = committedLines(output);
      assert.equal(new Set(lines).size, lines.length, 'a committed line stands twice');
    }
    assert.ok(codes.filter((code) => code === EXIT.sigterm).length >= STOPS / 4, codes.join());
    const { code, stderr } = await sandbox.start([...args.slice(0, 2), '--resume']).finished;
    assert.equal(code, EXIT.done, stderr);
    assert.equal(difference(committedLines(output), countedLines(count, KEYS)), '');
  });
});

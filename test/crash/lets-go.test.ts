/** User code that throws or never answers where it is to let go, or to list its splits, does not keep a job. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { errorOf, eventually, Sandbox } from './harness.js';

const sandbox = new Sandbox();
after(() => sandbox.remove());

const JOB = 'test/crash/definitions/never-lets-go.ts';

function start(mode: string, ...more: readonly string[]) {
  const options = ['--step-timeout', '1s', '--restart', 'none', '--checkpoint-interval', '100ms'];
  return sandbox.start(['run', JOB, '--name', mode, '--param', `mode=${mode}`, ...options, ...more]);
}

describe('a job ends although its user code', () => {
  for (const mode of ['close-throws', 'close-never']) {
    test(`does not close: ${mode}`, async () => {
      const { code, stderr } = await start(mode).finished;
      assert.equal(code, 0, stderr);
      assert.equal(sandbox.status(mode).state, 'finished');
      assert.match(sandbox.run(['logs', mode]).stdout, /failed while it closed/);
    });
  }

  for (const mode of ['splits-never', 'lists-never']) {
    test(`never lists its splits: ${mode}`, async () => {
      const finished = await start(mode, '--json').finished;
      assert.equal(errorOf(finished).code, 'STEP_TIMEOUT');
    });
  }

  test('never reads on', async () => {
    const job = start('reads-never');
    await job.says(/"type":"running"|runs from/);
    await eventually('20 elements', () => JSON.stringify(sandbox.status('reads-never')).includes('"in":20'));
    const { code, stderr } = sandbox.run(['suspend', 'reads-never']);
    assert.equal(code, 0, stderr);
    await job.finished;
    assert.equal(sandbox.status('reads-never').state, 'suspended');
  });
});

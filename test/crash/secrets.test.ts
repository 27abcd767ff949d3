/** Secrets come from the environment each time: without one a job is not resumed, and not harmed either. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { EXIT } from '../../src/base/errors.js';
import { committedLines, errorOf, Sandbox } from './harness.js';

const sandbox = new Sandbox();
after(() => sandbox.remove());

test('a resume without the secret changes nothing', async () => {
  const output = sandbox.path('out');
  const args = ['run', 'test/crash/definitions/needs-secret.ts', '--resume', '--param', `output=${output}`];
  const secret = { TIDEMARK_TEST_TOKEN: 'hunter2' };
  const running = sandbox.start(args, secret);
  await running.says(/runs from/);
  running.process.kill('SIGKILL');
  await running.finished;
  for (const attempt of [['resume', 'needs-secret'], ['resume', '--all'], args]) {
    const refused = sandbox.run([...attempt, '--json']);
    assert.equal(refused.code, EXIT.usage, refused.stderr);
    assert.equal(errorOf(refused).code, 'PARAM_MISSING');
    assert.equal(sandbox.status('needs-secret').state, 'lost');
  }
  assert.equal(sandbox.run(args, secret).code, 0);
  assert.equal(committedLines(output).length, 3_000);
});

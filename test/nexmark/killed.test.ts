/** A query through the real command line, killed between a checkpoint and its commit, and resumed: its files say the same. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { committedLines, difference, Sandbox } from '../crash/harness.js';
import { q5 } from './window-oracles.js';

const sandbox = new Sandbox();
after(() => sandbox.remove());

test('q5, killed with SIGKILL and resumed at the same parallelism', async () => {
  const output = sandbox.path('q5');
  const options = ['-p', '4', '--checkpoint-interval', '50ms', '--param', `output=${output}`];
  const args = ['run', 'fixtures/jobs/nexmark/q5.ts', '--resume', ...options];
  const killed = await sandbox.start(args, { TIDEMARK_FAILPOINT: 'checkpoint-before-commit:2' }).finished;
  assert.equal(killed.signal, 'SIGKILL', killed.stderr);
  assert.notEqual(difference(committedLines(output), q5()), '', 'there was something left to do');
  const { code, stderr } = await sandbox.start(args).finished;
  assert.equal(code, 0, stderr);
  assert.equal(difference(committedLines(output), q5()), '');
});

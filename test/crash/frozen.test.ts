/**
 * Code is frozen at the first start: the definition is edited and deleted while its job runs, and every way of going
 * on (an exception's restart, kill -9 and resume, suspend and resume) still runs what was started.
 */
import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { EXIT } from '../../src/base/errors.js';
import { committed, committedLines, difference, eventually, Sandbox } from './harness.js';

const COUNT = 9_000;
const RATE = 1_000;

const sandbox = new Sandbox();
after(() => sandbox.remove());

/** A definition that says which version of it runs, and throws once when a file tells it to. */
function definition(version: number): string {
  return `import { existsSync, rmSync } from 'node:fs';
import { defineJob, fileSink, sequence } from 'tidemark';
import { label } from './label.ts';

const TRIGGER = ${JSON.stringify(sandbox.path('trigger'))};

export default defineJob('frozen', {}, (job) => {
  job
    .source('numbers', sequence({ count: ${COUNT}, rate: ${RATE} }))
    .map((n) => {
      if (n % 50 === 0 && existsSync(TRIGGER)) {
        rmSync(TRIGGER);
        throw new Error('told to');
      }
      return { n, version: ${version}, label };
    })
    .sink('out', fileSink(${JSON.stringify(sandbox.path('out'))}));
});
`;
}

function write(version: number): void {
  writeFileSync(sandbox.path('label.ts'), `export const label: string = 'label ${version}';\n`);
  writeFileSync(sandbox.path('frozen.ts'), definition(version));
}

test('a job runs the code it was started with, whatever becomes of the file', async () => {
  const output = sandbox.path('out');
  const more = async () => committed(output, committedLines(output).length + 1);
  write(1);
  const args = ['--checkpoint-interval', '100ms', '--restart', 'fixed-delay:10ms:3', '-d', '--json'];
  const { code, stderr } = await sandbox.start(['run', sandbox.path('frozen.ts'), ...args]).finished;
  assert.equal(code, EXIT.done, stderr);
  await more();

  write(2);
  writeFileSync(sandbox.path('trigger'), '');
  await eventually('the job has thrown', () => !existsSync(sandbox.path('trigger')));
  await eventually('it has restarted', () => sandbox.status('frozen').epoch === 2);
  await more();

  const { pid } = sandbox.status('frozen');
  assert.ok(pid);
  process.kill(pid, 'SIGKILL');
  await eventually('it is lost', () => sandbox.status('frozen').state === 'lost');
  assert.equal(sandbox.json<{ state: string }>(['resume', 'frozen']).state, 'running');
  await more();

  for (const name of ['frozen.ts', 'label.ts']) rmSync(sandbox.path(name));
  assert.equal(sandbox.json<{ state: string }>(['suspend', 'frozen']).state, 'suspended');
  assert.equal(sandbox.json<{ state: string }>(['resume', 'frozen']).state, 'running');
  const waited = sandbox.start(['wait', 'frozen', '--until', 'finished', '--timeout', '60s', '--json']);
  const ended = await waited.finished;
  assert.equal(ended.code, EXIT.done, ended.stderr);
  const { epoch, restarts } = sandbox.status('frozen');
  assert.deepEqual({ epoch, restarts }, { epoch: 4, restarts: 1 });
  const expected = Array.from({ length: COUNT }, (_, n) =>
    JSON.stringify({ n, version: 1, label: 'label 1' }),
  );
  assert.equal(difference(committedLines(output), expected), '');

  // And a new start takes what is there then.
  write(3);
  rmSync(output, { recursive: true });
  const again = await sandbox.start(['run', sandbox.path('frozen.ts'), '-d', '--json']).finished;
  assert.equal(again.code, EXIT.done, again.stderr);
  assert.equal(sandbox.json<{ state: string }>(['suspend', 'frozen']).state, 'suspended');
  const lines = committedLines(output);
  assert.ok(lines.length > 0 && lines.every((line) => line.endsWith('"version":3,"label":"label 3"}')));
});

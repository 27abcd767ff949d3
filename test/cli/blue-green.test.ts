/** Two live jobs on an input that grows: the recipe of docs/blue-green.md, run for real. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { EXIT } from '../../src/base/errors.js';
import type { JobRow } from '../../src/job/status.js';
import { COMMAND, committed, errorOf, PROJECT, Sandbox } from '../crash/harness.js';
import { environment } from './command.js';
import type { Entry } from './place.js';

const SCRIPT = join(PROJECT, 'fixtures/ci/blue-green.sh');
const KEYS = 7;

/** Counts the lines of a folder of files; `step` is what a line adds, and how it is written. */
const counting = (step: string) => `
import { defineJob, files, fileSink, param, state, type } from 'tidemark';
export default defineJob('count', { params: { input: param.string(), output: param.string() } }, (job, p) => {
  job
    .source('lines', files(p.input, { follow: true, pollInterval: 20 }))
    .keyBy((line) => line)
    .process('count', {
      state: { seen: state.number(0) },
      emits: type<string>(),
      onElement(line, ctx) {
        ${step};
        ctx.emit(line + ' ' + ctx.state.seen.get());
      },
    })
    .sink('out', fileSink(p.output));
});
`;

const sandbox = new Sandbox();
for (const folder of ['bin', 'in', 'archives']) mkdirSync(sandbox.path(folder), { recursive: true });
let lines = 0;
const writer = setInterval(() => {
  appendFileSync(sandbox.path(`in/${lines % 2}.log`), `key-${lines % KEYS}\n`);
  lines++;
}, 5);
after(() => {
  clearInterval(writer);
  sandbox.remove();
});

function blueGreen(definition: string) {
  const env = environment({ PATH: `${sandbox.path('bin')}:${process.env['PATH'] ?? ''}`, SOAK: '0.2' });
  return sandbox.spawn(
    'sh',
    [SCRIPT, 'count', sandbox.path(definition), sandbox.path('archives')],
    env as Record<string, string>,
  ).finished;
}

test('a new version takes over once it has come to the same state as the old one', async () => {
  symlinkSync(COMMAND, sandbox.path('bin/tidemark'));
  writeFileSync(sandbox.path('blue.ts'), counting('ctx.state.seen.set(ctx.state.seen.get() + 1)'));
  writeFileSync(sandbox.path('wrong.ts'), counting('ctx.state.seen.update((seen) => seen + 2)'));
  writeFileSync(sandbox.path('green.ts'), counting('ctx.state.seen.update((seen) => seen + 1)'));
  const params = ['--param', `input=${sandbox.path('in')}/*.log`, '--param', `output=${sandbox.path('out')}`];
  sandbox.json(['run', sandbox.path('blue.ts'), '-d', ...params, '--checkpoint-interval', '200ms']);

  const wrong = await blueGreen('wrong.ts');
  assert.equal(wrong.code, EXIT.differs, wrong.stderr);
  assert.match(wrong.stderr, /count\.seen +0 +0 +7\n.*they differ/s);

  const right = await blueGreen('green.ts');
  assert.equal(right.code, EXIT.done, right.stderr);
  assert.match(right.stderr, /the same state, digest .*they agree/s);

  const [job, ...others] = sandbox.json<JobRow[]>(['list']);
  assert.deepEqual([job?.name, job?.state, others.length], ['count', 'running', 0]);
  const start = sandbox.path('archives/start.tar');
  for (const [at, code, message] of [
    [start, 'POSITION_PASSED', /split [01].log of source lines, .* is beyond it already/],
    ['count', 'USAGE', /expected an archive, or another job/],
  ] as const) {
    const refused = errorOf(await sandbox.start(['savepoint', 'count', '--at', at, '--json']).finished);
    assert.equal(refused.code, code);
    assert.match(refused.message, message);
  }
  clearInterval(writer);
  // Every line once, by the one version or the other, in the order of its key.
  const found = await committed(sandbox.path('out'), lines);
  const expected = Array.from({ length: lines }, (_, i) =>
    JSON.stringify(`key-${i % KEYS} ${Math.floor(i / KEYS) + 1}`),
  );
  assert.deepEqual([...found].sort(), expected.sort());
  const end = sandbox.path('end.tar');
  sandbox.json(['stop', 'count', '-o', end]);
  const entries = sandbox
    .run(['inspect', end, '--state', 'count.seen', '--json'])
    .stdout.trimEnd()
    .split('\n');
  const total = entries.reduce((sum, line) => sum + Number((JSON.parse(line) as Entry).value), 0);
  assert.equal(total, lines);
});

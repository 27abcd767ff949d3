/** A small job in two files, written where a test wants it, and what it writes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Installed, type Result, run, start } from './npm.js';

/** Every element also says which copies of the library its thread has loaded; see `mark` in npm.ts. */
const JOB = `import { defineJob, fileSink, fromArray, param, type } from 'tidemark';
import { counted } from './counted.js';

declare global {
  var tidemarkCopies: string[] | undefined;
}

enum Word { Sea = 'sea', Whale = 'whale' }

export default defineJob('small', { params: { output: param.string('out') } }, (job, p) => {
  job
    .source('words', fromArray([Word.Sea, Word.Whale, Word.Sea]))
    .keyBy((word) => word)
    .process('count', {
      state: counted,
      emits: type<{ word: string; seen: number; copies: readonly string[] }>(),
      onElement(word, ctx) {
        const seen = ctx.state.seen.get() + 1;
        ctx.state.seen.set(seen);
        ctx.emit({ word, seen, copies: globalThis.tidemarkCopies ?? [] });
      },
    })
    .sink('out', fileSink(p.output));
});
`;

const COUNTED = `import { state } from 'tidemark';

export const counted = { seen: state.number(0) };
`;

/** Counts 0 … 2999 by their remainder, in about three seconds, with a checkpoint five times a second. */
const SLOW = `import { defineJob, fileSink, sequence, state, type } from 'tidemark';

export default defineJob('slow', { checkpoint: { interval: '200ms' } }, (job) => {
  job
    .source('numbers', sequence({ count: 3000, rate: 1000 }))
    .keyBy((n) => n % 10)
    .process('count', {
      state: { seen: state.number(0) },
      emits: type<{ key: number; seen: number }>(),
      onElement(_n, ctx) {
        const seen = ctx.state.seen.get() + 1;
        ctx.state.seen.set(seen);
        ctx.emit({ key: ctx.key, seen });
      },
    })
    .sink('out', fileSink('slow-out'));
});
`;

/** Writes job.ts, counted.ts and slow.ts into a folder, made when it is absent. */
export function writeJobs(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'job.ts'), JOB);
  writeFileSync(join(folder, 'counted.ts'), COUNTED);
  writeFileSync(join(folder, 'slow.ts'), SLOW);
}

/** The committed elements of a file sink, in no particular order. */
export function committed(folder: string): unknown[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith('part-'))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1))
    .map((line): unknown => JSON.parse(line));
}

function tidemark({ node, command }: Installed, args: readonly string[], cwd: string): Result {
  return run(node, [command, ...args], cwd);
}

/** `--version`, and the small job from its start to its end, with one copy of the library in the data thread. */
export function runSmallJob(installed: Installed, folder: string, copy: string, version: string): void {
  const shown = tidemark(installed, ['--version'], folder);
  assert.deepEqual(shown, { code: 0, stdout: `${version}\n`, stderr: '' });
  checkSmallJob((args) => tidemark(installed, args, folder), folder, copy);
}

/** The same by any way of calling tidemark; the output folder is named for the copy. */
export function checkSmallJob(
  call: (args: readonly string[]) => Result,
  folder: string,
  copy: string,
  output = `out-${copy}`,
): void {
  const ran = call(['run', 'job.ts', '--param', `output=${output}`, '--json']);
  assert.equal(ran.code, 0, ran.stderr);
  const row = JSON.parse(ran.stdout) as { readonly name: string; readonly state: string };
  assert.deepEqual({ name: row.name, state: row.state }, { name: 'small', state: 'finished' });
  const copies = [copy];
  const lines = committed(join(folder, output)).map((line) => JSON.stringify(line));
  assert.deepEqual(
    lines.sort(),
    [
      JSON.stringify({ word: 'sea', seen: 1, copies }),
      JSON.stringify({ word: 'sea', seen: 2, copies }),
      JSON.stringify({ word: 'whale', seen: 1, copies }),
    ].sort(),
  );
}

/** Kills the slow job once it has a checkpoint, and goes on to its end: every count once. */
export async function killAndResume(installed: Installed, folder: string): Promise<void> {
  const { node, command } = installed;
  const running = start(node, [command, 'run', 'slow.ts'], folder);
  const ended = once(running, 'exit');
  await untilCheckpoint(installed, folder);
  running.kill('SIGKILL');
  const [, signal] = await ended;
  assert.equal(signal, 'SIGKILL', 'it was killed before its end');
  const resumed = tidemark(installed, ['run', 'slow.ts', '--resume'], folder);
  assert.equal(resumed.code, 0, resumed.stderr);
  const expected: string[] = [];
  for (let n = 0; n < 3000; n++) {
    expected.push(JSON.stringify({ key: n % 10, seen: Math.floor(n / 10) + 1 }));
  }
  const found = committed(join(folder, 'slow-out')).map((line) => JSON.stringify(line));
  assert.deepEqual(found.sort(), expected.sort());
}

/** `wait` needs the job's row, which the process that was just started may not have made yet. */
async function untilCheckpoint(installed: Installed, folder: string): Promise<void> {
  const PATIENCE = 200;
  for (let round = 0; round < PATIENCE; round++) {
    const waited = tidemark(installed, ['wait', 'slow', '--until', 'checkpoint', '--timeout', '20s'], folder);
    if (waited.code === 0) return;
    assert.equal(waited.code, 4, waited.stderr);
  }
  assert.fail('the job never appeared');
}

/** A native part that does not load is an error with a code, exit code 10 and a way out. */
export function checkNativeError(installed: Installed, folder: string): void {
  const { code, stdout, stderr } = tidemark(installed, ['run', 'job.ts', '--json'], folder);
  const last = stderr.trimEnd().split('\n').at(-1) ?? '';
  assert.equal(code, 10, stderr);
  assert.equal(stdout, '');
  const error = JSON.parse(last) as Record<string, unknown>;
  assert.equal(error['type'], 'error');
  assert.equal(error['code'], 'NATIVE_MODULE');
  assert.equal(error['hint'], 'npm rebuild better-sqlite3');
}

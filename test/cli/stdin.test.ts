/** Standard input through the real command line: a pipe, an attempt that fails, a terminal, a job without a terminal. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { COMMAND, environment, PACKAGE, tidemark } from './command.js';

let cwd: string;
before(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tidemark-stdin-'));
  await mkdir(join(cwd, 'node_modules'));
  await symlink(PACKAGE, join(cwd, 'node_modules', 'tidemark'));
  await writeFile(join(cwd, 'shout.mjs'), SHOUT);
  await writeFile(join(cwd, 'sums.mjs'), SUMS);
});
after(() => rm(cwd, { recursive: true, force: true }));

const SHOUT = `
import { defineJob, stdin, stdout } from 'tidemark';
export default defineJob('shout', {}, (job) => {
  job.source('in', stdin()).map((line) => line.toUpperCase()).sink('out', stdout({ format: 'text' }));
});
`;

/** Fails once, in the middle of what it has read. */
const SUMS = `
import { existsSync, writeFileSync } from 'node:fs';
import { defineJob, fileSink, stdin } from 'tidemark';
export default defineJob('sums', { restart: 'fixed-delay:10ms:3' }, (job) => {
  job
    .source('in', stdin({ format: 'csv' }))
    .map(({ n }) => {
      if (n === '150000' && !existsSync('failed')) {
        writeFileSync('failed', '');
        throw new Error('once');
      }
      return Number(n);
    })
    .sink('out', fileSink('sums', { part: { size: '64k' } }));
});
`;

/** Runs a command with what is written to it, on a pipe or on a terminal. */
function start(command: string, args: readonly string[]) {
  const child = spawn(command, args, { cwd, env: environment(), stdio: 'pipe' });
  const said = { text: '' };
  let heard = () => {};
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said.text += text;
      heard();
    });
  const ended = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
  void ended.then(() => heard());
  const says = async (pattern: RegExp) => {
    while (!pattern.test(said.text)) {
      assert.equal(child.exitCode, null, said.text);
      await new Promise<void>((resolve) => {
        heard = resolve;
      });
    }
  };
  return { child, said, ended, says };
}

test('a pipe is read to its end, and an attempt that fails in the middle costs nothing', async () => {
  const args = [COMMAND, 'run', 'sums.mjs', '--home', 'pipe', '--checkpoint-interval', '100ms'];
  const { child, said, ended, says } = start(process.execPath, args);
  const count = 300_000;
  child.stdin.write('n\n');
  for (let n = 0; n < count; n += 10_000) {
    const rows = Array.from({ length: 10_000 }, (_, i) => `${n + i}\n`).join('');
    if (!child.stdin.write(rows)) await new Promise((resolve) => child.stdin.once('drain', resolve));
    // So that there is something to go on from.
    if (n === 100_000) await says(/runs from/);
  }
  child.stdin.end();
  assert.equal(await ended, 0, said.text);
  assert.match(said.text, /Error: once/);
  const parts = (await readdir(join(cwd, 'sums'))).filter((name) => name.startsWith('part-'));
  const texts = await Promise.all(parts.map((name) => readFile(join(cwd, 'sums', name), 'utf8')));
  for (const text of texts) assert.ok(text.length <= 64 * 1024);
  const numbers = texts.flatMap((text) => text.trimEnd().split('\n').map(Number));
  assert.equal(numbers.length, count);
  assert.deepEqual(
    numbers.sort((a, b) => a - b).findIndex((n, i) => n !== i),
    -1,
  );
});

const terminal = spawnSync('script', ['--version']).status === 0;
const skip = terminal ? false : 'there is no script(1) to make a terminal';

test('a terminal is read line by line; Ctrl-C suspends, Ctrl-D ends the job', { skip }, async () => {
  const command = (text: string) => `${process.execPath} ${COMMAND} ${text} --home terminal`;
  const first = start('script', ['-qec', command('run shout.mjs'), '/dev/null']);
  await first.says(/runs from the beginning/);
  first.child.stdin.write('one\n');
  await first.says(/ONE/);
  first.child.stdin.write('\x03');
  assert.equal(await first.ended, 130, first.said.text);
  assert.match(
    first.said.text,
    /SIGINT: suspending[\s\S]*shout is suspended: 1 element[\s\S]*resume shout --foreground/,
  );
  const second = start('script', ['-qec', command('resume shout --foreground'), '/dev/null']);
  await second.says(/runs from checkpoint/);
  second.child.stdin.write('two\n');
  await second.says(/TWO/);
  second.child.stdin.write('\x04');
  assert.equal(await second.ended, 0, second.said.text);
  assert.match(second.said.text, /shout is finished/);
  assert.doesNotMatch(second.said.text, /ONE/);
});

test('a directory is no input', async () => {
  const directory = await open(cwd);
  const args = [COMMAND, 'run', 'shout.mjs', '--home', 'directory', '--restart', 'none'];
  const child = spawn(process.execPath, args, {
    cwd,
    env: environment(),
    stdio: [directory.fd, 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  await directory.close();
  assert.equal(code, 3, said);
  assert.match(said, /standard input is a directory/);
});

test('a detached job has none: it ends at once, and its log says why', async () => {
  const args = ['--home', 'detached'];
  const started = await tidemark(['run', 'shout.mjs', '-d', ...args], { cwd });
  assert.equal(started.code, 0, started.stderr);
  const ended = await tidemark(['wait', 'shout', '--until', 'finished', '--timeout', '60s', ...args], {
    cwd,
  });
  assert.equal(ended.code, 0, ended.stderr);
  const { stdout } = await tidemark(['logs', 'shout', ...args], { cwd });
  assert.match(stdout, /there is no standard input \(a detached job has none\)/);
});

/**
 * A job on a log that another process appends to, rotates and truncates, while the job is killed again and again:
 * every line once.
 *
 * Truncation by itself loses whatever was not read before; no reader can help that. So the writer pauses, the test
 * waits until every line is in the committed output (then the position after it is in a completed checkpoint), and
 * only then the log is truncated, half the times while the job is dead. Rotation begins once the job has its first
 * checkpoint: until then `app.log` is whatever has that name.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { EXIT } from '../../src/base/errors.js';
import { seededRandom } from '../../src/base/random.js';
import { SEED } from '../helpers/seed.js';
import type { WriterMessage } from './definitions/log-writer.js';
import { committed, committedLines, type Running, Sandbox } from './harness.js';

const KILLS = 6;
const TRUNCATE_EVERY = 4;

const sandbox = new Sandbox();
let writer: ChildProcess | undefined;
after(() => {
  writer?.kill('SIGKILL');
  sandbox.remove();
});

const output = sandbox.path('out');
const ARGS = ['run', 'test/crash/definitions/tail.ts', '--resume', '--restart', 'none'];
const PARAMS = ['--param', `log=${sandbox.path('app.log')}`, '--param', `output=${output}`];

function tell(message: 'rotate' | 'pause' | 'truncate' | 'stop'): void {
  writer?.send(message);
}

function hear(type: WriterMessage['type']): Promise<WriterMessage> {
  return new Promise((resolve) => {
    const listen = (message: unknown) => {
      if ((message as WriterMessage).type !== type) return;
      writer?.removeListener('message', listen);
      resolve(message as WriterMessage);
    };
    writer?.on('message', listen);
  });
}

async function kill(running: Running): Promise<void> {
  running.process.kill('SIGKILL');
  const { code, signal, stderr } = await running.finished;
  assert.equal(signal, 'SIGKILL', `ended by itself with ${code}: ${stderr}`);
}

test('every line of a rotated and truncated log once, over six kills', async () => {
  const random = seededRandom(SEED);
  const script = join(import.meta.dirname, 'definitions/log-writer.js');
  writer = fork(script, [sandbox.path('app.log'), String(SEED)]);
  let rotations = 0;
  for (let n = 1; n <= KILLS; n++) {
    const running = sandbox.start([...ARGS, ...PARAMS]);
    if (n === 1) {
      await committed(output, 1, running);
      tell('rotate');
    }
    if (n % TRUNCATE_EVERY !== 0) {
      await new Promise((resolve) => setTimeout(resolve, 500 + random.next() * 1_000));
      await kill(running);
      continue;
    }
    const paused = hear('paused');
    tell('pause');
    const { lines } = await paused;
    await committed(output, lines, running);
    if (n % (2 * TRUNCATE_EVERY) === 0) await kill(running);
    tell('truncate');
    if (running.process.signalCode === null) {
      await committed(output, lines + 1, running);
      await kill(running);
    }
  }
  const stopped = hear('stopped');
  tell('stop');
  const { lines, rotations: all } = await stopped;
  rotations = all;
  const last = sandbox.start([...ARGS, ...PARAMS]);
  const found = await committed(output, lines, last);
  last.process.kill('SIGTERM');
  const { code, stderr } = await last.finished;
  assert.equal(code, EXIT.sigterm, stderr);

  assert.ok(rotations >= 5, `rotated ${rotations} times`);
  assert.equal(committedLines(output).length, found.length);
  const numbers = found.map((line) => Number(/^"line (\d+) x*"$/.exec(line)?.[1])).sort((a, b) => a - b);
  assert.deepEqual(
    numbers,
    Array.from({ length: lines }, (_, n) => n),
  );
});

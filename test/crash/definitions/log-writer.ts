/**
 * Not a definition: the process that writes a log for `follow.test.ts`. Its channel says what it has done.
 *
 * Appends numbered lines in small pieces, some of them torn in the middle of a line, and rotates now and then as
 * logrotate does, from `rotate` on: `app.log.1` becomes `app.log.2`, `app.log` becomes `app.log.1`, and a new
 * `app.log` is begun. On `truncate` it makes the log empty and goes on; on `stop` it ends its last line and says how
 * many there are.
 */
import { appendFileSync, existsSync, renameSync, truncateSync } from 'node:fs';
import { seededRandom } from '../../../src/base/random.js';

export type WriterMessage =
  /** It writes no more until it is told to go on. */
  { readonly type: 'paused' | 'stopped'; readonly lines: number; readonly rotations: number };

const [path = '', seed = '1'] = process.argv.slice(2);
const random = seededRandom(Number(seed));
const TURN_MS = 15;
const KEPT = 30;
const FILLER = 60;

let lines = 0;
let rotations = 0;
/** What is left of a line that was torn. */
let rest = '';
let paused = false;
let rotating = false;

function line(): string {
  return `line ${lines++} ${'x'.repeat(Math.floor(random.next() * FILLER))}\n`;
}

function append(): void {
  let text = rest;
  for (let i = 0; i < 1 + random.next() * 20; i++) text += line();
  const torn = random.next() < 0.3 ? Math.floor(random.next() * 8) : 0;
  const end = text.length - torn;
  appendFileSync(path, text.slice(0, end));
  rest = text.slice(end);
}

/** The line under way is ended first: a writer that rotates does so between two lines. */
function finishLine(): void {
  if (rest !== '') appendFileSync(path, rest);
  rest = '';
}

function rotate(): void {
  finishLine();
  for (let n = KEPT; n > 0; n--) {
    if (existsSync(`${path}.${n}`)) renameSync(`${path}.${n}`, `${path}.${n + 1}`);
  }
  if (existsSync(path)) renameSync(path, `${path}.1`);
  rotations++;
}

function turn(): void {
  if (paused) return;
  if (rotating && random.next() < 0.03) rotate();
  append();
}

function say(type: WriterMessage['type']): void {
  process.send?.({ type, lines, rotations } satisfies WriterMessage);
}

const timer = setInterval(turn, TURN_MS);
process.on('message', (message) => {
  if (message === 'pause' || message === 'stop') {
    paused = true;
    finishLine();
    say(message === 'pause' ? 'paused' : 'stopped');
  }
  if (message === 'rotate') rotating = true;
  if (message === 'truncate') {
    truncateSync(path);
    paused = false;
  }
  if (message === 'stop') {
    clearInterval(timer);
    process.disconnect();
  }
});

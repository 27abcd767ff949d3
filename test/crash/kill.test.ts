/**
 * A job on an input that lasts less than half a minute, killed with SIGKILL at random moments and at a named one, then
 * with SIGTERM: its sink holds what an uninterrupted run gives, each line once.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { homePaths } from '../../src/base/home.js';
import { seededRandom, systemRandom } from '../../src/base/random.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { SEED } from '../helpers/seed.js';
import { committedLines, countedLines, difference, eventually, type Finished, Sandbox } from './harness.js';

/** With `TIDEMARK_TEST_LONG=1`, many more kills; chain.test.ts kills as well. */
const KILLS = process.env['TIDEMARK_TEST_LONG'] === '1' ? 300 : 6;
/** Kills at the stop point between a checkpoint's completion and its commit. */
const NAMED_EVERY = 6;
const SECONDS = KILLS * 2;
const RATE = 2000;
const KEYS = 97;

const sandbox = new Sandbox();
after(() => sandbox.remove());

const output = sandbox.path('out');
const ARGS = [
  ...[
    'run',
    'fixtures/jobs/slow-count.ts',
    '--resume',
    '-p',
    '3',
    '--checkpoint-interval',
    '200ms',
    '--quiet',
  ],
  ...['--param', `count=${SECONDS * RATE}`, '--param', `rate=${RATE}`, '--param', `keys=${KEYS}`],
  ...['--param', 'splits=4', '--param', `output=${output}`],
];

/** The newest checkpoint that was completed; 0 before the first. */
function newestCheckpoint(): number {
  if (!existsSync(join(sandbox.home, 'catalog.db'))) return 0;
  const places = homePaths(sandbox.home);
  const catalog = Catalog.open(places, { create: false, clock: systemClock, random: systemRandom });
  try {
    const [job] = catalog.jobs({ all: true });
    return job === undefined ? 0 : (catalog.latestCheckpoint(job.id)?.id ?? 0);
  } finally {
    catalog.close();
  }
}

type When = 'any' | 'after-new' | 'named';

/** Kills a run of the job: at any moment, some time after a new checkpoint, or at the named point. */
async function killOnce(random: () => number, when: When, newest: number): Promise<Finished> {
  const point = `checkpoint-before-commit:${1 + Math.floor(random() * 3)}`;
  const running = sandbox.start(ARGS, when === 'named' ? { TIDEMARK_FAILPOINT: point } : {});
  if (when === 'named') return running.finished;
  if (when === 'after-new') await eventually('a new checkpoint', () => newestCheckpoint() > newest);
  const moment = when === 'any' ? 100 + random() * 2000 : random() * 600;
  const timer = setTimeout(() => running.process.kill('SIGKILL'), moment);
  const finished = await running.finished;
  clearTimeout(timer);
  return finished;
}

function whenOf(kill: number): When {
  if (kill % NAMED_EVERY === NAMED_EVERY - 1) return 'named';
  return kill % 3 === 0 ? 'any' : 'after-new';
}

test('kill -9 at any moment loses nothing and doubles nothing', { timeout: SECONDS * 1000 * 5 }, async () => {
  const seeded = seededRandom(SEED);
  const random = () => seeded.next();
  let afterNew = 0;
  let atNamed = 0;
  let newest = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const when = whenOf(kill);
    const { code, signal, stderr } = await killOnce(random, when, newest);
    assert.equal(signal, 'SIGKILL', `killed, not ended by itself with ${code}: ${stderr}`);
    const now = newestCheckpoint();
    if (now > newest) afterNew++;
    if (when === 'named') atNamed++;
    newest = now;
    // What is committed so far is a part of the whole, no line twice.
    const lines = committedLines(output);
    assert.equal(new Set(lines).size, lines.length, 'a committed line stands twice');
  }
  const [row] = sandbox.json<{ state: string }[]>(['list']);
  assert.equal(row?.state, 'lost');
  assert.ok(afterNew >= KILLS / 2, `${afterNew} of ${KILLS} kills came after a new checkpoint`);
  assert.ok(atNamed >= KILLS / 10, `${atNamed} kills between completion and commit`);

  const running = sandbox.start(ARGS.filter((arg) => arg !== '--quiet'));
  await running.says(/ runs from checkpoint/);
  running.process.kill('SIGTERM');
  const suspended = await running.finished;
  assert.equal(suspended.code, 143, suspended.stderr);
  const last = await sandbox.start(ARGS).finished;
  assert.equal(last.code, 0, last.stderr);
  assert.equal(difference(committedLines(output), countedLines(SECONDS * RATE, KEYS)), '');
});

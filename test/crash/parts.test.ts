/**
 * A job that reads compressed files and writes small ones, compressed and as CSV, killed with SIGKILL at random moments and
 * at a named one: both targets hold what an uninterrupted run gives, each line once, in files that are whole.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { systemClock } from '../../src/base/clock.js';
import { homePaths } from '../../src/base/home.js';
import { seededRandom, systemRandom } from '../../src/base/random.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { SEED } from '../helpers/seed.js';
import { countedLines, difference, eventually, Sandbox } from './harness.js';

/** With `TIDEMARK_TEST_LONG=1`, many more. */
const KILLS = process.env['TIDEMARK_TEST_LONG'] === '1' ? 60 : 5;
/** Kills at the point between a checkpoint's completion and its commit. */
const NAMED_EVERY = 5;
const RATE = 1500;
const COUNT = KILLS * 1000;
const KEYS = 31;
const FILES = 4;
/** Of the longest element: a part may hold one that is larger than it should be. */
const SIZES = { json: 1024, csv: 256 };

const sandbox = new Sandbox();
after(() => sandbox.remove());

const output = sandbox.path('out');
const ARGS = [
  ...['run', 'test/crash/definitions/part-files.ts', '--resume', '-p', '2', '--restart', 'none'],
  ...['--param', `input=${sandbox.path('in')}/*.jsonl.gz`, '--param', `rate=${RATE}`],
  ...['--param', `keys=${KEYS}`, '--param', `output=${output}`],
];

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

function namesOf(kind: 'json' | 'csv'): string[] {
  const folder = join(output, kind);
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith('part-')) : [];
}

function partsOf(kind: 'json' | 'csv'): string[] {
  return namesOf(kind).map((name) => {
    const bytes = readFileSync(join(output, kind, name));
    const text = String(name.endsWith('.gz') ? gunzipSync(bytes) : bytes);
    assert.ok(text.length <= SIZES[kind] && text.endsWith('\n'), `${name}: ${text.length} bytes`);
    return text;
  });
}

/** Every committed element, as a line of JSON. */
function committed(kind: 'json' | 'csv'): string[] {
  const lines = partsOf(kind).flatMap((text) =>
    text
      .trimEnd()
      .split('\n')
      .slice(kind === 'csv' ? 1 : 0),
  );
  if (kind === 'json') return lines;
  return lines.map((line) => {
    const [key, seen] = line.split(',').map(Number);
    return JSON.stringify({ key, seen });
  });
}

test('kill -9 at any moment: parts, gzip and CSV hold each element once', {
  timeout: KILLS * 20_000,
}, async () => {
  mkdirSync(sandbox.path('in'));
  for (let file = 0; file < FILES; file++) {
    const numbers = Array.from({ length: COUNT / FILES }, (_, i) => JSON.stringify({ n: i * FILES + file }));
    const half = numbers.length / 2;
    // Two members, as from `cat a.gz b.gz`.
    const members = [numbers.slice(0, half), numbers.slice(half)].map((part) =>
      gzipSync(`${part.join('\n')}\n`),
    );
    writeFileSync(join(sandbox.path('in'), `${file}.jsonl.gz`), Buffer.concat(members));
  }
  const random = seededRandom(SEED);
  let newest = 0;
  let progressed = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const named = kill % NAMED_EVERY === NAMED_EVERY - 1;
    const point = `checkpoint-before-commit:${1 + Math.floor(random.next() * 3)}`;
    const running = sandbox.start(ARGS, named ? { TIDEMARK_FAILPOINT: point } : {});
    if (!named) {
      // Cheaper than to ask the catalog again and again.
      const before = namesOf('json').length;
      await eventually('a new commit', () => namesOf('json').length > before);
      const timer = setTimeout(() => running.process.kill('SIGKILL'), random.next() * 250);
      await running.finished;
      clearTimeout(timer);
    }
    const { signal, code, stderr } = await running.finished;
    assert.equal(signal, 'SIGKILL', `killed, not ended by itself with ${code}: ${stderr}`);
    const now = newestCheckpoint();
    if (now > newest) progressed++;
    newest = now;
    for (const kind of ['json', 'csv'] as const) {
      const lines = committed(kind);
      assert.equal(new Set(lines).size, lines.length, `${kind}: a committed line stands twice`);
    }
  }
  assert.ok(progressed >= KILLS * 0.8, `${progressed} of ${KILLS} kills came after a new checkpoint`);
  const last = await sandbox.start(ARGS).finished;
  assert.equal(last.code, 0, last.stderr);
  for (const kind of ['json', 'csv'] as const) {
    assert.equal(difference(committed(kind), countedLines(COUNT, KEYS)), '', kind);
    assert.ok(partsOf(kind).length > COUNT / 100, 'in many parts');
    const names = readdirSync(join(output, kind));
    assert.deepEqual(
      names.filter((name) => name.startsWith('.pending-')),
      [],
    );
  }
});

/**
 * A job between databases, killed with SIGKILL at random moments and at named ones, about the commit: the tables hold what
 * an uninterrupted run gives, each row once.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { after, test } from 'node:test';
import { seededRandom } from '../../src/base/random.js';
import { Sqlite, type SqlValue } from '../../src/sqlite/sqlite.js';
import { SEED } from '../helpers/seed.js';
import { eventually, type Finished, Sandbox } from './harness.js';

/** With `TIDEMARK_TEST_LONG=1`, many more. */
const KILLS = process.env['TIDEMARK_TEST_LONG'] === '1' ? 60 : 6;
const RATE = 2500;
const KEYS = 7;
/** More than all attempts together come to. */
const COUNT = KILLS * RATE;
const POINTS = ['sqlite-before-commit', 'sqlite-committed', 'checkpoint-before-commit'];

const sandbox = new Sandbox();
after(() => sandbox.remove());

const input = sandbox.path('in.db');
const output = sandbox.path('out.db');
const ARGS = [
  ...['run', 'test/crash/definitions/sqlite-count.ts', '--resume', '-p', '2', '--quiet'],
  ...['--param', `input=${input}`, '--param', `output=${output}`, '--param', `rate=${RATE}`],
];

function query(path: string, text: string): readonly (readonly SqlValue[])[] {
  const db = Sqlite.open(path, { create: true, busyTimeout: 5000, what: 'database' });
  try {
    return db.prepare(text).all();
  } finally {
    db.close();
  }
}

function rowsCommitted(): number {
  if (
    !existsSync(output) ||
    query(output, "SELECT 1 FROM sqlite_schema WHERE name = 'every count'").length === 0
  )
    return 0;
  return Number(query(output, 'SELECT count(*) FROM "every count"')[0]?.[0] ?? 0);
}

/** What is committed is a beginning of the counts of each key, and the newest are the last of them. */
function checkTables(): void {
  const wrong = query(
    output,
    `SELECT key, count(*), count(DISTINCT seen), min(seen), max(seen) FROM "every count" GROUP BY key
      HAVING count(*) <> max(seen) OR count(DISTINCT seen) <> count(*) OR min(seen) <> 1`,
  );
  assert.deepEqual(wrong, [], 'doubled or missing rows');
}

async function killOnce(random: () => number, kill: number): Promise<Finished> {
  const named = kill % 3 === 2;
  const point = `${POINTS[Math.floor(random() * POINTS.length)]}:${1 + Math.floor(random() * 6)}`;
  const before = rowsCommitted();
  const running = sandbox.start(ARGS, named ? { TIDEMARK_FAILPOINT: point } : {});
  if (named) return running.finished;
  if (kill % 3 === 0) await eventually('more rows', () => rowsCommitted() > before);
  const timer = setTimeout(() => running.process.kill('SIGKILL'), random() * (kill % 3 === 0 ? 200 : 900));
  const finished = await running.finished;
  clearTimeout(timer);
  return finished;
}

test(`${KILLS} times kill -9 lose no row and double none`, { timeout: KILLS * 30_000 }, async () => {
  const db = Sqlite.open(input, { create: true, busyTimeout: 0, what: 'database' });
  db.exec(`CREATE TABLE numbers (n INTEGER PRIMARY KEY);
    INSERT INTO numbers WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < ${COUNT - 1}) SELECT n FROM i`);
  db.close();
  const random = seededRandom(SEED);
  let grown = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const before = rowsCommitted();
    const { code, signal, stderr } = await killOnce(() => random.next(), kill);
    assert.equal(signal, 'SIGKILL', `killed, not ended by itself with ${code}: ${stderr}`);
    if (rowsCommitted() > before) grown++;
    if (rowsCommitted() > 0) checkTables();
  }
  assert.ok(grown >= KILLS / 3, `${grown} of ${KILLS} attempts committed`);
  // The rate is the job's own, and frozen: the rest in one go.
  const last = await sandbox.start(ARGS).finished;
  assert.equal(last.code, 0, last.stderr);
  checkTables();
  assert.equal(rowsCommitted(), COUNT);
  assert.deepEqual(
    query(output, 'SELECT key, seen FROM newest ORDER BY key').map((row) => row.map(Number)),
    Array.from({ length: KEYS }, (_, key) => [key, Math.ceil((COUNT - key) / KEYS)]),
  );
  const staged = readdirSync(`${output}-tidemark`, { recursive: true }).map(String);
  assert.deepEqual(
    staged.filter((name) => name.includes('.pending-')),
    [],
  );
});

import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type HomePaths, homePaths } from '../../src/base/home.js';
import { seededRandom } from '../../src/base/random.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { findHome, isHome } from '../../src/catalog/home.js';
import { openCatalog } from '../../src/catalog/open.js';
import { MIGRATIONS } from '../../src/catalog/schema.js';
import { Sqlite } from '../../src/sqlite/sqlite.js';
import {
  frozen,
  HandClock,
  openHome,
  startJob,
  takeCheckpoint,
  tempFolder,
  writeSegment,
} from './fixture.js';
import { startPeer } from './peer.js';

const options = () => ({ create: true, clock: new HandClock(), random: seededRandom(7) });
const reopen = (home: HomePaths) => Catalog.open(home, options()).close();

/** A closed home with a job and a checkpoint in it, and its catalog as raw SQLite. */
function closedHome(t: TestContext): { home: HomePaths; raw: (sql: string) => void } {
  const home = homePaths(join(tempFolder(t), '.tidemark'));
  const catalog = Catalog.open(home, options());
  const job = catalog.createJob(frozen('job'));
  const lock = catalog.lockJob(job.id, {});
  const epoch = catalog.beginAttempt(job.id, { pid: 1, socket: undefined });
  takeCheckpoint({ home, catalog, clock: new HandClock() }, { job, epoch }, [writeSegment(home, 'a')]);
  catalog.transition(job.id, epoch, 'failed', { error: { code: 'USER_CODE', message: 'boom' } });
  catalog.close();
  lock?.release();
  return {
    home,
    raw(sql) {
      const db = Sqlite.open(home.catalog, { create: false, busyTimeout: 0, what: 'test' });
      db.pragma('foreign_keys = OFF');
      db.pragma('ignore_check_constraints = ON');
      db.exec(sql);
      db.close();
    },
  };
}

test('a new home has one whole catalog, in WAL mode, and nothing beside it', (t) => {
  const { home, raw } = closedHome(t);
  assert.deepEqual(readdirSync(home.root).sort(), ['bundles', 'catalog.db', 'jobs', 'segments']);
  raw('SELECT 1');
  const db = openCatalog(home, options());
  t.after(() => db.close());
  assert.deepEqual(
    ['journal_mode', 'synchronous', 'foreign_keys', 'user_version', 'application_id'].map((name) =>
      db.pragma(name),
    ),
    ['wal', 2, 1, MIGRATIONS.length, 0x74696465],
  );
});

test('what lies under the name of the catalog and is none is refused, and stays as it is', (t) => {
  const cases: Record<string, (home: HomePaths) => void> = {
    'an empty file': (home) => writeFileSync(home.catalog, ''),
    text: (home) => writeFileSync(home.catalog, 'hello '.repeat(1000)),
    'a header and nothing': (home) => truncateSync(home.catalog, 100),
    'half a file': (home) => truncateSync(home.catalog, 4096 * 5),
    'a page of noise': (home) => {
      const bytes = readFileSync(home.catalog);
      bytes.fill(0xa5, 4096 * 3, 4096 * 4);
      writeFileSync(home.catalog, bytes);
    },
    'noise from the middle on': (home) => {
      const bytes = readFileSync(home.catalog);
      bytes.fill(0x5a, 4096 * 2 + 50);
      writeFileSync(home.catalog, bytes);
    },
  };
  for (const [what, damage] of Object.entries(cases)) {
    const { home } = closedHome(t);
    damage(home);
    const before = readFileSync(home.catalog);
    assert.throws(() => reopen(home), { code: 'CATALOG_CORRUPT', exitCode: 7 }, what);
    assert.ok(readFileSync(home.catalog).equals(before), what);
  }
});

test('a database that is not tidemark’s, or not as tidemark makes it, is refused', (t) => {
  const cases = [
    'PRAGMA application_id = 1',
    'PRAGMA user_version = 0',
    'PRAGMA user_version = -3',
    'DROP TABLE pins',
    'CREATE TABLE more (a)',
    "CREATE TRIGGER evil AFTER INSERT ON jobs BEGIN UPDATE jobs SET cwd = '/'; END",
    'CREATE VIEW evil AS SELECT * FROM jobs',
    'ALTER TABLE jobs ADD COLUMN evil TEXT',
    'DROP INDEX jobs_name_held',
  ];
  for (const sql of cases) {
    const { home, raw } = closedHome(t);
    raw(sql);
    assert.throws(() => reopen(home), { code: 'CATALOG_CORRUPT' }, sql);
  }
});

test('a row that cannot be is refused before anything believes it', (t) => {
  const cases = [
    "UPDATE jobs SET id = '../../../etc'",
    "UPDATE jobs SET state = 'lost'",
    "UPDATE jobs SET params = '{'",
    "UPDATE jobs SET name = 'a/b'",
    'UPDATE jobs SET epoch = -1',
    'UPDATE jobs SET parallelism = 0',
    "UPDATE jobs SET bundle = 'zz'",
    "UPDATE checkpoints SET manifest = 'no json'",
    'UPDATE checkpoints SET completed_at = NULL',
    'UPDATE checkpoints SET bytes_own = -5',
    "UPDATE segments SET name = '../../x'",
    'UPDATE segments SET bytes = -1',
    "UPDATE attempts SET outcome = 'well'",
  ];
  for (const sql of cases) {
    const { home, raw } = closedHome(t);
    raw(sql);
    assert.throws(() => reopen(home), { code: 'CATALOG_CORRUPT' }, sql);
  }
});

test('JSON of the wrong shape is named with table, row and column', (t) => {
  const cases: [sql: string, message: RegExp][] = [
    ["UPDATE jobs SET params = '[1]'", /table jobs, row [0-9a-z]{12}, column params: expected a JSON object/],
    [`UPDATE jobs SET params = '{"a":1}'`, /column params: expected a JSON object of strings/],
    ["UPDATE jobs SET error = '7'", /column error: expected an error/],
    [`UPDATE jobs SET error = '{"code":1}'`, /column error: expected an error with code and message/],
    ['UPDATE jobs SET created_at = 9007199254740993', /column created_at: expected a whole number/],
  ];
  for (const [sql, message] of cases) {
    const { home, raw } = closedHome(t);
    raw(sql);
    const catalog = Catalog.open(home, options());
    t.after(() => catalog.close());
    assert.throws(() => catalog.jobs({ all: true }), { code: 'CATALOG_CORRUPT', message }, sql);
  }
});

test('an error code of a later tidemark is shown as a failed job, its message kept', (t) => {
  const { home, raw } = closedHome(t);
  raw(`UPDATE jobs SET error = '{"code":"FROM_THE_FUTURE","message":"new","hint":"h","stack":5}'`);
  const catalog = Catalog.open(home, options());
  t.after(() => catalog.close());
  assert.deepEqual(catalog.job('job').error, { code: 'JOB_FAILED', message: 'new', hint: 'h' });
});

test('a log without its catalog is refused, not replayed into a new one', (t) => {
  const opened = openHome(t);
  opened.catalog.createJob(frozen('job'));
  const { home } = opened;
  assert.equal(existsSync(`${home.catalog}-wal`), true);
  renameSync(home.catalog, `${home.catalog}.away`);
  assert.throws(() => reopen(home), { code: 'CATALOG_CORRUPT', message: /catalog\.db-wal/ });
  renameSync(`${home.catalog}.away`, home.catalog);
});

test('a newer home is refused and left alone', (t) => {
  const { home, raw } = closedHome(t);
  raw(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
  const before = readFileSync(home.catalog);
  assert.throws(() => reopen(home), { code: 'HOME_NEWER', exitCode: 6 });
  assert.ok(readFileSync(home.catalog).equals(before));
});

const NEXT = [...MIGRATIONS, 'CREATE TABLE later (a INTEGER) STRICT'];
const migrated = (home: HomePaths) => openCatalog(home, { ...options(), migrations: NEXT });

test('an older home is brought up to date, its rows kept', (t) => {
  const { home } = closedHome(t);
  const db = migrated(home);
  assert.equal(db.pragma('user_version'), NEXT.length);
  assert.equal(db.get('SELECT count(*) AS n FROM jobs')?.['n'], 1);
  db.exec('INSERT INTO later VALUES (1)');
  db.close();
  assert.throws(() => reopen(home), { code: 'HOME_NEWER' });
  migrated(home).close();
});

test('a migration that fails changes nothing', (t) => {
  const { home } = closedHome(t);
  const broken = [...MIGRATIONS, 'CREATE TABLE half (a INTEGER) STRICT', 'CREATE TABLE jobs (a)'];
  assert.throws(() => openCatalog(home, { ...options(), migrations: broken }), { code: 'INTERNAL' });
  reopen(home);
});

test('a home in which an older process lives is not migrated', async (t) => {
  const { home } = closedHome(t);
  const peer = await startPeer(t);
  const refuse = (message: RegExp) =>
    assert.throws(() => migrated(home), { code: 'HOME_LOCKED', exitCode: 5, message });
  const [id = ''] = readdirSync(join(home.root, 'jobs'));
  await peer.tell({ do: 'acquire', path: home.job(id).lock });
  refuse(new RegExp(`job ${id} still runs`));
  await peer.tell({ do: 'release', path: home.job(id).lock });
  await peer.tell({ do: 'open', path: home.root });
  refuse(/another process has it open/);
  await peer.tell({ do: 'create', name: 'still-works', count: 1 });
  await peer.kill();
  const db = migrated(home);
  assert.equal(db.get('SELECT count(*) AS n FROM jobs')?.['n'], 2);
  db.close();
});

test('kill -9 of a writer loses nothing that was answered for', async (t) => {
  const root = join(tempFolder(t), '.tidemark');
  const peer = await startPeer(t);
  await peer.tell({ do: 'open', path: root });
  const ids = await peer.tell({ do: 'create', name: 'job', count: 20 });
  const unfinished = peer.tell({ do: 'create', name: 'more', count: 10_000 }).catch(() => undefined);
  await peer.kill();
  const { catalog } = openHome(t, root);
  const kept = new Set(catalog.jobs({ all: true }).map(({ id }) => id));
  assert.ok(Array.isArray(ids) && ids.every((id) => kept.has(id)));
  void unfinished;
});

test('a home is what holds a catalog; the folder of a sink’s target is none', (t) => {
  const { home } = closedHome(t);
  const outer = join(home.root, '..');
  const deep = join(outer, 'a', 'b');
  mkdirSync(join(outer, 'a', '.tidemark'), { recursive: true });
  mkdirSync(deep);
  const find = (flag?: string, env?: string) => findHome({ flag, env, cwd: deep }).root;
  assert.equal(isHome(join(outer, 'a', '.tidemark')), false);
  assert.equal(find(), home.root);
  assert.equal(find(undefined, ''), home.root);
  assert.equal(find(undefined, '../env'), join(outer, 'a', 'env'));
  assert.equal(find('x', '/env'), join(deep, 'x'));
});

test('a running job is seen by a second connection at once', (t) => {
  const home = openHome(t);
  const other = Catalog.open(home.home, options());
  t.after(() => other.close());
  const running = startJob(t, home, 'job');
  const id = takeCheckpoint(home, running, []);
  assert.equal(other.lastCompleted(running.job.id)?.id, id);
  assert.equal(other.job('job').state, 'running');
});

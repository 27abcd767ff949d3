/**
 * Opens the catalog of a home: makes it, refuses what is not one, migrates an older one.
 *
 * Invariants: a catalog appears under its name complete or not at all (built beside, then linked); one that a
 * newer tidemark made is left alone; an older one is migrated only while nobody else has it open and no job of
 * the home runs; what is opened has exactly the tables that the migrations make, and passed `quick_check`.
 */
import { closeSync, existsSync, fsyncSync, linkSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../base/clock.js';
import { systemCode, TidemarkError, toTidemarkError } from '../base/errors.js';
import { type HomePaths, homePaths } from '../base/home.js';
import { JOB_ID } from '../base/ids.js';
import type { Random } from '../base/random.js';
import { Sqlite } from '../sqlite/sqlite.js';
import { isHome, makeHome, syncFolder } from './home.js';
import { isLocked } from './lock.js';
import { APPLICATION_ID, MIGRATIONS } from './schema.js';

/** How long one writer waits for another. Catalog writes last milliseconds. */
const BUSY_MS = 5_000;
const SETTINGS = ['trusted_schema = OFF', 'cell_size_check = ON', 'foreign_keys = ON', 'synchronous = FULL'];

export interface OpenOptions {
  /** Make the home when it is absent; only commands that start a job do. */
  readonly create: boolean;
  readonly clock: Clock;
  readonly random: Random;
  /** For tests: the migrations of another version. */
  readonly migrations?: readonly string[];
}

/** A connection to the catalog, checked and ready. The caller closes it. */
export function openCatalog(home: HomePaths, options: OpenOptions): Sqlite {
  const migrations = options.migrations ?? MIGRATIONS;
  if (!existsSync(home.catalog)) {
    refuseLogWithoutCatalog(home);
    if (!options.create) throw homeNotFound(home);
    makeHome(home);
    makeCatalog(home, options, migrations);
  }
  let db = connect(home.catalog);
  try {
    if (readVersion(db, migrations.length) < migrations.length) {
      db.close();
      migrate(home, migrations);
      db = connect(home.catalog);
      readVersion(db, migrations.length);
    }
    if (db.pragma('journal_mode') !== 'wal') db.pragma('journal_mode = WAL');
    checkTables(db, migrations);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function connect(path: string, create = false): Sqlite {
  const db = Sqlite.open(path, { create, busyTimeout: BUSY_MS, what: 'catalog' });
  try {
    for (const setting of SETTINGS) db.pragma(setting);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** @throws CATALOG_CORRUPT when it is not a catalog, HOME_NEWER when a newer tidemark made it. */
function readVersion(db: Sqlite, ours: number): number {
  if (db.pragma('application_id') !== APPLICATION_ID)
    throw corrupt(db.path, 'expected the application id of tidemark, found another or an empty file');
  const version = db.pragma('user_version');
  if (typeof version !== 'number' || version < 1) throw corrupt(db.path, `found version ${version}`);
  if (version > ours) {
    throw new TidemarkError('HOME_NEWER', `${db.path} has version ${version}, this tidemark knows ${ours}`, {
      hint: 'use the tidemark that made it, or a newer one: npm install tidemark@latest',
    });
  }
  return version;
}

/** What is in the file, exactly as the migrations would make it, and every row as its table demands. */
function checkTables(db: Sqlite, migrations: readonly string[]): void {
  const expected = Sqlite.open(':memory:', { create: true, busyTimeout: 0, what: 'schema' });
  try {
    for (const migration of migrations) expected.exec(migration);
    const differs = differingObject(listObjects(expected), listObjects(db));
    if (differs !== undefined) throw corrupt(db.path, `${differs} is not as tidemark makes it`);
  } finally {
    expected.close();
  }
  const finding = db.pragma('quick_check(1)');
  if (finding !== 'ok') throw corrupt(db.path, String(finding));
}

function listObjects(db: Sqlite): ReadonlyMap<string, string> {
  const rows = db.all("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%'");
  return new Map(rows.map((row) => [`${row['type']} ${row['name']}`, String(row['sql'])]));
}

function differingObject(expected: ReadonlyMap<string, string>, found: ReadonlyMap<string, string>) {
  const names = new Set([...expected.keys(), ...found.keys()]);
  return [...names].find((name) => expected.get(name) !== found.get(name));
}

function makeCatalog(home: HomePaths, options: OpenOptions, migrations: readonly string[]): void {
  const temp = `${home.catalog}.${Buffer.from(options.random.bytes(8)).toString('hex')}.tmp`;
  try {
    const db = connect(temp, true);
    try {
      db.pragma('journal_mode = WAL');
      db.transaction(() => {
        applyMigrations(db, migrations, 0);
        db.run('INSERT INTO meta (key, value) VALUES (?, ?)', ['created_at', String(options.clock.now())]);
      });
    } finally {
      db.close();
    }
    sync(temp);
    linkSync(temp, home.catalog);
  } catch (error) {
    // Another process was faster; its catalog is as good as ours.
    if (systemCode(error) !== 'EEXIST') throw toTidemarkError(error, `cannot make ${home.catalog}`);
  } finally {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${temp}${suffix}`, { force: true });
  }
  syncFolder(home.root);
}

function applyMigrations(db: Sqlite, migrations: readonly string[], from: number): void {
  for (const migration of migrations.slice(from)) db.exec(migration);
  db.pragma(`application_id = ${APPLICATION_ID}`);
  db.pragma(`user_version = ${migrations.length}`);
}

/** An exclusive connection, taken before the first read, keeps every other process out while tables change. */
function migrate(home: HomePaths, migrations: readonly string[]): void {
  const jobs = join(home.root, 'jobs');
  const names = existsSync(jobs) ? readdirSync(jobs) : [];
  const live = names.filter((id) => JOB_ID.test(id) && isLocked(home.job(id).lock));
  if (live.length > 0) throw olderProcess(home, `job ${live.join(', ')} still runs with it`);
  const db = connect(home.catalog);
  try {
    db.pragma('locking_mode = EXCLUSIVE');
    db.transaction(() => applyMigrations(db, migrations, readVersion(db, migrations.length)));
  } catch (error) {
    if (error instanceof TidemarkError && error.code === 'HOME_LOCKED')
      throw olderProcess(home, 'another process has it open');
    throw error;
  } finally {
    db.close();
  }
}

function olderProcess(home: HomePaths, why: string): TidemarkError {
  const message = `${home.catalog} was made by an older tidemark and has to be brought up to date, but ${why}`;
  return new TidemarkError('HOME_LOCKED', message, {
    hint: 'suspend the jobs of this home with the older tidemark (`tidemark list`), then try again',
  });
}

/** A log replayed into a catalog it does not belong to would damage it. */
function refuseLogWithoutCatalog(home: HomePaths): void {
  // Asked in this order, a catalog that another process makes meanwhile is no finding.
  if (!existsSync(`${home.catalog}-wal`) || existsSync(home.catalog)) return;
  throw corrupt(home.catalog, 'the file is missing, but its log (catalog.db-wal) is there');
}

export function homeNotFound(home: HomePaths): TidemarkError {
  return new TidemarkError('HOME_NOT_FOUND', `${home.root} is no home: it has no catalog.db`, {
    hint: '`tidemark run <definition>` makes one; --home DIR or TIDEMARK_HOME name another',
  });
}

function corrupt(path: string, finding: string): TidemarkError {
  return new TidemarkError('CATALOG_CORRUPT', `${path} is damaged or not a catalog: ${finding}`, {
    hint: 'bring it back from a backup, or use another home: --home DIR',
  });
}

function sync(path: string): void {
  const file = openSync(path, 'r+');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** What a foreign home says of one of its jobs, for deciding who owns a target. Migrates nothing. */
export function peekJobState(root: string, job: string): string | 'no-home' | 'no-job' | 'unreadable' {
  const home = homePaths(root);
  if (!isHome(root)) return 'no-home';
  let db: Sqlite | undefined;
  try {
    db = connect(home.catalog);
    readVersion(db, Number.MAX_SAFE_INTEGER);
    const row = db.get('SELECT state FROM jobs WHERE id = ?', [job]);
    return row === undefined ? 'no-job' : String(row['state']);
  } catch {
    return 'unreadable';
  } finally {
    db?.close();
  }
}

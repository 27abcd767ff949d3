/**
 * Locks that the operating system frees when their holder dies, however it dies.
 *
 * A lock is an empty file in which SQLite holds an exclusive transaction that never writes a byte: the journal is
 * in memory and the transaction is rolled back at the end, so the file stays empty, no kill can damage it, and
 * no journal is left behind. Nobody can read a file locked so; what is worth knowing of the holder therefore
 * lies beside it (`lock.db` → `lock.json`), for messages only, and means nothing while the lock is free.
 *
 * Invariants: `held` is what this thread holds, and keeps it from the garbage collector, which would close and
 * free it. Within a process SQLite itself makes two connections conflict, in whichever threads they are.
 * Never open a lock file with `fs` in a process that may hold it: closing any descriptor of a file drops all
 * POSIX locks of the process on it.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type ErrorCode, TidemarkError, toTidemarkError } from '../base/errors.js';
import { Sqlite } from '../sqlite/sqlite.js';

/** How long taking a lock waits for probes, which hold it (shared) for less than a millisecond. */
const PROBES_MS = 500;
/** The most that is read of what lies beside a lock. */
const MAX_INFO_BYTES = 64 * 1024;

/** What the holder says of itself. */
export type LockInfo = Readonly<Record<string, string | number>>;

export interface Lock {
  readonly path: string;
  /** Frees it; the second time nothing happens. */
  release(): void;
}

const held = new Map<string, Lock>();

/**
 * Takes the lock, or says `undefined` when another process, thread or caller has it. The folder must exist.
 * It is held until `release` or the end of the process.
 */
export function acquireLock(path: string, info: LockInfo): Lock | undefined {
  const key = resolve(path);
  if (held.has(key) || isLocked(key)) return undefined;
  const db = Sqlite.open(key, { create: true, busyTimeout: PROBES_MS, what: 'lock' });
  if (!lockExclusively(db)) return undefined;
  const lock: Lock = {
    path: key,
    release() {
      if (held.get(key) !== lock) return;
      rmSync(infoPath(key), { force: true });
      held.delete(key);
      db.close();
    },
  };
  held.set(key, lock);
  try {
    writeInfo(infoPath(key), info);
  } catch (error) {
    lock.release();
    throw toTidemarkError(error, `cannot write beside ${key}`);
  }
  return lock;
}

/** Whether anyone holds it now. Takes nothing that outlives the call; an absent file is free. */
export function isLocked(path: string): boolean {
  const key = resolve(path);
  if (held.has(key)) return true;
  if (!existsSync(key)) return false;
  let db: Sqlite | undefined;
  try {
    db = Sqlite.open(key, { create: false, busyTimeout: 0, what: 'lock' });
    db.get('SELECT count(*) FROM sqlite_schema');
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    // Somebody removed it meanwhile, or wrote something else there: either way nobody can hold it.
    if (!existsSync(key) || hasCode(error, 'CATALOG_CORRUPT')) return false;
    throw error;
  } finally {
    db?.close();
  }
}

/** Whether this thread holds it. */
export function holdsLock(path: string): boolean {
  return held.has(resolve(path));
}

/** What the holder says of itself; only for messages, and only while {@link isLocked}. */
export function lockInfo(path: string): LockInfo | undefined {
  try {
    const text = readFileSync(infoPath(resolve(path)), 'utf8');
    if (text.length > MAX_INFO_BYTES) return undefined;
    const value: unknown = JSON.parse(text);
    return isInfo(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** False, and closed, when somebody was faster. */
function lockExclusively(db: Sqlite): boolean {
  try {
    if (db.pragma('journal_mode = MEMORY') !== 'memory') {
      throw new TidemarkError('CATALOG_CORRUPT', `${db.path} is not a lock that tidemark made`, {
        hint: `look at it, and remove it: rm ${db.path}`,
      });
    }
    db.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    db.close();
    if (isBusy(error)) return false;
    throw error;
  }
}

function isBusy(error: unknown): boolean {
  return hasCode(error, 'HOME_LOCKED');
}

function hasCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof TidemarkError && error.code === code;
}

function infoPath(path: string): string {
  return `${path.replace(/\.db$/, '')}.json`;
}

/** Not durable: after a crash the lock is free, and what lies beside it means nothing. */
function writeInfo(path: string, info: LockInfo): void {
  writeFileSync(`${path}.tmp`, JSON.stringify(info), { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

function isInfo(value: unknown): value is LockInfo {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((item) => typeof item === 'string' || typeof item === 'number');
}

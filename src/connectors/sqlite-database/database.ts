/**
 * Databases of users: opened for a sink or a source, waited for when somebody else writes, and what goes wrong as a
 * sink's or source's error.
 *
 * Invariants: nothing waits within SQLite, which would hold up the thread: a busy database is asked again after a
 * sleep, for BUSY_MS at most; within this thread, writers of one database take turns, so that only other processes
 * make anybody wait.
 */
import type { Clock } from '../../base/clock.js';
import { deferred } from '../../base/deferred.js';
import { type ErrorCode, systemCode, TidemarkError } from '../../base/errors.js';
import { Sqlite } from '../../sqlite/sqlite.js';

/** How long another process may hold the database before it is given up, in milliseconds. */
export const BUSY_MS = 30_000;
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 100;

/** Opens for writing: what COMMIT returns from has reached the disk, in every journal mode. */
export function openForWriting(path: string, create: boolean): Sqlite {
  const db = Sqlite.open(path, { create, busyTimeout: 0, what: 'database' });
  try {
    db.exec('PRAGMA synchronous = EXTRA');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Opens for reading. Not as `readonly`, which could not take back what a writer that died left half done. */
export function openForReading(path: string): Sqlite {
  const db = Sqlite.open(path, { create: false, busyTimeout: 0, what: 'database' });
  try {
    db.exec('PRAGMA query_only = ON');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

export function isBusy(error: unknown): boolean {
  if (!(error instanceof TidemarkError)) return false;
  const code = systemCode(error.details.cause) ?? '';
  return /^SQLITE_(BUSY|PROTOCOL|LOCKED)/.test(code);
}

/** Does it, again and again while the database is busy. Gives up with the last error after {@link BUSY_MS}. */
export async function patiently<T>(clock: Clock, work: () => T, signal?: AbortSignal): Promise<T> {
  const end = clock.monotonic() + BUSY_MS;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || clock.monotonic() >= end || signal?.aborted === true) throw error;
    }
    await clock.sleep(pause, signal);
  }
}

const turns = new Map<string, Promise<void>>();

/** Runs `work` when all that this thread was asked to write to the database before is done. */
export async function inTurn<T>(path: string, work: () => Promise<T>): Promise<T> {
  const before = turns.get(path) ?? Promise.resolve();
  const done = deferred<void>();
  const mine = before.then(() => done.promise);
  turns.set(path, mine);
  await before;
  try {
    return await work();
  } finally {
    done.resolve();
    if (turns.get(path) === mine) turns.delete(path);
  }
}

export type Side = 'sink' | 'source';

const CODES: Readonly<Record<Side, Partial<Record<ErrorCode, ErrorCode>>>> = {
  sink: { CATALOG_CORRUPT: 'TARGET_CORRUPT', HOME_LOCKED: 'SINK_FAILED', INTERNAL: 'SINK_FAILED' },
  source: { CATALOG_CORRUPT: 'SOURCE_DATA', HOME_LOCKED: 'SOURCE_FAILED', INTERNAL: 'SOURCE_FAILED' },
};

const BUSY_HINT = `another process has held the database for ${BUSY_MS / 1000} s: end its transaction, then resume`;

/** What SQLite refused, as an error of the sink or source; anything else as it is. `doing`: what was tried, with the table. */
export function databaseError(error: unknown, side: Side, doing: string): unknown {
  if (!(error instanceof TidemarkError)) return error;
  const cause = systemCode(error.details.cause) ?? '';
  const { cause: _cause, stack: _stack, ...details } = error.details;
  if (!cause.startsWith('SQLITE')) return error;
  const code = CODES[side][error.code] ?? error.code;
  const hint = isBusy(error) ? { hint: BUSY_HINT } : {};
  return new TidemarkError(code, `${doing}: ${error.message}`, { ...details, ...hint, cause: error });
}

/**
 * Dropping checkpoints, and with them the segments that nothing refers to any more.
 *
 * Jobs of one home share segments of equal bytes, so a file may be dropped by one job in the moment in which
 * another finds it there. Two rules make that safe: a file is removed only under the catalog's write lock and
 * while neither a checkpoint nor a lease knows it (`removeSegments`), and who wants it leases it under the same lock
 * before giving it its name (leases.ts). The one of the two that comes second sees what the first has done. As a
 * last resort, a checkpoint completes only if its files are there (checkpoints.ts).
 *
 * Invariants: a completed checkpoint that is not committed, or is pinned, is never dropped here by a live job.
 */
import { renameSync, unlinkSync } from 'node:fs';
import { assert } from '../base/assert.js';
import { systemCode, toTidemarkError } from '../base/errors.js';
import { failpoint } from '../base/failpoint.js';
import { requireEpoch } from './attempts.js';
import { forgetHistory } from './checkpoints.js';
import type { CatalogContext } from './context.js';
import { storedJob } from './job-row.js';
import { isLive } from './job-state.js';
import { dropLeases, references } from './leases.js';
import { holdsLock } from './lock.js';
import { RowReader } from './row.js';

const SEGMENT_NAME = /^[0-9a-f]{64}$/;
/** Files removed under one hold of the write lock, so that no writer waits for long. */
const REMOVED_AT_ONCE = 100;
/** What ends so is nobody's once its process is gone. */
const ASIDE_SUFFIX = '.tmp';

/** A segment's row goes with the last checkpoint that refers to it. */
const FORGET = `DELETE FROM segments WHERE name = @name
  AND NOT EXISTS (SELECT 1 FROM checkpoint_segments WHERE segment = @name)`;

/**
 * Marks completed checkpoints as subsumed, except those pinned meanwhile. Returns the names of the segments
 * that nothing refers to now, their rows gone; the caller hands them to {@link removeSegments}.
 */
export function subsume(
  context: CatalogContext,
  job: string,
  epoch: number,
  ids: readonly number[],
): string[] {
  return context.db.transaction(() => {
    requireEpoch(context, job, epoch);
    for (const id of ids) {
      const row = context.db.get('SELECT state, committed_at FROM checkpoints WHERE job = ? AND id = ?', [
        job,
        id,
      ]);
      const committed = row?.['state'] === 'completed' && row['committed_at'] !== null;
      assert(committed, `checkpoint ${job}@${id} is completed and committed before it is subsumed`);
    }
    return drop(context, job, ids);
  });
}

/**
 * Drops those completed checkpoints of a job that has ended (all without `ids`), except pinned ones, what was left
 * pending, and its leases; else as {@link subsume}. Only after the transition: a job that dies between the two keeps
 * them for nothing, never loses them.
 */
export function dropCheckpoints(context: CatalogContext, job: string, ids?: readonly number[]): string[] {
  return context.db.transaction(() => {
    const { state } = storedJob(context, job);
    assert(!isLive(state), `the checkpoints of job ${job} are dropped while it is ${state}`);
    return dropAll(context, job, ids);
  });
}

/** As {@link dropCheckpoints}, also of a lost job. The caller holds the job's lock, and does not run it. */
export function pruneCheckpoints(context: CatalogContext, job: string, ids: readonly number[]): string[] {
  assert(holdsLock(context.home.job(job).lock), `who prunes checkpoints of job ${job} holds its lock`);
  return context.db.transaction(() => dropAll(context, job, ids));
}

/**
 * Removes the files of those names that neither a checkpoint nor a lease knows; returns how many. The one way to
 * remove a segment, with {@link setSegmentsAside}. The names come from `subsume`, `dropCheckpoints`, `unlease` or
 * `orphanSegments`; `idle` as there.
 */
export function removeSegments(context: CatalogContext, names: readonly string[], idle?: string): number {
  return eachLoose(context, names, idle, unlinkIfThere);
}

/**
 * As {@link removeSegments}, but the files only lose their names, and the paths they have now are returned for the caller
 * to remove at leisure: to free a gigabyte takes a third of a second, which neither other writers nor a running job
 * should wait for. Who dies before leaves unfinished files, which are swept.
 */
export function setSegmentsAside(context: CatalogContext, names: readonly string[]): string[] {
  const aside: string[] = [];
  eachLoose(context, names, undefined, (path) => {
    const to = `${path}.${Buffer.from(context.random.bytes(8)).toString('hex')}${ASIDE_SUFFIX}`;
    if (!renameIfThere(path, to)) return false;
    aside.push(to);
    return true;
  });
  return aside;
}

function eachLoose(
  context: CatalogContext,
  names: readonly string[],
  idle: string | undefined,
  remove: (path: string) => boolean,
): number {
  const { db, home } = context;
  let removed = 0;
  for (let from = 0; from < names.length; from += REMOVED_AT_ONCE) {
    db.transaction(() => {
      const known = references(context, idle);
      for (const name of names.slice(from, from + REMOVED_AT_ONCE)) {
        if (known(name) || !remove(home.segment(name))) continue;
        removed++;
        failpoint('segment-removed');
      }
    });
  }
  return removed;
}

/**
 * Removes what earlier attempts left: pending checkpoints, leases with the files that only they held, and pins that
 * have run out. Returns how many checkpoints.
 */
export function sweep(context: CatalogContext, job: string, epoch: number): number {
  const { db, clock } = context;
  const { pending, loose } = db.transaction(() => {
    requireEpoch(context, job, epoch);
    db.run('DELETE FROM pins WHERE until <= ?', [clock.now()]);
    return {
      pending: db.run("DELETE FROM checkpoints WHERE job = ? AND state = 'pending' AND epoch < ?", [
        job,
        epoch,
      ]),
      loose: dropLeases(context, job, epoch),
    };
  });
  removeSegments(context, loose);
  return pending;
}

/**
 * Which of the names found on disk are segments that neither a checkpoint nor a lease of a running job knows (leases.ts). `idle` is
 * a job whose lock the caller holds without writing: what it has leased was left by a dead attempt.
 */
export function orphanSegments(
  context: CatalogContext,
  existing: readonly string[],
  idle?: string,
): string[] {
  return context.db.snapshot(() => {
    const known = references(context, idle);
    return existing.filter((name) => SEGMENT_NAME.test(name) && !known(name));
  });
}

function dropAll(context: CatalogContext, job: string, ids: readonly number[] | undefined): string[] {
  const { db } = context;
  db.run("DELETE FROM checkpoints WHERE job = ? AND state = 'pending'", [job]);
  const rows = db.all("SELECT id FROM checkpoints WHERE job = ? AND state = 'completed'", [job]);
  const completed = rows.map((row) => new RowReader('checkpoints', job, row).count('id'));
  const wanted = ids === undefined ? completed : completed.filter((id) => ids.includes(id));
  return [...new Set([...dropLeases(context, job), ...drop(context, job, wanted)])];
}

function drop(context: CatalogContext, job: string, ids: readonly number[]): string[] {
  const { db, clock } = context;
  const candidates = new Set<string>();
  for (const id of ids) {
    if (isPinned(context, job, id, clock.now())) continue;
    const where = [job, id];
    for (const row of db.all(
      'SELECT segment FROM checkpoint_segments WHERE job = ? AND checkpoint = ?',
      where,
    ))
      candidates.add(new RowReader('checkpoint_segments', `${job}@${id}`, row).text('segment'));
    db.run('DELETE FROM checkpoint_segments WHERE job = ? AND checkpoint = ?', where);
    db.run("UPDATE checkpoints SET state = 'subsumed', manifest = NULL WHERE job = ? AND id = ?", where);
  }
  forgetHistory(context, job);
  const known = references(context);
  return [...candidates].filter((name) => {
    db.run(FORGET, { name });
    return !known(name);
  });
}

function isPinned({ db }: CatalogContext, job: string, id: number, now: number): boolean {
  const pin = 'SELECT 1 FROM pins WHERE job = ? AND checkpoint = ? AND (until IS NULL OR until > ?)';
  return db.get(pin, [job, id, now]) !== undefined;
}

/** False when it was gone already. */
export function unlinkIfThere(path: string): boolean {
  return ifThere(path, () => unlinkSync(path));
}

function renameIfThere(path: string, to: string): boolean {
  return ifThere(path, () => renameSync(path, to));
}

function ifThere(path: string, act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw toTidemarkError(error, `cannot remove ${path}`);
  }
}

/**
 * Statements for looking after a home: what refers to what, what was left by the dead, and whether the file is whole.
 *
 * Invariants: what is told here may be old the next moment, so what is removed is asked for again under the write
 * lock; nothing that a running process has leased, pinned or named is touched.
 */
import { assert } from '../base/assert.js';
import type { CatalogContext } from './context.js';
import { listLeases } from './leases.js';
import { isLocked } from './lock.js';
import type { LeaseRecord, PinRecord, SegmentUse } from './records.js';
import { RowReader } from './row.js';
import { unlinkIfThere } from './segments.js';

/** Lines of `integrity_check` that are read. */
const MAX_PROBLEMS = 20;
const HASH = /^[0-9a-f]{64}$/;

/** Whether a process runs the job, or is about to: it holds the job's lock. */
export function isHeld({ home }: CatalogContext, job: string): boolean {
  return isLocked(home.job(job).lock);
}

/** Every segment that a checkpoint or a lease knows, by name; leases of dead processes are not counted. */
export function listSegments(context: CatalogContext): SegmentUse[] {
  const { db } = context;
  return db.snapshot(() => {
    const uses = new Map<
      string,
      { name: string; bytes: number; checkpoints: { job: string; id: number }[] }
    >();
    for (const row of db.all('SELECT name, bytes FROM segments ORDER BY name')) {
      const read = new RowReader('segments', String(row['name']), row);
      const name = read.text('name');
      uses.set(name, { name, bytes: read.count('bytes'), checkpoints: [] });
    }
    for (const row of db.all('SELECT DISTINCT segment, job, checkpoint FROM checkpoint_segments')) {
      const read = new RowReader('checkpoint_segments', `${row['job']}@${row['checkpoint']}`, row);
      const id = read.count('checkpoint');
      uses.get(read.text('segment'))?.checkpoints.push({ job: read.text('job'), id });
    }
    const leases = new Map<string, string[]>();
    for (const { name, bytes, job } of listLeases(context)) {
      if (!isHeld(context, job)) continue;
      if (!uses.has(name)) uses.set(name, { name, bytes, checkpoints: [] });
      leases.set(name, [...(leases.get(name) ?? []), job]);
    }
    return [...uses.values()].map((use) => ({ ...use, leasedBy: leases.get(use.name) ?? [] }));
  });
}

/** Leases of jobs that no process runs: they mean nothing. */
export function staleLeases(context: CatalogContext): LeaseRecord[] {
  const held = new Map<string, boolean>();
  return listLeases(context).filter(({ job }) => {
    const found = held.get(job) ?? isHeld(context, job);
    held.set(job, found);
    return !found;
  });
}

export function expiredPins({ db, clock }: CatalogContext): PinRecord[] {
  return db.all('SELECT * FROM pins WHERE until <= ? ORDER BY id', [clock.now()]).map(readPin);
}

/** All that count, oldest first; of one job, or of all. */
export function listPins({ db, clock }: CatalogContext, job?: string): PinRecord[] {
  const parameters = { job: job ?? null, now: clock.now() };
  return db
    .all(
      `SELECT * FROM pins WHERE (@job IS NULL OR job = @job) AND (until IS NULL OR until > @now) ORDER BY id`,
      parameters,
    )
    .map(readPin);
}

/** Removes the rows of what means nothing any more; returns how many. */
export function dropStale(context: CatalogContext): { readonly leases: number; readonly pins: number } {
  const { db, clock } = context;
  return db.transaction(() => {
    const jobs = new Set(staleLeases(context).map(({ job }) => job));
    let leases = 0;
    // A process that takes such a job's lock from now on begins without leases, so that none of its own is lost.
    for (const job of jobs) leases += db.run('DELETE FROM leases WHERE job = ?', [job]);
    return { leases, pins: db.run('DELETE FROM pins WHERE until <= ?', [clock.now()]) };
  });
}

/** Of these bundles, those that no job names. */
export function unnamedBundles({ db }: CatalogContext, hashes: readonly string[]): string[] {
  return hashes.filter((hash) => db.get('SELECT 1 FROM jobs WHERE bundle = ?', [hash]) === undefined);
}

/** Removes the files of those bundles that no job names; returns the hashes of those that were there. */
export function removeBundles(context: CatalogContext, hashes: readonly string[]): string[] {
  return context.db.transaction(() =>
    unnamedBundles(context, hashes).filter((hash) => {
      assert(HASH.test(hash), `${hash} is the hash of a bundle`);
      return unlinkIfThere(context.home.bundle(hash));
    }),
  );
}

/** What SQLite finds wrong with the file; empty when it is whole. Reads all of it. */
export function problems({ db }: CatalogContext): string[] {
  const integrity = db
    .all(`PRAGMA integrity_check(${MAX_PROBLEMS})`)
    .map((row) => String(row['integrity_check']))
    .filter((line) => line !== 'ok');
  const foreign = db
    .all('PRAGMA foreign_key_check')
    .slice(0, MAX_PROBLEMS)
    .map((row) => `table ${row['table']}: a row refers to what is not in ${row['parent']}`);
  return [...integrity, ...foreign];
}

export function sqliteVersion({ db }: CatalogContext): string {
  return String(db.get('SELECT sqlite_version() AS version')?.['version']);
}

function readPin(row: Readonly<Record<string, unknown>>): PinRecord {
  const read = new RowReader('pins', String(row['id']), row);
  return {
    id: read.count('id'),
    job: read.text('job'),
    checkpoint: read.count('checkpoint'),
    who: read.text('who'),
    why: read.text('why'),
    until: read.maybe('until', read.count),
  };
}

/**
 * Statements about leases: what keeps a segment that no checkpoint refers to (yet, or any more).
 *
 * Rule L: a segment is leased BEFORE it is renamed to its name, and renamed to it even when a file of that name is
 * there; so a file that neither a checkpoint nor a lease knows is leaked, and may be removed at any time. An
 * attempt also leases what it reads in place, from its recovery until the last reader is closed.
 *
 * Invariants: a lease counts while somebody holds its job's lock, for who died reads and writes nothing; an attempt
 * begins without leases (`sweep`), so that those of a dead one never count again.
 */
import { requireEpoch } from './attempts.js';
import type { CatalogContext } from './context.js';
import { isLocked } from './lock.js';
import type { LeaseRecord, SegmentRecord } from './records.js';
import { RowReader } from './row.js';

/** Leases segments for this attempt; what it has leased already is no error. @throws STALE_EPOCH */
export function lease(
  context: CatalogContext,
  job: string,
  epoch: number,
  segments: readonly SegmentRecord[],
): void {
  const { db } = context;
  db.transaction(() => {
    requireEpoch(context, job, epoch);
    for (const { name, bytes } of segments) {
      db.run(
        `INSERT INTO leases (job, segment, epoch, bytes) VALUES (@job, @name, @epoch, @bytes)
           ON CONFLICT (job, segment) DO UPDATE SET epoch = @epoch`,
        { job, name, epoch, bytes },
      );
    }
  });
}

/**
 * Gives leases up; those that are not there are no error. Returns the names that nothing refers to now; the
 * caller hands them to `removeSegments`. @throws STALE_EPOCH
 */
export function unlease(
  context: CatalogContext,
  job: string,
  epoch: number,
  names: readonly string[],
): string[] {
  const { db } = context;
  return db.transaction(() => {
    requireEpoch(context, job, epoch);
    for (const name of names) db.run('DELETE FROM leases WHERE job = ? AND segment = ?', [job, name]);
    const known = references(context);
    return [...new Set(names)].filter((name) => !known(name));
  });
}

/** Gives up the leases of a job that are older than `epoch`, or all; as {@link unlease}. Inside a transaction. */
export function dropLeases(context: CatalogContext, job: string, epoch?: number): string[] {
  const { db } = context;
  const rows = db.all(
    'DELETE FROM leases WHERE job = @job AND (@epoch IS NULL OR epoch < @epoch) RETURNING segment',
    { job, epoch: epoch ?? null },
  );
  const known = references(context);
  return rows.map((row) => new RowReader('leases', job, row).text('segment')).filter((name) => !known(name));
}

/** All leases, those that do not count included. */
export function listLeases({ db }: CatalogContext): LeaseRecord[] {
  return db.all('SELECT * FROM leases ORDER BY job, segment').map((row) => {
    const read = new RowReader('leases', `${row['job']}/${row['segment']}`, row);
    return {
      job: read.text('job'),
      epoch: read.count('epoch'),
      name: read.text('segment'),
      bytes: read.count('bytes'),
    };
  });
}

/**
 * Tells whether a checkpoint refers to a segment, or a lease that counts. Good for one transaction: it looks at each
 * job's lock once. A lock taken after that look does not matter, since its holder begins without leases.
 * `idle`: a job whose leases do not count although its lock is held, by the caller, who writes nothing yet.
 */
export function references({ db, home }: CatalogContext, idle?: string): (name: string) => boolean {
  const alive = new Map<string, boolean>();
  const counts = (job: string): boolean => {
    const known = alive.get(job);
    if (known !== undefined) return known;
    const found = job !== idle && isLocked(home.job(job).lock);
    alive.set(job, found);
    return found;
  };
  return (name) => {
    if (db.get('SELECT 1 FROM segments WHERE name = ?', [name]) !== undefined) return true;
    const holders = db.all('SELECT job FROM leases WHERE segment = ?', [name]);
    return holders.some((row) => counts(new RowReader('leases', name, row).text('job')));
  };
}

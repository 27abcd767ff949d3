/**
 * Statements about checkpoints: `pending → completed | failed`, `completed → subsumed`.
 *
 * Invariants: ids count on over the life of a job and are never given twice; a checkpoint is completed, with all
 * its references, in one transaction, and only if every file it refers to is there.
 */
import { existsSync } from 'node:fs';
import { assert } from '../base/assert.js';
import { type ErrorRecord, TidemarkError } from '../base/errors.js';
import { requireEpoch } from './attempts.js';
import { type CheckpointSurroundings, readCheckpoint } from './checkpoint-row.js';
import type { CatalogContext } from './context.js';
import { storedJob } from './job-row.js';
import type { CheckpointRecord, SegmentRecord } from './records.js';
import { RowReader } from './row.js';

/** Failed and subsumed checkpoints remembered per job. */
export const KEPT_HISTORY = 100;

export interface CompletedCheckpoint {
  /** In reading order: the oldest run first. */
  readonly segments: readonly SegmentRecord[];
  readonly bytes: CheckpointRecord['bytes'];
  readonly durationMs: number;
  readonly longestSliceMs: number;
  readonly manifest: unknown;
}

/** Registers a checkpoint before its first byte is written; returns its id. The job runs. */
export function beginCheckpoint(
  context: CatalogContext,
  job: string,
  epoch: number,
  { kind, mode }: Pick<CheckpointRecord, 'kind' | 'mode'>,
): number {
  const { db, clock } = context;
  return db.transaction(() => {
    const { state } = requireEpoch(context, job, epoch);
    assert(state === 'running', `a checkpoint begins while job ${job} is ${state}`);
    db.run('UPDATE jobs SET last_checkpoint = last_checkpoint + 1 WHERE id = ?', [job]);
    const row = db.get('SELECT id, last_checkpoint FROM jobs WHERE id = ?', [job]);
    const id = new RowReader('jobs', job, row ?? {}).count('last_checkpoint');
    db.run(
      `INSERT INTO checkpoints (job, id, epoch, state, kind, layout, triggered_at)
         VALUES (?, ?, ?, 'pending', ?, ?, ?)`,
      [job, id, epoch, kind, mode, clock.now()],
    );
    return id;
  });
}

/**
 * The moment a checkpoint counts. Its segments are written, synced and under their names, the folder too.
 * @throws CHECKPOINT_FAILED when a file is gone: another job with equal bytes dropped it between our finding it
 * there and this moment. Nothing was recorded then; a later checkpoint writes the file again.
 */
export function completeCheckpoint(
  context: CatalogContext,
  job: string,
  epoch: number,
  id: number,
  done: CompletedCheckpoint,
): void {
  const { db, clock } = context;
  db.transaction(() => {
    requirePending(context, job, epoch, id);
    for (const [position, segment] of done.segments.entries()) {
      refer(context, segment);
      db.run('INSERT INTO checkpoint_segments (job, checkpoint, position, segment) VALUES (?, ?, ?, ?)', [
        job,
        id,
        position,
        segment.name,
      ]);
    }
    db.run(
      `UPDATE checkpoints SET state = 'completed', completed_at = @now, duration_ms = @durationMs,
         longest_slice_ms = @longestSliceMs, bytes_own = @own, bytes_shared = @shared, bytes_total = @total,
         manifest = @manifest WHERE job = @job AND id = @id`,
      {
        job,
        id,
        now: clock.now(),
        durationMs: done.durationMs,
        longestSliceMs: done.longestSliceMs,
        own: done.bytes.own,
        shared: done.bytes.shared,
        total: done.bytes.total,
        manifest: JSON.stringify(done.manifest),
      },
    );
  });
}

/** Records a pending one as failed; its bytes are nobody's from then on. */
export function failCheckpoint(
  context: CatalogContext,
  job: string,
  epoch: number,
  id: number,
  error: ErrorRecord,
): void {
  context.db.transaction(() => {
    requirePending(context, job, epoch, id);
    context.db.run("UPDATE checkpoints SET state = 'failed', error = ? WHERE job = ? AND id = ?", [
      JSON.stringify(error),
      job,
      id,
    ]);
    forgetHistory(context, job);
  });
}

/** Records that the sinks have committed a completed one; also of an earlier attempt, also again. */
export function commitCheckpoint(context: CatalogContext, job: string, epoch: number, id: number): void {
  const { db, clock } = context;
  db.transaction(() => {
    requireEpoch(context, job, epoch);
    const changed = db.run(
      `UPDATE checkpoints SET committed_at = coalesce(committed_at, ?)
         WHERE job = ? AND id = ? AND state = 'completed'`,
      [clock.now(), job, id],
    );
    assert(changed === 1, `checkpoint ${job}@${id} is committed after it is completed`);
  });
}

/** All that are remembered, oldest first. */
export function listCheckpoints(context: CatalogContext, job: string): CheckpointRecord[] {
  const { db } = context;
  return db.snapshot(() => {
    const around = surroundings(context, job);
    const rows = db.all('SELECT * FROM checkpoints WHERE job = ? ORDER BY id', [job]);
    return rows.map((row) => readCheckpoint(row, around(Number(row['id']))));
  });
}

/** What recovery starts from: the newest completed one. */
export function lastCompleted(context: CatalogContext, job: string): CheckpointRecord | undefined {
  return context.db.snapshot(() => {
    const id = newestCompleted(context, job);
    return id === undefined ? undefined : findCheckpoint(context, job, id);
  });
}

/** The newest that ever completed. */
export function latestCheckpoint(context: CatalogContext, job: string): CheckpointRecord | undefined {
  return context.db.snapshot(() => {
    const row = context.db.get(
      'SELECT max(id) AS id FROM checkpoints WHERE job = ? AND completed_at IS NOT NULL',
      [job],
    );
    const read = new RowReader('checkpoints', job, row ?? { id: null });
    const id = read.maybe('id', read.count);
    return id === undefined ? undefined : findCheckpoint(context, job, id);
  });
}

/** @throws CHECKPOINT_NOT_FOUND */
export function findCheckpoint(context: CatalogContext, job: string, id: number): CheckpointRecord {
  const { db } = context;
  return db.snapshot(() => {
    const row = db.get('SELECT * FROM checkpoints WHERE job = ? AND id = ?', [job, id]);
    if (row !== undefined) return readCheckpoint(row, surroundings(context, job, id)(id));
    throw new TidemarkError('CHECKPOINT_NOT_FOUND', `job ${job} has no checkpoint ${id}`, {
      hint: `tidemark checkpoints ${job}`,
    });
  });
}

/** Keeps the newest {@link KEPT_HISTORY} failed and subsumed ones. Called inside a transaction. */
export function forgetHistory({ db }: CatalogContext, job: string): void {
  db.run(
    `DELETE FROM checkpoints WHERE job = @job AND state IN ('failed', 'subsumed') AND id <= (
       SELECT id FROM checkpoints WHERE job = @job AND state IN ('failed', 'subsumed')
         ORDER BY id DESC LIMIT 1 OFFSET ${KEPT_HISTORY})`,
    { job },
  );
}

function requirePending(context: CatalogContext, job: string, epoch: number, id: number): void {
  requireEpoch(context, job, epoch);
  const row = context.db.get('SELECT state FROM checkpoints WHERE job = ? AND id = ? AND epoch = ?', [
    job,
    id,
    epoch,
  ]);
  assert(row?.['state'] === 'pending', `checkpoint ${job}@${id} of attempt ${epoch} is ${row?.['state']}`);
}

/** Makes the row of a segment, unless it is known. */
function refer({ db, home }: CatalogContext, { name, bytes }: SegmentRecord): void {
  const row = db.get('SELECT bytes FROM segments WHERE name = ?', [name]);
  if (row !== undefined) {
    if (row['bytes'] === bytes) return;
    const message = `segment ${name} has ${bytes} bytes, the catalog says ${row['bytes']}`;
    throw new TidemarkError('CATALOG_CORRUPT', message, { hint: 'bring the home back from a backup' });
  }
  if (!existsSync(home.segment(name))) {
    throw new TidemarkError(
      'CHECKPOINT_FAILED',
      `${home.segment(name)} is gone before its checkpoint is complete`,
      {
        hint: 'the next checkpoint writes it again',
      },
    );
  }
  db.run('INSERT INTO segments (name, bytes) VALUES (?, ?)', [name, bytes]);
}

function newestCompleted({ db }: CatalogContext, job: string): number | undefined {
  const row = db.get("SELECT max(id) AS id FROM checkpoints WHERE job = ? AND state = 'completed'", [job]);
  const read = new RowReader('checkpoints', job, row ?? { id: null });
  return read.maybe('id', read.count);
}

/** What readCheckpoint needs beside the row, for one checkpoint of the job or for all. */
function surroundings(context: CatalogContext, job: string, only?: number) {
  const { db, clock } = context;
  const parameters = { job, only: only ?? null };
  const segments = new Map<number, string[]>();
  const references = db.all(
    `SELECT checkpoint, segment FROM checkpoint_segments
       WHERE job = @job AND (@only IS NULL OR checkpoint = @only) ORDER BY checkpoint, position`,
    parameters,
  );
  for (const row of references) {
    const read = new RowReader('checkpoint_segments', job, row);
    const id = read.count('checkpoint');
    const list = segments.get(id) ?? [];
    list.push(read.text('segment'));
    segments.set(id, list);
  }
  const pins = db.all('SELECT checkpoint FROM pins WHERE job = ? AND (until IS NULL OR until > ?)', [
    job,
    clock.now(),
  ]);
  const pinned = new Set(pins.map((row) => row['checkpoint']));
  const newest = newestCompleted(context, job);
  const jobState = storedJob(context, job).state;
  return (id: number): CheckpointSurroundings => ({
    segments: segments.get(id) ?? [],
    pinned: pinned.has(id),
    newest,
    jobState,
  });
}

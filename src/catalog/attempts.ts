/**
 * Statements about attempts: beginning one, and what an attempt writes about its job.
 *
 * Invariants: a job's epoch only grows; what an attempt writes names its epoch, and is refused once another
 * attempt took over; every change of state is one that job-state.ts allows; who begins an attempt holds the
 * job's lock, so whatever live state is stored then belongs to a runner that died.
 */
import { assert } from '../base/assert.js';
import { type ErrorRecord, TidemarkError } from '../base/errors.js';
import type { CatalogContext } from './context.js';
import { type StoredJob, storedJob } from './job-row.js';
import { isLive, isOver, mayFollow } from './job-state.js';
import { refuseTakenName } from './jobs.js';
import { holdsLock } from './lock.js';
import type { EndedBy, JobState } from './records.js';
import { RowReader } from './row.js';

/** Attempts remembered per job. */
export const KEPT_ATTEMPTS = 100;

export interface AttemptRecord {
  readonly job: string;
  readonly epoch: number;
  readonly startedAt: number;
  readonly endedAt: number | undefined;
  readonly outcome: 'finished' | 'canceled' | 'failed' | 'suspended' | 'lost' | undefined;
  readonly error: ErrorRecord | undefined;
}

const OUTCOMES = ['finished', 'canceled', 'failed', 'suspended', 'lost'] as const;

/** Where the runner of an attempt is reached. */
export interface RunnerInfo {
  readonly pid: number;
  readonly socket: string | undefined;
}

/** What a change of state may bring along. */
export interface TransitionExtra {
  readonly endedBy?: EndedBy | undefined;
  readonly error?: ErrorRecord | undefined;
  readonly metrics?: unknown;
}

/**
 * The job runs from now on; returns the new attempt's epoch. The caller holds the job's lock in this thread.
 * @throws JOB_ENDED for a finished or canceled job, NAME_TAKEN when a failed job's name has gone to another,
 * CHECKPOINT_NOT_FOUND when its last checkpoint has been dropped: from anywhere else, it would write again what it
 * has written.
 */
export function beginAttempt(context: CatalogContext, id: string, runner: RunnerInfo): number {
  assert(holdsLock(context.home.job(id).lock), `who begins an attempt of job ${id} holds its lock`);
  const { db, clock } = context;
  return db.transaction(() => {
    const job = storedJob(context, id);
    if (isOver(job.state)) throw jobEnded(job);
    refuseTakenName(context, job.name, id);
    if (hasLostItsState(context, id)) throw nothingToGoOnFrom(job);
    const epoch = job.epoch + 1;
    const now = clock.now();
    closeAttempt(context, job, 'lost', undefined);
    db.run(
      `UPDATE jobs SET state = 'running', epoch = ?, started_at = coalesce(started_at, ?), ended_at = NULL,
         ended_by = NULL, pid = ?, socket = ? WHERE id = ?`,
      [epoch, now, runner.pid, runner.socket ?? null, id],
    );
    db.run('INSERT INTO attempts (job, epoch, started_at) VALUES (?, ?, ?)', [id, epoch, now]);
    db.run('DELETE FROM attempts WHERE job = ? AND epoch <= ?', [id, epoch - KEPT_ATTEMPTS]);
    return epoch;
  });
}

/**
 * Changes the state. `error` replaces the one recorded, also by none; metrics stay when none are given.
 * A runner frees the job's lock only after its last transition.
 * @throws STALE_EPOCH, or JOB_ENDED when the job is over; what else the table forbids is a bug of the caller.
 */
export function transition(
  context: CatalogContext,
  id: string,
  epoch: number,
  to: JobState,
  extra: TransitionExtra = {},
): void {
  assert(to !== 'running' && to !== 'lost', `${to} is reached by beginAttempt or by dying`);
  const { db, clock } = context;
  db.transaction(() => {
    const job = requireEpoch(context, id, epoch);
    if (isOver(job.state)) throw jobEnded(job);
    assert(mayFollow(job.state, to), `job ${id} goes from ${job.state} to ${to}`);
    const ends = !isLive(to);
    db.run(
      `UPDATE jobs SET state = @state, ended_by = @endedBy, error = @error, metrics = coalesce(@metrics, metrics),
         ended_at = @endedAt, pid = @pid, socket = @socket WHERE id = @id`,
      {
        id,
        state: to,
        endedBy: extra.endedBy ?? null,
        error: json(extra.error),
        metrics: json(extra.metrics),
        endedAt: ends ? clock.now() : null,
        pid: ends ? null : (job.pid ?? null),
        socket: ends ? null : (job.socket ?? null),
      },
    );
    closeAttempt(context, job, outcomeOf(to), extra.error);
  });
}

/**
 * Takes a job that has completed no checkpoint from whoever runs it: whatever that process writes from now on is
 * refused, so that it can complete none and its sinks commit nothing. False, and nothing is changed, when it has
 * completed one, or is over.
 */
export function fence(context: CatalogContext, id: string): boolean {
  const { db } = context;
  return db.transaction(() => {
    const job = storedJob(context, id);
    if (isOver(job.state)) return false;
    const completed = db.get('SELECT 1 FROM checkpoints WHERE job = ? AND completed_at IS NOT NULL LIMIT 1', [
      id,
    ]);
    if (completed !== undefined) return false;
    closeAttempt(context, job, 'lost', undefined);
    db.run('UPDATE jobs SET epoch = epoch + 1 WHERE id = ?', [id]);
    return true;
  });
}

/** Counts one restart after a failure. */
export function countRestart(context: CatalogContext, id: string, epoch: number): void {
  context.db.transaction(() => {
    requireEpoch(context, id, epoch);
    context.db.run('UPDATE jobs SET restarts = restarts + 1 WHERE id = ?', [id]);
  });
}

/** What `status` shows of the job once it is not live. */
export function saveMetrics(context: CatalogContext, id: string, epoch: number, metrics: unknown): void {
  context.db.transaction(() => {
    requireEpoch(context, id, epoch);
    context.db.run('UPDATE jobs SET metrics = ? WHERE id = ?', [json(metrics), id]);
  });
}

/** The job, if this attempt still is its latest. Called inside the transaction that then writes. */
export function requireEpoch(context: CatalogContext, id: string, epoch: number): StoredJob {
  const job = storedJob(context, id);
  if (job.epoch === epoch) return job;
  const message = `attempt ${epoch} of job ${job.name} (${id}) has been taken over by attempt ${job.epoch}`;
  throw new TidemarkError('STALE_EPOCH', message, { hint: `tidemark status ${id}` });
}

/** The remembered attempts, oldest first. */
export function listAttempts({ db }: CatalogContext, id: string): AttemptRecord[] {
  return db.all('SELECT * FROM attempts WHERE job = ? ORDER BY epoch', [id]).map((row) => {
    const read = new RowReader('attempts', `${id}/${row['epoch']}`, row);
    return {
      job: read.text('job'),
      epoch: read.count('epoch'),
      startedAt: read.count('started_at'),
      endedAt: read.maybe('ended_at', read.count),
      outcome: read.maybe('outcome', (column) => read.oneOf(column, OUTCOMES)),
      error: read.maybe('error', read.error),
    };
  });
}

/** Ends the record of the job's latest attempt, unless that was done. */
function closeAttempt(
  { db, clock }: CatalogContext,
  job: StoredJob,
  outcome: string,
  error: ErrorRecord | undefined,
): void {
  db.run(
    `UPDATE attempts SET ended_at = ?, outcome = ?, error = ?
       WHERE job = ? AND epoch = ? AND outcome IS NULL`,
    [clock.now(), outcome, json(error), job.id, job.epoch],
  );
}

/**
 * Its last checkpoint was pruned, or dropped when it failed. An older one that is left is no substitute: what the job
 * has written since would be written again.
 */
function hasLostItsState({ db }: CatalogContext, id: string): boolean {
  const row = db.get(
    'SELECT state FROM checkpoints WHERE job = ? AND completed_at IS NOT NULL ORDER BY id DESC LIMIT 1',
    [id],
  );
  return row !== undefined && row['state'] !== 'completed';
}

function nothingToGoOnFrom({ id, name }: StoredJob): TidemarkError {
  return new TidemarkError(
    'CHECKPOINT_NOT_FOUND',
    `the last checkpoint of job ${name} (${id}) is gone: there is nothing to go on from`,
    {
      hint: `look for a savepoint: tidemark snapshots ${name}; or end the job: tidemark cancel ${id}`,
    },
  );
}

function outcomeOf(to: JobState): string {
  return to === 'restarting' ? 'failed' : to;
}

function jobEnded(job: StoredJob): TidemarkError {
  return new TidemarkError('JOB_ENDED', `job ${job.name} (${job.id}) is ${job.state}, which is for good`, {
    hint: `start a new one: tidemark run ${job.definition}`,
  });
}

function json(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

/** A row of table `jobs` as a record, and the state that it means. */
import { TidemarkError } from '../base/errors.js';
import type { Row } from '../sqlite/sqlite.js';
import type { CatalogContext } from './context.js';
import { isLive, JOB_STATES, type StoredJobState } from './job-state.js';
import { isLocked } from './lock.js';
import type { EndedBy, JobOrigin, JobRecord } from './records.js';
import { RowReader } from './row.js';

const STORED_STATES = JOB_STATES.filter((state): state is StoredJobState => state !== 'lost');
const ENDED_BY = [
  'input',
  'stop',
  'cancel',
  'signal',
  'suspend',
  'error',
] as const satisfies readonly EndedBy[];

/** A job as the catalog has it; `lost` is not yet told. */
export interface StoredJob extends JobRecord {
  readonly state: StoredJobState;
}

export function readJob(row: Row): StoredJob {
  const read = new RowReader('jobs', String(row['id']), row);
  return {
    id: read.text('id'),
    name: read.text('name'),
    definition: read.text('definition'),
    bundle: read.text('bundle'),
    gitCommit: read.maybe('git_commit', read.text),
    params: read.strings('params'),
    cwd: read.text('cwd'),
    settings: read.json('settings'),
    parallelism: read.count('parallelism'),
    maxParallelism: read.count('max_parallelism'),
    state: read.oneOf('state', STORED_STATES),
    endedBy: read.maybe('ended_by', (column) => read.oneOf(column, ENDED_BY)),
    epoch: read.count('epoch'),
    restarts: read.count('restarts'),
    createdAt: read.count('created_at'),
    startedAt: read.maybe('started_at', read.count),
    endedAt: read.maybe('ended_at', read.count),
    error: read.maybe('error', read.error),
    pid: read.maybe('pid', read.count),
    socket: read.maybe('socket', read.text),
    metrics: read.maybe('metrics', read.json),
    origin: read.maybe('origin', (column) => readOrigin(read, column)),
  };
}

function readOrigin(read: RowReader, column: string): JobOrigin {
  const origin = (read.json(column) ?? {}) as Partial<JobOrigin>;
  const { path, digest, lineage, dropped, rewind } = origin;
  const sound =
    typeof path === 'string' &&
    typeof digest === 'string' &&
    Array.isArray(lineage) &&
    Array.isArray(dropped);
  if (sound) return { path, digest, lineage, dropped, rewind: rewind === true };
  return read.refuse(column, 'an origin with path, digest and lineage');
}

/** The row of a job that must be there. */
export function storedJob({ db, home }: CatalogContext, id: string): StoredJob {
  const row = db.get('SELECT * FROM jobs WHERE id = ?', [id]);
  if (row !== undefined) return readJob(row);
  throw new TidemarkError('JOB_NOT_FOUND', `no job ${id} in ${home.root}`, { hint: 'tidemark list --all' });
}

/** With `lost` told: a live state, and nobody holds the job's lock. */
export function withLost(context: CatalogContext, job: StoredJob): JobRecord {
  if (!isLive(job.state) || isLocked(context.home.job(job.id).lock)) return job;
  // A runner writes its end before it frees the lock: what the row says now, after the lock was seen free, counts.
  const again = storedJob(context, job.id);
  return isLive(again.state) && again.epoch === job.epoch ? { ...again, state: 'lost' } : again;
}

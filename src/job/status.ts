/**
 * The documents that `--json` prints and the control channel answers with (DESIGN 8). Pure.
 *
 * Times are ISO 8601 text in UTC, durations milliseconds, sizes bytes. Watermarks stay numbers, since what they
 * count is the job's own matter. Fields are added, never renamed; what does not apply is null.
 */
import type { ErrorRecord } from '../base/errors.js';
import type { CheckpointRecord, JobRecord, JobState } from '../catalog/records.js';
import type { StoreMetrics } from './attempt-store.js';
import type { AttemptMetrics, OperatorMetrics } from './metrics.js';
import type { SavingProgress } from './savepoint.js';

export interface JobRow {
  readonly id: string;
  readonly name: string;
  readonly state: JobState;
  readonly endedBy: string | null;
  readonly parallelism: number;
  readonly startedAt: string | null;
  readonly restarts: number;
  /** `bytes`: all that it needs, shared parts included. */
  readonly lastCheckpoint: {
    readonly id: number;
    readonly completedAt: string;
    readonly bytes: number;
  } | null;
}

export interface StatusDocument extends JobRow {
  readonly maxParallelism: number;
  readonly createdAt: string;
  readonly endedAt: string | null;
  readonly epoch: number;
  readonly pid: number | null;
  readonly socket: string | null;
  readonly definition: string;
  readonly bundle: string;
  readonly params: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly settings: unknown;
  readonly error: Omit<ErrorRecord, 'stack'> | null;
  /** When the numbers below were taken; null when the job has never run. */
  readonly metricsAt: string | null;
  readonly elements: number;
  readonly rate: number;
  readonly droppedTimers: number;
  /** The savepoint being taken: what is being done, and how much of that; `held`, where its splits wait for each other. */
  readonly saving: SavingProgress | null;
  /** The segments that the state lies in, where checkpoints write what changed; null otherwise, and when not running. */
  readonly store: StoreMetrics | null;
  readonly operators: readonly OperatorMetrics[];
}

export interface CheckpointRow {
  readonly id: number;
  readonly state: string;
  readonly kind: string;
  readonly layout: 'native';
  readonly mode: CheckpointRecord['mode'];
  readonly triggeredAt: string;
  readonly durationMs: number | null;
  readonly longestSliceMs: number | null;
  readonly bytes: { readonly own: number; readonly shared: number; readonly total: number };
  readonly retainedBy: readonly string[];
  readonly completedAt: string | null;
  readonly error: Omit<ErrorRecord, 'stack'> | null;
}

/** What `run -d`, `resume`, `suspend`, `cancel` and `wait` print. */
export function jobOutcome({ id, name, state }: JobRecord): Pick<JobRow, 'id' | 'name' | 'state'> {
  return { id, name, state };
}

export function jobRow(job: JobRecord, last: CheckpointRecord | undefined): JobRow {
  const { id, name, state, parallelism, restarts } = job;
  return {
    id,
    name,
    state,
    endedBy: job.endedBy ?? null,
    parallelism,
    startedAt: time(job.startedAt),
    restarts,
    lastCheckpoint:
      last?.completedAt === undefined
        ? null
        : { id: last.id, completedAt: iso(last.completedAt), bytes: last.bytes.total },
  };
}

/** `metrics`: of the running attempt, else the last ones kept; undefined when there are none. */
export function statusDocument(
  job: JobRecord,
  last: CheckpointRecord | undefined,
  metrics: AttemptMetrics | undefined,
  now: { readonly saving?: SavingProgress | undefined; readonly store?: StoreMetrics | undefined } = {},
): StatusDocument {
  return {
    ...jobRow(job, last),
    maxParallelism: job.maxParallelism,
    createdAt: iso(job.createdAt),
    endedAt: time(job.endedAt),
    epoch: job.epoch,
    pid: job.pid ?? null,
    socket: job.socket ?? null,
    definition: job.definition,
    bundle: job.bundle,
    params: job.params,
    cwd: job.cwd,
    settings: job.settings,
    error: withoutStack(job.error),
    metricsAt: time(metrics?.at),
    elements: metrics?.elements ?? 0,
    rate: metrics?.rate ?? 0,
    droppedTimers: metrics?.droppedTimers ?? 0,
    saving: now.saving === undefined ? null : progressOf(now.saving),
    store: now.store ?? null,
    operators: metrics?.operators ?? [],
  };
}

function progressOf({ phase, entries, bytes, held }: SavingProgress): SavingProgress {
  return { phase, entries, bytes, ...(held === undefined ? {} : { held }) };
}

export function checkpointRow(record: CheckpointRecord): CheckpointRow {
  const { id, state, kind, mode, bytes, retainedBy } = record;
  return {
    id,
    state,
    kind,
    layout: 'native',
    mode,
    triggeredAt: iso(record.triggeredAt),
    durationMs: record.durationMs ?? null,
    longestSliceMs: record.longestSliceMs ?? null,
    bytes: { own: bytes.own, shared: bytes.shared, total: bytes.total },
    retainedBy,
    completedAt: time(record.completedAt),
    error: withoutStack(record.error),
  };
}

/** The metrics that an ended attempt left in the catalog, where they are what this version writes. */
export function keptMetrics(job: JobRecord): AttemptMetrics | undefined {
  const kept = job.metrics;
  if (typeof kept !== 'object' || kept === null) return undefined;
  return 'operators' in kept && Array.isArray(kept.operators) && 'at' in kept && typeof kept.at === 'number'
    ? (kept as AttemptMetrics)
    : undefined;
}

function withoutStack(error: ErrorRecord | undefined): Omit<ErrorRecord, 'stack'> | null {
  if (error === undefined) return null;
  const { stack: _stack, ...rest } = error;
  return rest;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function time(ms: number | undefined): string | null {
  return ms === undefined ? null : iso(ms);
}

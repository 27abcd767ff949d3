/** What the catalog holds, as its users see it. Times are milliseconds since 1970. */
import type { ErrorRecord } from '../base/errors.js';

export type JobState =
  | 'created'
  | 'running'
  | 'restarting'
  | 'finished'
  | 'canceled'
  | 'failed'
  | 'suspended'
  | 'lost';

/** Why a job is in the state it ended in. */
export type EndedBy = 'input' | 'stop' | 'cancel' | 'signal' | 'suspend' | 'error';

/** What is frozen at the first start. */
export interface FrozenJob {
  readonly name: string;
  /** Absolute path of the definition as it was given; only for display. */
  readonly definition: string;
  /** SHA-256 of the bundle, in hex; the file is `bundles/<hash>.mjs`. */
  readonly bundle: string;
  /** Checked out where the definition lay when it was frozen, in hex; absent where nobody knows. */
  readonly gitCommit?: string | undefined;
  /** Parameters as given, without secrets. */
  readonly params: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** `JobSettings` as JSON; the catalog does not look inside. */
  readonly settings: unknown;
  readonly parallelism: number;
  readonly maxParallelism: number;
}

export interface JobRecord extends FrozenJob {
  readonly id: string;
  readonly state: JobState;
  readonly endedBy: EndedBy | undefined;
  /** Counts attempts over the life of the job; every catalog write of an attempt names it. 0 before the first. */
  readonly epoch: number;
  /** Restarts after failures, over the life of the job. */
  readonly restarts: number;
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly error: ErrorRecord | undefined;
  /** Process and control socket of the current runner; for display and for reaching it, never for deciding. */
  readonly pid: number | undefined;
  readonly socket: string | undefined;
  /** The last metrics of an attempt, as JSON; shown when the job is not live. */
  readonly metrics: unknown;
  /** The snapshot the job was restored from, if it was: what recovery starts from before the first checkpoint. */
  readonly origin: JobOrigin | undefined;
}

/** Where a restored job's state comes from. */
export interface JobOrigin {
  /** Absolute path of the archive. */
  readonly path: string;
  readonly digest: string;
  /** Whose transactions the state includes, up to which checkpoint. */
  readonly lineage: readonly LineageEntry[];
  /** State that the restore was allowed to leave behind, as `uid` or `uid.name`. */
  readonly dropped: readonly string[];
  /** Sinks were told to set aside what their targets hold beyond the snapshot. */
  readonly rewind: boolean;
}

/** Transactions of `job` up to and with `checkpoint` are part of a state. */
export interface LineageEntry {
  readonly job: string;
  readonly checkpoint: number;
}

/** A savepoint or an externalized checkpoint that was taken here. */
export interface SavepointRecord {
  readonly job: string;
  readonly checkpoint: number;
  readonly kind: 'savepoint' | 'stop' | 'checkpoint';
  readonly layout: 'canonical' | 'native';
  readonly path: string;
  readonly digest: string;
  readonly bytes: number;
  readonly takenAt: number;
  readonly reason: string | undefined;
}

export type CheckpointState = 'pending' | 'completed' | 'failed' | 'subsumed';

export interface CheckpointRecord {
  readonly id: number;
  readonly job: string;
  readonly epoch: number;
  readonly state: CheckpointState;
  /** Why it was taken: by the schedule, by a person, at the end of input, to suspend, for a savepoint, to stop. */
  readonly kind: 'periodic' | 'asked' | 'final' | 'suspend' | 'savepoint' | 'stop';
  /** `full`: its segments hold each entry once; `incremental`: runs, shared with others, the newer of which wins. */
  readonly mode: 'full' | 'incremental';
  readonly triggeredAt: number;
  readonly completedAt: number | undefined;
  /** Set once the sinks have committed it. */
  readonly committedAt: number | undefined;
  readonly durationMs: number | undefined;
  readonly longestSliceMs: number | undefined;
  readonly bytes: { readonly own: number; readonly shared: number; readonly total: number };
  /** The snapshot's manifest as JSON (format/manifest.ts); the catalog does not look inside. */
  readonly manifest: unknown;
  /** Segment names in reading order: the oldest run first. */
  readonly segments: readonly string[];
  /** Why a completed one is kept: `recovery`, `retain`, `pin`, `ended-job`; empty for others. */
  readonly retainedBy: readonly string[];
  readonly error: ErrorRecord | undefined;
}

export interface SegmentRecord {
  /** SHA-256 of the file, in hex; the file is `segments/<name>.seg`. */
  readonly name: string;
  readonly bytes: number;
}

/** A segment that an attempt of a job writes or reads without, or before, a checkpoint that refers to it. */
export interface LeaseRecord extends SegmentRecord {
  readonly job: string;
  readonly epoch: number;
}

/** What keeps a segment. */
export interface SegmentUse extends SegmentRecord {
  /** Checkpoints that refer to it. */
  readonly checkpoints: readonly { readonly job: string; readonly id: number }[];
  /** Running jobs that have leased it. */
  readonly leasedBy: readonly string[];
}

export interface PinRecord {
  readonly id: number;
  readonly job: string;
  readonly checkpoint: number;
  /** `user`, or the command that reads it. */
  readonly who: string;
  readonly why: string;
  /** After which it means nothing. */
  readonly until: number | undefined;
}

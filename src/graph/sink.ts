/**
 * The contract between the runtime and a sink, with two-phase commit (Flink's `TwoPhaseCommitSinkFunction`,
 * later FLIP-143).
 *
 *     write … write │ prepare ──────▶ commit        a transaction is what was written between two barriers
 *                   └ barrier    └ after the checkpoint is complete
 *
 * A sink without `committer` is at-least-once: what it wrote after the last completed checkpoint is written again
 * after a failure. One with it is exactly-once:
 *
 * Duties of a writer: `write` may buffer, and returns a promise when the caller should wait. `prepare` closes the
 * running transaction synchronously (what is written after the call belongs to the next one) and resolves, once
 * everything in it is durable, with what `commit` needs; undefined when nothing was written.
 * Duties of a committer: `commit` is idempotent, and is told about a transaction again after every recovery;
 * a ledger in the target says which are committed (membership, never a comparison of numbers). `recover` runs
 * once per attempt before any writer is opened: it commits what it is given and drops what else this job left
 * behind uncommitted, and nothing of any other job's.
 *
 * For jobs restored from a snapshot: `ahead` names what the target has committed beyond the given lineage, so that
 * going on from there would write it twice; `rewind` sets exactly that aside. Both may be called again after a crash.
 * `checkRewind`, of all sinks before `rewind` of any, throws what `rewind` would, so that a restore which is refused has
 * changed nothing.
 *
 * State (`state`, one list per subtask): what the snapshot has of it is what it holds when the synchronous part of
 * `prepare`, up to its first `await`, is over. So what a writer keeps back for the next transaction it puts there
 * before it first waits, and a restore finds every element either in a transaction or in the state. What `write` changes
 * in it before its promise settles belongs to the elements it was given.
 *
 * Duties of the runtime: one committer per sink, one writer per subtask. Calls to one writer do not overlap,
 * except that `write` goes on while `prepare` is pending. Transactions of a failed checkpoint are kept and
 * committed with the next completed one. A rejected promise fails the attempt.
 */
import type { Clock } from '../base/clock.js';
import type { Disk } from '../base/disk.js';
import type { Schema } from '../codec/schema.js';
import type { OperatorStateDeclarations, OperatorStates } from './operator-state.js';

/** Names a transaction once and for all. `job` is the id of the job that created it. */
export interface TransactionId {
  readonly job: string;
  readonly attempt: number;
  readonly sink: string;
  readonly subtask: number;
  readonly checkpoint: number;
}

export interface Transaction<X> {
  readonly id: TransactionId;
  /** What the writer's `prepare` resolved with. */
  readonly value: X;
}

/** A state includes the transactions of `job` up to and with `checkpoint`. */
export interface LineageEntry {
  readonly job: string;
  readonly checkpoint: number;
}

/** What a sink may use of the outside. */
export interface SinkContext {
  /** Of the snapshot this job was restored from, its own job first; empty for a job that began by itself. */
  readonly lineage: readonly LineageEntry[];
  readonly job: { readonly id: string; readonly name: string };
  readonly attempt: number;
  readonly sink: string;
  /** The folder that relative paths are relative to: where the job was first started. */
  readonly cwd: string;
  readonly disk: Disk;
  readonly clock: Clock;
  /** Standard output of the process, or a file of the job's when it is detached. Wait for the promise. */
  stdout(text: string): Promise<void>;
  /** A line for the job's log. */
  log(line: string): void;
  /**
   * For sinks that wait on something slow, and bound that themselves: the step timeout counts from the last call. Absent
   * where nobody watches.
   */
  alive?(): void;
}

export interface WriterContext<S = OperatorStateDeclarations> extends SinkContext {
  readonly subtask: number;
  readonly parallelism: number;
  /** This subtask's part of the declared states, restored. Its writer may keep the handles. */
  readonly state: OperatorStates<S>;
}

export interface SinkWriter<T, X> {
  write(elements: readonly T[]): void | Promise<void>;
  /** At-least-once sinks make what was written durable here; exactly-once ones also return the transaction. */
  prepare?(checkpoint: number): Promise<X | undefined>;
  close?(): void | Promise<void>;
}

export interface SinkCommitter<X> {
  recover(restored: readonly Transaction<X>[]): Promise<void>;
  commit(transactions: readonly Transaction<X>[]): Promise<void>;
  /** Committed transactions that are not part of a state of this lineage, and follow from it or its ancestors. */
  ahead?(lineage: readonly LineageEntry[]): Promise<readonly TransactionId[]>;
  /** Rejects where those cannot be set aside; changes nothing. */
  checkRewind?(lineage: readonly LineageEntry[]): Promise<void>;
  /** Sets those aside. */
  rewind?(lineage: readonly LineageEntry[]): Promise<void>;
  close?(): void | Promise<void>;
}

export interface SinkSpec<T, X> {
  /** What `plan` calls it: `fileSink`, `stdout`, … */
  readonly kind: string;
  /** How prepared transactions are kept; needed with `committer`. */
  readonly transaction?: Schema<X>;
  /** What each writer remembers beside its transactions. */
  readonly state?: OperatorStateDeclarations;
  /**
   * A folder that one sink of one job at a time may own. The job's process creates it and holds a lock in it for
   * the job's life; two jobs, even of two homes, never share it, and a graph in which two sinks do is refused, by
   * resolved path. Relative paths are relative to the job's `cwd`.
   */
  readonly target?: string;
  /** One line on where it writes, for `plan` and `status`. */
  readonly describe?: string;
  open(context: WriterContext): SinkWriter<T, X> | Promise<SinkWriter<T, X>>;
  /** Present: the sink is exactly-once. */
  committer?(context: SinkContext): SinkCommitter<X> | Promise<SinkCommitter<X>>;
}

/**
 * The contract between the runtime and a source.
 *
 * A source is cut into splits (files, partitions), each with its own position. The runtime deals the splits out
 * by sorted id, reads each through one generator, and records positions in every checkpoint.
 *
 * Duties of a source:
 * - `splits` names what can be read now, with the position each starts from; it is asked again after every
 *   restart, and every `rediscover` milliseconds when that is given. Ids are stable, unique and non-empty.
 * - `read` yields batches; the position of a batch is the one to go on from once its elements are processed,
 *   so that reading on from it yields exactly what follows. A batch is at most about `request.batch` elements.
 * - A generator that returns has reached the end of its split for good.
 * - When `request.signal` aborts, the generator stops waiting and returns; what it holds is released in `finally`.
 *
 * State (`state`, one list per subtask): a source reads ahead of the elements that are processed, so a handle that it
 * changes as it likes would run ahead of the barrier: after a restore the state would know of elements that are read
 * again. State therefore moves as positions do: `request.state` is what the subtask holds when the reading of a split
 * begins, and a batch may carry new contents, which count from when it is processed. The splits of one subtask share
 * its state: a batch of one puts its contents in the place of those that a batch of another gave.
 *
 * Duties of the runtime: one batch is asked for at a time (a bounded look-ahead of one is kept), barriers fall
 * between batches, and a position is only ever handed back to the split it came from.
 */
import type { Clock } from '../base/clock.js';
import type { Disk } from '../base/disk.js';
import type { Schema } from '../codec/schema.js';
import type { OperatorChanges, OperatorContents, OperatorStateDeclarations } from './operator-state.js';

export interface Split<P> {
  readonly id: string;
  /** Where reading begins when no snapshot knows this split. */
  readonly start: P;
}

export interface Batch<T, P, S = OperatorStateDeclarations> {
  readonly elements: readonly T[];
  readonly position: P;
  /** What the subtask holds once this batch is processed; what is left out stays. Elements are not changed any more. */
  readonly state?: OperatorChanges<S> | undefined;
}

/** Standard input of the process that runs the job, kept by it: attempts come and go. */
export interface StandardInput {
  /**
   * Where reading goes on: at the place, where that is of this process and its bytes are still held, else at the oldest
   * record that is. A place of another process means the beginning.
   */
  open(place: InputPlace): Promise<InputStart>;
  /**
   * Bytes from `offset` on, at least one and at most `length`; undefined at the end. `record`: where a record begins, and
   * nothing before it is still to be read by this attempt. `header`: column names that were read before it.
   */
  read(request: InputRequest): Promise<Uint8Array | undefined>;
}

export interface InputPlace {
  /** The process; empty: none yet. */
  readonly run: string;
  /** Bytes from the beginning of its standard input. */
  readonly offset: number;
}

export interface InputStart extends InputPlace {
  /** Bytes after the place that are held no more. */
  readonly lost: number;
  /** The column names that were read before; undefined where there are none. */
  readonly header: readonly string[] | undefined;
}

export interface InputRequest {
  readonly offset: number;
  readonly length: number;
  readonly record: number;
  readonly header: readonly string[] | undefined;
}

/** What a source may use of the outside. */
export interface SourceContext {
  /** The folder that relative paths are relative to: where the job was first started. */
  readonly cwd: string;
  readonly disk: Disk;
  readonly clock: Clock;
  /** Absent where there is none: the job is detached, or only looked at. */
  readonly stdin?: StandardInput | undefined;
  /** A line for the job's log. */
  log(line: string): void;
}

export interface ReadRequest<P, S = OperatorStateDeclarations> extends SourceContext {
  readonly split: string;
  readonly position: P;
  /** What the subtask that reads holds of the declared states. */
  readonly state: OperatorContents<S>;
  /** How many elements a batch should hold at most; a wish that keeps steps and rates smooth. */
  readonly batch: number;
  /** No batch may begin before it and end after it. Given to sources that compare positions, and heeded by them. */
  readonly until?: P | undefined;
  readonly signal: AbortSignal;
}

export interface SourceSpec<T, P> {
  /** What `plan` calls it: `files`, `sequence`, … */
  readonly kind: string;
  /** How positions are kept and checked. */
  readonly position: Schema<P>;
  /** False: what was read cannot be read again, and recovery loses it; `plan` says so. Default true. */
  readonly replayable?: boolean;
  /** What only one source of a graph can read, as `standard input`: two would each get a part of it. */
  readonly exclusive?: string;
  /** Elements per second over all splits together; enforced by the runtime. Absent: as fast as it goes. */
  readonly rate?: number;
  /** How many splits one subtask reads side by side; the rest wait their turn. Default: all of its own. */
  readonly concurrency?: number;
  /** Ask `splits` again this often, in milliseconds, for ids not seen before. Such a source never ends. */
  readonly rediscover?: number;
  /** What each subtask remembers beside the positions of its splits. */
  readonly state?: OperatorStateDeclarations;
  /** One line on what it reads, for `plan` and `status`. */
  readonly describe?: string;
  splits(context: SourceContext): Promise<readonly Split<P>[]> | readonly Split<P>[];
  /**
   * Looks whether `read` could go on from a recorded position, without reading elements: before an upgrade, while the old
   * job still runs. Throws what `read` would. Absent: nobody knows before it is tried.
   */
  check?(request: SourceContext & { readonly split: string; readonly position: P }): Promise<void>;
  /**
   * How two positions of one split lie: below 0 where `a` comes before `b`, 0 where what follows them is the same, above 0
   * where `a` comes after, undefined where that cannot be told. A source that has it ends a batch at `request.until`, so that
   * a split can be made to wait exactly there (`savepoint --at`). Where it is absent, elements are read one by one then.
   */
  compare?(a: P, b: P): number | undefined;
  read(request: ReadRequest<P>): AsyncIterable<Batch<T, P>>;
}

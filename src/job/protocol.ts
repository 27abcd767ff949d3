/**
 * What the main thread and the data thread say to each other.
 *
 *     main                               data
 *      │ ◀──────────── described ─────────┤  definition loaded, graph built
 *      ├── runs ─ adopt ──────────────▶ │  (disk) the segments that state lies in, and how much it is
 *      ├── tables ─ restore* ─ go ──────▶ │  targets are locked; entries of the snapshot; open sinks and sources
 *      │ ◀──────────── running ───────────┤
 *      ├── checkpoint ──────────────────▶ │  barrier between two steps
 *      │ ◀──────────── chunk* ─ drained ──┤  buffers change hands, `buffer` gives them back
 *      ├── written ─────────────────────▶ │  (changes) durable in segments, which the next snapshot builds on
 *      │ ◀──────────── opened ────────────┤
 *      ├── completed ───────────────────▶ │  fsynced and in the catalog
 *      │ ◀──────────── committed ─────────┤
 *      │ ◀── flush ─ chunk* ─ flushed ────┤  (disk) changes that fill the memory, written without a barrier
 *      ├── runs (after a merge) ────────▶ │
 *      │ ◀──────────── ended ─────────────┤  end of input: asks for the final checkpoint
 *      ├── hold ─────────────────────▶ │  splits wait at positions of a snapshot, until `release` or the barrier that says so
 *      │ ◀──────── holding* │ hold-refused ┤
 *      ├── go-on (a stop that failed) ──▶ │  or
 *      ├── finish ──────────────────────▶ │
 *      │ ◀──────────── closed ────────────┤
 *
 * Invariants: one checkpoint or flush at a time, the next only when what the last one drained is `written` or aborted;
 * flushes are numbered below 0, so that a chunk's id says whose it is; at most MAX_CHUNKS_OUT chunks are with main; at most RESTORE_BYTES_OUT and
 * one payload of a restore are on their way, each acknowledged by `restored`.
 */
import type { ErrorRecord } from '../base/errors.js';
import type { Expiry } from '../format/manifest.js';
import type { LineageEntry, TransactionId } from '../graph/sink.js';
import type { InputPlace, InputRequest, InputStart } from '../graph/source.js';
import type { WindowRecord } from '../restore/shape.js';
import type { RefusedSplit } from '../runtime/check-source.js';
import type { Beginning } from '../runtime/dataflow.js';
import type { HoldProgress } from '../runtime/hold.js';
import type { TableTyping } from '../runtime/kept-as.js';
import type { Table } from '../runtime/tables.js';
import type { AttemptMetrics } from './metrics.js';

/** Bytes of one chunk of a snapshot. */
export const CHUNK_BYTES = 1024 * 1024;
/** Chunks that may be with the main thread before draining pauses, and before processing pauses, too. */
export const DRAIN_CHUNKS_OUT = 4;
export const MAX_CHUNKS_OUT = 16;

/** Bytes of one message of a restore, unless one block is larger: a message costs more than its bytes. */
export const RESTORE_BYTES = 256 * 1024;
/** Bytes of a restore that may be on their way before main waits for some to be taken. */
export const RESTORE_BYTES_OUT = 2 * CHUNK_BYTES;

/** What a data thread is started with. */
export interface DataThreadData {
  /** Path of the bundle file. */
  readonly bundle: string;
  readonly job: { readonly id: string; readonly name: string };
  readonly attempt: number;
  readonly params: Readonly<Record<string, string>>;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly cwd: string;
  readonly liveSinks: boolean;
  readonly rewind: boolean;
  /** The main thread has a standard input to hand on. */
  readonly stdin?: boolean;
  /** Of the snapshot the job was restored from; empty when it was not. */
  readonly lineage: readonly LineageEntry[];
  /**
   * `run`: process. `commit`: only finish the commits of the snapshot, then close. `check`: look whether the definition takes
   * the entries that come, keeping none; then, with `liveSinks`, tell what the sink targets hold beyond the lineage.
   */
  readonly mode: 'run' | 'commit' | 'check';
  readonly where: SharedArrayBuffer;
  readonly backend: 'memory' | 'disk';
  /** What a snapshot of keyed state holds: all of it, or what changed. */
  readonly snapshots: 'all' | 'changes';
  /** Where segments are. */
  readonly segments: string;
  /** Bytes of state that the disk backend keeps in memory. */
  readonly cache: number;
  /** Milliseconds between two metrics messages. */
  readonly metricsEvery: number;
  /** A trial: so many elements of each split are read, and none of some, each as JSON of source and split. */
  readonly limit?: { readonly elements: number; readonly skip: readonly string[] } | undefined;
}

export interface OperatorFacts {
  readonly uid: string;
  readonly formerly: readonly string[];
  readonly kind: 'source' | 'process' | 'sink';
  readonly keyType: string | null;
  /** What feeds it: see graph/edges.ts. */
  readonly inputs: readonly string[];
}

/** A table, with the names its state went by before and what it can be restored from. */
export interface TableFacts extends Table, TableTyping {
  readonly formerly: readonly string[];
  /** Of panes: what they are of. */
  readonly window?: WindowRecord;
}

export interface SinkTarget {
  readonly sink: string;
  readonly target: string;
}

/** What the main thread needs to know of the graph. */
export interface GraphFacts {
  readonly operators: readonly OperatorFacts[];
  readonly tables: readonly TableFacts[];
  /** Folders that sinks own, absolute. */
  readonly targets: readonly SinkTarget[];
  /** A source looks for new splits: what it finds may be gone later, so positions should be kept soon. */
  readonly rediscovers: boolean;
  /** By node: its name. */
  readonly names: readonly string[];
}

/** What a check found in the entries of one table of the snapshot. */
export interface CheckedTable {
  /** Its id there. */
  readonly table: number;
  readonly looked: number;
  readonly refused: number;
  /** The first of them. */
  readonly shown: readonly RefusedEntry[];
}

/** An entry that the definition does not take. */
export interface RefusedEntry {
  readonly group: number;
  readonly key: Uint8Array;
  readonly mapKey: Uint8Array | undefined;
  /** Within the value, as `.a[3]`; empty for the value itself, or where there is none. */
  readonly path: string;
  readonly reason: string;
}

export interface CheckedEntries {
  readonly tables: readonly CheckedTable[];
  readonly splits: readonly RefusedSplit[];
}

export interface TableSizes {
  /** Written. */
  readonly entries: number;
  readonly bytes: number;
  /** Live at the barrier, by subtask; undefined for tables without keys. */
  readonly subtasks: readonly number[] | undefined;
  /** Of those, the ones that expire, where the backend does not see each of them do so. */
  readonly expiries?: readonly (readonly Expiry[])[] | undefined;
}

/** What the disk backend finds in the segments it was given. */
export interface AdoptedTable {
  readonly id: number;
  /** Live entries by subtask. */
  readonly subtasks: readonly number[];
  /** Of those, the ones that expire. */
  readonly expiries?: readonly (readonly Expiry[])[] | undefined;
}

/** Positions and watermarks of a snapshot. */
export interface HeldPlaces {
  readonly tables: readonly Table[];
  readonly blocks: readonly { readonly payload: Uint8Array; readonly entries: number }[];
}

/** What a source asks of standard input, and what it is told. */
export type InputAsk =
  | { readonly open: InputPlace; readonly read?: undefined }
  | { readonly read: InputRequest; readonly open?: undefined };

export type InputAnswer =
  | { readonly start: InputStart }
  /** Undefined at the end. */
  | { readonly bytes: Uint8Array | undefined }
  | { readonly error: string };

export type ToData =
  | { readonly type: 'restore'; readonly payload: Uint8Array; readonly entries: number }
  /** `kept`: the entries that follow lie in the segments of `runs`. */
  | { readonly type: 'tables'; readonly tables: readonly Table[]; readonly kept: boolean }
  | { readonly type: 'adopt'; readonly tables: readonly AdoptedTable[] }
  /** Names of the segments that hold the state, oldest first. */
  | { readonly type: 'runs'; readonly version: number; readonly names: readonly string[] }
  /** The same, and what checkpoint or flush `id` drained is in them. */
  | {
      readonly type: 'written';
      readonly id: number;
      readonly version: number;
      readonly names: readonly string[];
    }
  /** The entries of a check have all been sent. */
  | { readonly type: 'entries-end' }
  | { readonly type: 'go'; readonly beginning: Beginning }
  /**
   * `drain`: send the maximum watermark first, and wait for what it sets off. `settle`: let event time come to where what was
   * read lets it first, so that the state is a function of the positions. `release`: nothing is held after the barrier.
   */
  | {
      readonly type: 'checkpoint';
      readonly id: number;
      readonly last: boolean;
      readonly drain: boolean;
      readonly settle?: boolean;
      readonly release?: boolean;
    }
  /** Splits wait at the positions that these entries hold, of a snapshot with these tables. One at a time. */
  | ({ readonly type: 'hold'; readonly id: number } & HeldPlaces)
  /** Nothing is read until then, or until `release`: whoever is to be waited for gets ahead. */
  | { readonly type: 'stand-still' }
  | { readonly type: 'release' }
  | { readonly type: 'abort-checkpoint'; readonly id: number }
  | { readonly type: 'completed'; readonly id: number }
  | { readonly type: 'buffer'; readonly buffer: Uint8Array }
  | { readonly type: 'printed'; readonly id: number; readonly error: string | undefined }
  /** The answer to `ask-input`. */
  | { readonly type: 'input'; readonly id: number; readonly answer: InputAnswer }
  | { readonly type: 'go-on' }
  | { readonly type: 'finish' };

export type FromData =
  | { readonly type: 'described'; readonly facts: GraphFacts }
  | { readonly type: 'checked'; readonly found: CheckedEntries }
  | { readonly type: 'ahead'; readonly sinks: ReadonlyMap<string, readonly TransactionId[]> }
  | { readonly type: 'restored' }
  | { readonly type: 'running' }
  | { readonly type: 'flush'; readonly id: number }
  | { readonly type: 'flushed'; readonly id: number }
  /** The segments of that version are in use; those it no longer names are not. */
  | { readonly type: 'opened'; readonly version: number }
  | {
      readonly type: 'chunk';
      readonly id: number;
      readonly bytes: Uint8Array;
      readonly used: number;
      readonly entries: number;
    }
  | {
      readonly type: 'drained';
      readonly id: number;
      readonly barrierTime: number;
      /** Event time had come to its end. */
      readonly drained: boolean;
      readonly longestSliceMs: number;
      readonly tables: readonly TableSizes[];
    }
  | { readonly type: 'committed'; readonly id: number }
  /** How far the hold is; `settled`: all wait, and event time is where it was in the snapshot. */
  | {
      readonly type: 'holding';
      readonly id: number;
      readonly progress: HoldProgress;
      readonly settled: boolean;
    }
  /** It cannot be; nothing is held. */
  | { readonly type: 'hold-refused'; readonly id: number; readonly error: ErrorRecord }
  | { readonly type: 'ended'; readonly droppedTimers: number }
  | { readonly type: 'closed' }
  | { readonly type: 'failed'; readonly error: ErrorRecord }
  | { readonly type: 'print'; readonly id: number; readonly text: string }
  | { readonly type: 'ask-input'; readonly id: number; readonly ask: InputAsk }
  | { readonly type: 'log'; readonly text: string }
  | { readonly type: 'output'; readonly stream: 'stdout' | 'stderr'; readonly text: string }
  | { readonly type: 'metrics'; readonly metrics: AttemptMetrics };

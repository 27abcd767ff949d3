/**
 * What the main thread and the data thread say to each other.
 *
 *     main                               data
 *      │ ◀──────────── described ─────────┤  definition loaded, graph built
 *      ├── tables ─ restore* ─ go ──────▶ │  targets are locked; entries of the snapshot; open sinks and sources
 *      │ ◀──────────── running ───────────┤
 *      ├── checkpoint ──────────────────▶ │  barrier between two steps
 *      │ ◀──────────── chunk* ─ drained ──┤  buffers change hands, `buffer` gives them back
 *      ├── completed ───────────────────▶ │  fsynced and in the catalog
 *      │ ◀──────────── committed ─────────┤
 *      │ ◀──────────── ended ─────────────┤  end of input: asks for the final checkpoint
 *      ├── go-on (a stop that failed) ──▶ │  or
 *      ├── finish ──────────────────────▶ │
 *      │ ◀──────────── closed ────────────┤
 *
 * Invariants: one checkpoint at a time; at most MAX_CHUNKS_OUT chunks are with main; at most RESTORE_BYTES_OUT and
 * one payload of a restore are on their way, each acknowledged by `restored`.
 */
import type { ErrorRecord } from '../base/errors.js';
import type { LineageEntry, TransactionId } from '../graph/sink.js';
import type { Beginning } from '../runtime/dataflow.js';
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
  /** Of the snapshot the job was restored from; empty when it was not. */
  readonly lineage: readonly LineageEntry[];
  /**
   * `run`: process. `commit`: only finish the commits of the snapshot, then close. `probe`: only tell what the sink
   * targets hold beyond the lineage.
   */
  readonly mode: 'run' | 'commit' | 'probe';
  readonly where: SharedArrayBuffer;
  /** Milliseconds between two metrics messages. */
  readonly metricsEvery: number;
}

export interface OperatorFacts {
  readonly uid: string;
  readonly formerly: readonly string[];
  readonly kind: 'source' | 'process' | 'sink';
  readonly keyType: string | null;
}

/** A table, with the names its operator's state went by before. */
export interface TableFacts extends Table {
  readonly formerly: readonly string[];
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

export interface TableSizes {
  readonly entries: number;
  readonly bytes: number;
}

export type ToData =
  | { readonly type: 'restore'; readonly payload: Uint8Array; readonly entries: number }
  | { readonly type: 'tables'; readonly tables: readonly Table[] }
  | { readonly type: 'go'; readonly beginning: Beginning }
  | { readonly type: 'checkpoint'; readonly id: number; readonly last: boolean }
  | { readonly type: 'abort-checkpoint'; readonly id: number }
  | { readonly type: 'completed'; readonly id: number }
  | { readonly type: 'buffer'; readonly buffer: Uint8Array }
  | { readonly type: 'printed'; readonly id: number; readonly error: string | undefined }
  | { readonly type: 'go-on' }
  | { readonly type: 'finish' };

export type FromData =
  | { readonly type: 'described'; readonly facts: GraphFacts }
  | { readonly type: 'ahead'; readonly sinks: ReadonlyMap<string, readonly TransactionId[]> }
  | { readonly type: 'restored' }
  | { readonly type: 'running' }
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
      readonly longestSliceMs: number;
      readonly tables: readonly TableSizes[];
    }
  | { readonly type: 'committed'; readonly id: number }
  | { readonly type: 'ended'; readonly droppedTimers: number }
  | { readonly type: 'closed' }
  | { readonly type: 'failed'; readonly error: ErrorRecord }
  | { readonly type: 'print'; readonly id: number; readonly text: string }
  | { readonly type: 'log'; readonly text: string }
  | { readonly type: 'output'; readonly stream: 'stdout' | 'stderr'; readonly text: string }
  | { readonly type: 'metrics'; readonly metrics: AttemptMetrics };

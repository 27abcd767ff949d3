/** A snapshot in memory: what a test takes, restores elsewhere, and reads state from. */
import { ByteReader } from '../codec/reader.js';
import { type ChunkPool, type Entry, EntryWriter, readEntry } from '../format/entry.js';
import type { Dataflow } from '../runtime/dataflow.js';
import { keysOf } from '../runtime/entry-refused.js';
import type { Table } from '../runtime/tables.js';

const CHUNK_BYTES = 64 * 1024;

export interface TakenSnapshot {
  readonly checkpoint: number;
  /** Processing time at the barrier, milliseconds since 1970. */
  readonly barrierTime: number;
  readonly maxParallelism: number;
  readonly tables: readonly Table[];
  /** The sources whose positions are in what a test gave them, and not in what they read. */
  readonly inputs?: readonly string[];
  /** Whole entries, as in a segment's blocks. */
  readonly chunks: readonly { readonly payload: Buffer; readonly entries: number }[];
}

class MemoryPool implements ChunkPool {
  readonly chunks: { readonly payload: Buffer; readonly entries: number }[] = [];

  take(bytes: number): Buffer {
    return Buffer.allocUnsafeSlow(bytes);
  }

  full(chunk: Buffer, used: number, entries: number): void {
    this.chunks.push({ payload: chunk.subarray(0, used), entries });
  }
}

/** Cuts the dataflow, which stands between two steps, and writes all of it. */
export async function take(dataflow: Dataflow, checkpoint: number): Promise<TakenSnapshot> {
  const pool = new MemoryPool();
  const snapshot = dataflow.freeze(checkpoint, new EntryWriter(pool, CHUNK_BYTES));
  snapshot.slice(() => false);
  await snapshot.prepared;
  snapshot.finish();
  const { barrierTime } = snapshot;
  const { compiled } = dataflow;
  const tables = dataflow.tables.map((table) => ({
    ...table,
    keyType: keysOf(compiled.graph, table.operator)?.id ?? null,
  }));
  return { checkpoint, barrierTime, maxParallelism: compiled.maxParallelism, tables, chunks: pool.chunks };
}

/** All state but positions, watermarks and transactions, as it is now. No barrier: sinks do not hear of it. */
export function lookAt(dataflow: Dataflow): Iterable<Entry> {
  const pool = new MemoryPool();
  const out = new EntryWriter(pool, CHUNK_BYTES);
  dataflow.flush(out).slice(() => false);
  for (const states of dataflow.compiled.unkeyed.values()) states.write(out);
  out.flush();
  return entriesOf(pool);
}

/** Every entry, in the order written. */
export function* entriesOf({ chunks }: Pick<TakenSnapshot, 'chunks'>): Generator<Entry> {
  for (const { payload, entries } of chunks) {
    const reader = new ByteReader(payload);
    for (let i = 0; i < entries; i++) yield readEntry(reader);
  }
}

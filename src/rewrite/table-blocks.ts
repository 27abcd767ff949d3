/**
 * A snapshot's payloads as blocks of one table each, and how they are changed entry by entry.
 *
 * Invariants: a block holds whole entries of one table, at least one; what is expired at the barrier, and tables that
 * are not asked for, are left out; its payload is good until the next block is asked for.
 */
import { BytesDamaged } from '../codec/codec.js';
import { ByteWriter } from '../codec/writer.js';
import { EntryScan } from '../format/entry-scan.js';
import type { Payload } from '../store/sort-buffer.js';

export interface TableBlock extends Payload {
  readonly table: number;
}

/** `whole`: each payload is of one table already, without anything expired, as in canonical archives. */
export async function* tableBlocks(
  blocks: AsyncIterable<Payload>,
  wanted: (table: number) => boolean,
  expiredAt: number,
  whole: boolean,
): AsyncGenerator<TableBlock, void> {
  const scan = new EntryScan();
  for await (const block of blocks) {
    if (!whole) {
      for (const part of split(block.payload, wanted, BigInt(expiredAt))) yield part;
      continue;
    }
    scan.scan(block.payload, 0, block.payload.length);
    if (wanted(scan.table)) yield { table: scan.table, payload: block.payload, entries: block.entries };
  }
}

/** The parts of a payload by table, in the order in which the tables come. */
function split(payload: Buffer, wanted: (table: number) => boolean, expiredAt: bigint): TableBlock[] {
  const parts = new Map<number, { readonly out: ByteWriter; entries: number }>();
  const scan = new EntryScan();
  for (let at = 0; at < payload.length; at = scan.end) {
    scan.scan(payload, at, payload.length);
    if (!wanted(scan.table)) continue;
    if (scan.tombstone) throw new BytesDamaged('a tombstone', at);
    const stamp = scan.stamp(payload);
    if (stamp !== undefined && stamp <= expiredAt) continue;
    let part = parts.get(scan.table);
    if (part === undefined) {
      part = { out: new ByteWriter(payload.length - at), entries: 0 };
      parts.set(scan.table, part);
    }
    part.out.raw(payload.subarray(at, scan.end));
    part.entries++;
  }
  return [...parts].map(([table, { out, entries }]) => ({ table, payload: out.view(), entries }));
}

/** Collects the entries that a change of a block leaves. */
export class BlockBuilder {
  readonly out: ByteWriter;
  readonly #table: number;
  #entries = 0;

  constructor(table: number, bytes: number) {
    this.#table = table;
    this.out = new ByteWriter(bytes);
  }

  /** Takes an entry as it is. */
  keep(bytes: Buffer, from: number, end: number): void {
    this.out.raw(bytes.subarray(from, end));
    this.#entries++;
  }

  /** Begins an entry whose bytes from the identity on the caller writes to `out`. */
  begin(group: number): void {
    this.out.varint(this.#table);
    this.out.varint(group);
    this.#entries++;
  }

  /** Undefined where nothing is left. */
  block(): TableBlock | undefined {
    if (this.#entries === 0) return undefined;
    return { table: this.#table, payload: this.out.view(), entries: this.#entries };
  }
}

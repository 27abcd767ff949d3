/**
 * Makes what follows the blocks of a sorted segment - filter, index, stats - from the entries as they come; the writer
 * keeps it, a reader that goes front to back holds the file's against it. So the bytes follow from entries and cuts.
 *
 * Call order: for each block: `add` for each entry, then `endBlock`; `finish` at the end. Memory: the index, and one
 * filter page; pages go to `onPage` once they are full, in order.
 */
import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.js';
import { ByteWriter } from '../codec/writer.js';
import { FLAG } from './entry.js';
import type { SegmentTotals } from './segment-layout.js';
import { FILTER_LINE_BYTES, filterPage, keyHash, MAX_PAGE_KEYS } from './sorted-filter.js';
import {
  encodeStats,
  encodeTail,
  MAX_BLOCK_ENTRIES,
  MAX_GROUPS,
  MAX_SEPARATOR_BYTES,
  type SectionSizes,
  type TableStats,
} from './sorted-layout.js';

/** With more keys than this, a page has no room for another block. */
const FULL_PAGE_KEYS = MAX_PAGE_KEYS - MAX_BLOCK_ENTRIES;

/** The parts behind the filter. */
export interface FinishedSections {
  readonly index: Buffer;
  readonly stats: Buffer;
  readonly tail: Buffer;
  readonly sizes: SectionSizes;
  readonly tables: readonly TableStats[];
}

interface OpenStats {
  table: number;
  entries: number;
  tombstones: number;
  bytes: number;
}

export class SortedSections {
  readonly #onPage: (page: Buffer) => void;
  readonly #items = new ByteWriter(4096);
  readonly #pages = new ByteWriter(256);
  readonly #tables: OpenStats[] = [];
  #open: OpenStats = { table: -1, entries: 0, tombstones: 0, bytes: 0 };
  #filterBytes = 0;
  #pageCount = 0;
  readonly #hashes = new Uint32Array(MAX_PAGE_KEYS);
  #pageKeys = 0;
  #pageBlocks = 0;
  /** The block being made. */
  #blockEntries = 0;
  #blockTable = 0;
  #blockGroup = 0;
  readonly #separator = Buffer.alloc(MAX_SEPARATOR_BYTES);
  #separatorBytes = 0;
  /** The identity added last lies in `#last`. */
  #bucket = -1;
  #last: Uint8Array = Buffer.alloc(0);
  #lastAt = 0;
  #lastEnd = 0;

  constructor(onPage: (page: Buffer) => void) {
    this.#onPage = onPage;
  }

  /**
   * Takes note of an entry of `length` bytes with its identity at `bytes[from, to)`, followed by its flags; the bytes
   * must stay until the next `add` or `hold`. False, and nothing else, when it does not come after the one before.
   */
  add(table: number, group: number, bytes: Uint8Array, from: number, to: number, length: number): boolean {
    const bucket = table * MAX_GROUPS + group;
    let common = 0;
    if (bucket === this.#bucket) {
      common = this.#common(bytes, from, to);
      if (common < 0) return false;
    } else if (bucket < this.#bucket) return false;
    if (this.#blockEntries++ === 0) this.#beginBlock(table, group, bytes, from, to, common);
    this.#note(table, group, bytes, from, bucket === this.#bucket ? common : -1);
    if (table !== this.#open.table) this.#openTable(table);
    const stats = this.#open;
    stats.entries++;
    stats.bytes += length;
    if (((bytes[to] as number) & FLAG.tombstone) !== 0) stats.tombstones++;
    this.#bucket = bucket;
    this.#last = bytes;
    this.#lastAt = from;
    this.#lastEnd = to;
    return true;
  }

  /** To be called before the bytes of the entry added last change. */
  hold(): void {
    this.#last = Buffer.from(this.#last.subarray(this.#lastAt, this.#lastEnd));
    this.#lastEnd -= this.#lastAt;
    this.#lastAt = 0;
  }

  /** The entries since the last call are a block. */
  endBlock(payloadBytes: number): void {
    const out = this.#items;
    out.varint(payloadBytes);
    out.varint(this.#blockEntries);
    out.varint(this.#blockTable);
    out.varint(this.#blockGroup);
    out.varint(this.#separatorBytes);
    out.raw(this.#separator.subarray(0, this.#separatorBytes));
    this.#blockEntries = 0;
    this.#pageBlocks++;
    if (this.#pageKeys > FULL_PAGE_KEYS) this.#endPage();
  }

  /** `totals` are those of the blocks. */
  finish(totals: SegmentTotals): FinishedSections {
    assert(this.#blockEntries === 0, 'a block is open');
    if (this.#pageBlocks > 0) this.#endPage();
    const index = new ByteWriter(this.#items.position + this.#pages.position + 4);
    index.raw(this.#items.view());
    index.raw(this.#pages.view());
    index.u32(crc32(index.view()));
    const stats = encodeStats(this.#tables);
    const sizes = {
      pages: this.#pageCount,
      filterBytes: this.#filterBytes,
      indexBytes: index.position,
      statsBytes: stats.length,
    };
    return { index: index.view(), stats, tail: encodeTail(totals, sizes), sizes, tables: this.#tables };
  }

  /** How many bytes it has in common with the identity before, or -1 when it is not above it. */
  #common(bytes: Uint8Array, from: number, to: number): number {
    const last = this.#last;
    const lastAt = this.#lastAt;
    const most = Math.min(to - from, this.#lastEnd - lastAt);
    for (let i = 0; i < most; i++) {
      const difference = (bytes[from + i] as number) - (last[lastAt + i] as number);
      if (difference !== 0) return difference > 0 ? i : -1;
    }
    // No identity is the beginning of another: they are equal.
    return -1;
  }

  /** The separator is the shortest beginning that lies above the entry before, which is empty in a new key group. */
  #beginBlock(
    table: number,
    group: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    common: number,
  ): void {
    this.#blockTable = table;
    this.#blockGroup = group;
    const fresh = table * MAX_GROUPS + group !== this.#bucket;
    const length = fresh ? 0 : Math.min(common + 1, to - from, MAX_SEPARATOR_BYTES);
    this.#separator.set(bytes.subarray(from, from + length));
    this.#separatorBytes = length;
  }

  /** Adds the key to the filter page, unless it is there. `common` is -1 for the first of a key group. */
  #note(table: number, group: number, bytes: Uint8Array, from: number, common: number): void {
    let length = bytes[from] as number;
    let at = from + 1;
    if (length >= 0x80) {
      length &= 0x7f;
      for (let scale = 128; ; scale *= 128) {
        const byte = bytes[at++] as number;
        length += (byte & 0x7f) * scale;
        if (byte < 0x80) break;
      }
    }
    const end = at + length;
    if (common >= end - from && this.#pageKeys > 0) return;
    this.#hashes[this.#pageKeys++] = keyHash(table, group, bytes, at, end);
  }

  #openTable(table: number): void {
    this.#open = { table, entries: 0, tombstones: 0, bytes: 0 };
    this.#tables.push(this.#open);
  }

  #endPage(): void {
    const page = filterPage(this.#hashes, this.#pageKeys);
    this.#pages.varint(this.#pageBlocks);
    this.#pages.varint(page.length / FILTER_LINE_BYTES);
    this.#pages.u32(crc32(page));
    this.#filterBytes += page.length;
    this.#pageCount++;
    this.#pageKeys = 0;
    this.#pageBlocks = 0;
    this.#onPage(page);
  }
}

/**
 * The index of a sorted segment in memory: where its blocks and filter pages lie, and which may hold a key. Of each
 * block it takes 29 bytes beside its separator.
 *
 *     index (stored) := item{blocks} page{pages} crc32
 *     item  := varint payload bytes, varint entries, varint table, varint group, varint n, n bytes of separator
 *     page  := varint blocks, varint lines of 64 bytes, u32 crc32 of the page
 *
 * Table, group and separator of a block are not above those of its first entry, and above those of the entry before
 * it, unless the separator was cut to MAX_SEPARATOR_BYTES. A page has the keys of all entries of its blocks.
 *
 * To look up a key K of a table and key group, with P = varint length, K (see {@link keyPrefix}):
 *
 *     for (let block = index.seek(table, group, P, 0, P.length); index.mayHold(block, table, group, P, 0, P.length); block++)
 *       page index.pageOf[block], at pageAt, of pageBytes: `checkPage`, then `mayContain` with the key's `keyHash`
 *       block at blockAt, of blockBytes: `checkBlock`, then its entries with EntryScan from BLOCK_HEAD_BYTES on
 */
import { crc32 } from 'node:zlib';
import { BytesDamaged } from '../codec/codec.js';
import type { ByteReader } from '../codec/reader.js';
import { ByteWriter } from '../codec/writer.js';
import { MAX_TABLES } from './entry.js';
import { segmentCorrupt } from './segment-corrupt.js';
import {
  BLOCK_HEAD_BYTES,
  blockCrc,
  HEADER_BYTES,
  MAX_BLOCK_BYTES,
  MIN_ENTRY_BYTES,
} from './segment-layout.js';
import { FILTER_LINE_BYTES, MAX_PAGE_LINES } from './sorted-filter.js';
import {
  MAX_GROUPS,
  MAX_SEPARATOR_BYTES,
  SORTED_BLOCK_BYTES,
  type SortedTail,
  soundSection,
} from './sorted-layout.js';

const LEAST_ITEM_BYTES = 5;
const LEAST_PAGE_BYTES = 6;

export class RunIndex {
  readonly label: string;
  readonly blocks: number;
  readonly pages: number;
  /** By block: where its head begins in the file, head and payload together, and how many entries. */
  readonly blockAt: Float64Array;
  readonly blockBytes: Uint32Array;
  readonly entries: Uint32Array;
  /** By block: the filter page of its keys. */
  readonly pageOf: Uint32Array;
  /** By page. */
  readonly pageAt: Float64Array;
  readonly pageBytes: Uint32Array;
  readonly pageCrc: Uint32Array;
  /** The section; separators lie in it. */
  readonly #section: Buffer;
  /** By block: `table * MAX_GROUPS + group` of its first entry, and its separator. */
  readonly #bucket: Uint32Array;
  readonly #separatorAt: Uint32Array;
  readonly #separatorBytes: Uint16Array;

  /**
   * From the section of the file that the tail says; keeps it.
   * @throws TidemarkError SEGMENT_CORRUPT
   */
  constructor(section: Buffer, tail: SortedTail, label: string) {
    const from = soundSection(section, tail.indexAt, 'index', label);
    const { blocks, pages } = tail;
    if (blocks * LEAST_ITEM_BYTES + pages * LEAST_PAGE_BYTES > from.remaining)
      throw segmentCorrupt(label, tail.indexAt, `an index of ${section.length} bytes for ${blocks} blocks`);
    this.label = label;
    this.blocks = blocks;
    this.pages = pages;
    this.blockAt = new Float64Array(blocks);
    this.blockBytes = new Uint32Array(blocks);
    this.entries = new Uint32Array(blocks);
    this.pageOf = new Uint32Array(blocks);
    this.pageAt = new Float64Array(pages);
    this.pageBytes = new Uint32Array(pages);
    this.pageCrc = new Uint32Array(pages);
    this.#section = section;
    this.#bucket = new Uint32Array(blocks);
    this.#separatorAt = new Uint32Array(blocks);
    this.#separatorBytes = new Uint16Array(blocks);
    try {
      this.#readItems(from, tail);
      this.#readPages(from, tail);
      damaged(from.remaining > 0, 'bytes follow the index', from);
    } catch (error) {
      if (!(error instanceof BytesDamaged)) throw error;
      throw segmentCorrupt(label, tail.indexAt + error.offset, error.message);
    }
  }

  /** Bytes of memory it takes. */
  get memory(): number {
    return this.#section.length + 30 * this.blocks + 16 * this.pages;
  }

  /** Table of the block's first entry. */
  tableOf(block: number): number {
    return Math.floor((this.#bucket[block] ?? 0) / MAX_GROUPS);
  }

  /** Key group of the block's first entry. */
  groupOf(block: number): number {
    return (this.#bucket[block] ?? 0) % MAX_GROUPS;
  }

  /**
   * The first block that may hold an entry whose identity is `bytes[from, to)` or above: all of the blocks before it
   * have entries below only. The bytes may be the beginning of an identity, or none for the key group's first entry.
   * 0 in a segment without blocks.
   */
  seek(table: number, group: number, bytes: Uint8Array, from: number, to: number): number {
    const bucket = table * MAX_GROUPS + group;
    let low = 0;
    let high = this.blocks - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#surelyBelow(middle, bucket, bytes, from, to)) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /**
   * Whether the block may hold an entry whose identity begins with `bytes[from, to)`. To be asked of the block that
   * `seek` gives for these and, as long as it is true, of the next; false for `blocks`.
   */
  mayHold(block: number, table: number, group: number, bytes: Uint8Array, from: number, to: number): boolean {
    if (block >= this.blocks) return false;
    const bucket = table * MAX_GROUPS + group;
    const own = this.#bucket[block] as number;
    if (own !== bucket) return own < bucket;
    const start = this.#separatorAt[block] as number;
    const most = Math.min(this.#separatorBytes[block] as number, to - from);
    for (let i = 0; i < most; i++) {
      const difference = (this.#section[start + i] as number) - (bytes[from + i] as number);
      if (difference !== 0) return difference < 0;
    }
    return true;
  }

  /** The first block from `block` on for which `mayHold` is false; with an empty prefix, past the key group. */
  end(block: number, table: number, group: number, bytes: Uint8Array, from: number, to: number): number {
    let [low, high] = [block, this.blocks];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.mayHold(middle, table, group, bytes, from, to)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether all entries of the blocks before this are below; then those at or above are in this one or later. */
  #surelyBelow(block: number, bucket: number, bytes: Uint8Array, from: number, to: number): boolean {
    const own = this.#bucket[block] as number;
    if (own !== bucket) return own < bucket;
    const start = this.#separatorAt[block] as number;
    const length = this.#separatorBytes[block] as number;
    const most = Math.min(length, to - from);
    for (let i = 0; i < most; i++) {
      const difference = (this.#section[start + i] as number) - (bytes[from + i] as number);
      if (difference !== 0) return difference < 0;
    }
    // A separator that was cut may be where the entry before begins as well.
    return length <= to - from && length < MAX_SEPARATOR_BYTES;
  }

  #readItems(from: ByteReader, tail: SortedTail): void {
    let at = HEADER_BYTES;
    let entries = 0;
    for (let block = 0; block < this.blocks; block++) {
      const length = from.varint();
      const count = from.varint();
      damaged(length === 0 || length > MAX_BLOCK_BYTES, `a block of ${length} bytes`, from);
      damaged(count === 0 || count * MIN_ENTRY_BYTES > length, `${count} entries in ${length} bytes`, from);
      damaged(length > SORTED_BLOCK_BYTES && count > 1, `${count} entries in ${length} bytes`, from);
      const [table, group, separator] = [from.varint(), from.varint(), from.varint()];
      damaged(table >= MAX_TABLES, `table ${table}`, from);
      damaged(group >= MAX_GROUPS, `key group ${group}`, from);
      damaged(separator > MAX_SEPARATOR_BYTES, `a separator of ${separator} bytes`, from);
      this.blockAt[block] = at;
      this.blockBytes[block] = BLOCK_HEAD_BYTES + length;
      this.entries[block] = count;
      this.#bucket[block] = table * MAX_GROUPS + group;
      this.#separatorAt[block] = from.skip(separator);
      this.#separatorBytes[block] = separator;
      damaged(block > 0 && !this.#ascends(block), 'the index is not in order', from);
      at += BLOCK_HEAD_BYTES + length;
      entries += count;
    }
    const payloadBytes = at - HEADER_BYTES - this.blocks * BLOCK_HEAD_BYTES;
    damaged(payloadBytes !== tail.payloadBytes, 'the index is not that of the blocks', from);
    damaged(entries !== tail.entries, 'the index is not that of the entries', from);
  }

  #readPages(from: ByteReader, tail: SortedTail): void {
    let at = tail.filterAt;
    let block = 0;
    for (let page = 0; page < this.pages; page++) {
      const count = from.varint();
      const lines = from.varint();
      damaged(count === 0 || count > this.blocks - block, `a filter page of ${count} blocks`, from);
      damaged(lines === 0 || lines > MAX_PAGE_LINES, `a filter page of ${lines} lines`, from);
      this.pageAt[page] = at;
      this.pageBytes[page] = lines * FILTER_LINE_BYTES;
      this.pageCrc[page] = from.u32();
      this.pageOf.fill(page, block, block + count);
      block += count;
      at += lines * FILTER_LINE_BYTES;
    }
    damaged(block !== this.blocks, 'blocks without a filter', from);
    damaged(at !== tail.indexAt, 'the index is not that of the filter', from);
  }

  /** Whether the block's beginning is not below that of the block before. */
  #ascends(block: number): boolean {
    const own = this.#bucket[block] as number;
    const before = this.#bucket[block - 1] as number;
    if (own !== before) return own > before;
    const section = this.#section;
    const start = this.#separatorAt[block] as number;
    const last = this.#separatorAt[block - 1] as number;
    const length = this.#separatorBytes[block] as number;
    const lastLength = this.#separatorBytes[block - 1] as number;
    const most = Math.min(length, lastLength);
    // Separators are short, and blocks many: a call out of JavaScript for each would take most of the time.
    for (let i = 0; i < most; i++) {
      const difference = (section[start + i] as number) - (section[last + i] as number);
      if (difference !== 0) return difference > 0;
    }
    return length > lastLength || (length === lastLength && length === MAX_SEPARATOR_BYTES);
  }
}

function damaged(wrong: boolean, what: string, from: ByteReader): void {
  if (wrong) throw new BytesDamaged(what, from.position);
}

/** How the identities of all entries of a key begin: with its length and itself. */
export function keyPrefix(key: Uint8Array): Buffer {
  const out = new ByteWriter(key.length + 8);
  out.varint(key.length);
  out.raw(key);
  return out.view();
}

/**
 * Checks the bytes of a block, head and payload, that lie in `bytes` from `at` on.
 * @throws TidemarkError SEGMENT_CORRUPT
 */
export function checkBlock(bytes: Buffer, at: number, index: RunIndex, block: number): void {
  const length = index.blockBytes[block] as number;
  const head = bytes.subarray(at, at + BLOCK_HEAD_BYTES);
  const sound =
    bytes.length - at >= length &&
    head.readUInt32LE(0) === length - BLOCK_HEAD_BYTES &&
    head.readUInt32LE(4) === index.entries[block] &&
    head.readUInt32LE(8) === blockCrc(head, bytes.subarray(at + BLOCK_HEAD_BYTES, at + length));
  if (!sound)
    throw segmentCorrupt(index.label, index.blockAt[block] as number, 'the checksum of a block is wrong');
}

/**
 * Checks the bytes of a filter page.
 * @throws TidemarkError SEGMENT_CORRUPT
 */
export function checkPage(bytes: Buffer, index: RunIndex, page: number): void {
  if (bytes.length === index.pageBytes[page] && crc32(bytes) === index.pageCrc[page]) return;
  throw segmentCorrupt(index.label, index.pageAt[page] as number, 'the checksum of a filter page is wrong');
}

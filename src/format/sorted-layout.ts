/**
 * What a sorted segment has beside its blocks, and where. segment-layout.ts has header, blocks and trailer; FORMAT.md
 * has all the bytes. Pure and synchronous, for readers that look up a key as for those that read front to back.
 *
 *     sorted := header block* trailer page* index stats tail
 *                                              ▲           │
 *     A reader that looks up a key begins at the tail, 72 bytes at the end of the file, which says how long each
 *     part is; reads the index, which says where each block and filter page lies and has the pages' checksums; then
 *     at most a page and, if that does not rule the key out, the block, which has its own checksum.
 *
 *     tail (72)   0  4  magic 'TSRT'       32  8  filter bytes
 *                 4  4  0                  40  8  index bytes
 *                 8  8  blocks             48  8  stats bytes
 *                16  8  entries            56  8  filter pages
 *                24  8  payload bytes      64  4  0
 *                                          68  4  crc32 of bytes 0-67
 *
 * Invariants: every length is held against the file's and against a limit before anything is made for it; the parts
 * fill the file, so that none can be missing unseen.
 */
import { crc32 } from 'node:zlib';
import { BytesDamaged } from '../codec/codec.js';
import { ByteReader } from '../codec/reader.js';
import { ByteWriter } from '../codec/writer.js';
import { MAX_TABLES } from './entry.js';
import { segmentCorrupt } from './segment-corrupt.js';
import {
  BLOCK_HEAD_BYTES,
  HEADER_BYTES,
  MIN_ENTRY_BYTES,
  type SegmentTotals,
  TRAILER_BYTES,
} from './segment-layout.js';

export const TAIL_BYTES = 72;
/** The longest payload of a block with more than one entry. */
export const SORTED_BLOCK_BYTES = 4096;
/** The most entries a block can have. */
export const MAX_BLOCK_ENTRIES = Math.floor(SORTED_BLOCK_BYTES / MIN_ENTRY_BYTES);
/** Separators are cut to this, so that the index stays small beside the blocks whatever the keys are. */
export const MAX_SEPARATOR_BYTES = 256;
export const MAX_INDEX_BYTES = 1024 * 1024 * 1024;
export const CRC_BYTES = 4;
/** Key groups in a table, at most; `table * MAX_GROUPS + group` orders entries before their identity does. */
export const MAX_GROUPS = 32_768;

const TAIL_MAGIC = Buffer.from('TSRT', 'latin1');
/** Four varints: below 2^16, and thrice up to 2^53−1. */
const MAX_TABLE_STATS_BYTES = 3 + 3 * 8;
const MAX_STATS_BYTES = MAX_TABLES * MAX_TABLE_STATS_BYTES + CRC_BYTES;

/** What the tail says, and what follows from it. Offsets count from the beginning of the file. */
export interface SortedTail extends SegmentTotals {
  readonly pages: number;
  readonly filterAt: number;
  readonly filterBytes: number;
  readonly indexAt: number;
  readonly indexBytes: number;
  readonly statsAt: number;
  readonly statsBytes: number;
}

/** What a sorted segment has of one table. */
export interface TableStats {
  readonly table: number;
  /** Tombstones included. */
  readonly entries: number;
  readonly tombstones: number;
  /** Of these entries. */
  readonly bytes: number;
}

export interface SectionSizes {
  readonly pages: number;
  readonly filterBytes: number;
  readonly indexBytes: number;
  readonly statsBytes: number;
}

export function encodeTail(totals: SegmentTotals, sizes: SectionSizes): Buffer {
  const tail = Buffer.alloc(TAIL_BYTES);
  TAIL_MAGIC.copy(tail, 0);
  const { blocks, entries, payloadBytes } = totals;
  const { pages, filterBytes, indexBytes, statsBytes } = sizes;
  const numbers = [blocks, entries, payloadBytes, filterBytes, indexBytes, statsBytes, pages];
  for (const [i, number] of numbers.entries()) tail.writeBigUInt64LE(BigInt(number), 8 + 8 * i);
  tail.writeUInt32LE(crc32(tail.subarray(0, TAIL_BYTES - CRC_BYTES)), TAIL_BYTES - CRC_BYTES);
  return tail;
}

/**
 * From the last {@link TAIL_BYTES} bytes of a sorted segment of `size` bytes. The caller has checked the header.
 * @throws TidemarkError SEGMENT_CORRUPT
 */
export function decodeTail(tail: Buffer, size: number, label: string): SortedTail {
  const at = Math.max(0, size - TAIL_BYTES);
  const sound =
    tail.length === TAIL_BYTES &&
    tail.subarray(0, 4).equals(TAIL_MAGIC) &&
    tail.readUInt32LE(TAIL_BYTES - CRC_BYTES) === crc32(tail.subarray(0, TAIL_BYTES - CRC_BYTES)) &&
    tail.readUInt32LE(4) === 0 &&
    tail.readUInt32LE(64) === 0;
  if (!sound) throw segmentCorrupt(label, at, 'the tail is damaged');
  const number = (offset: number) => Number(tail.readBigUInt64LE(offset));
  const [blocks, entries, payloadBytes] = [number(8), number(16), number(24)];
  const [filterBytes, indexBytes, statsBytes, pages] = [number(32), number(40), number(48), number(56)];
  const filterAt = HEADER_BYTES + blocks * BLOCK_HEAD_BYTES + payloadBytes + TRAILER_BYTES;
  const [indexAt, statsAt] = [filterAt + filterBytes, filterAt + filterBytes + indexBytes];
  // All are at least 0, so that none can be beyond the file once their sum is not.
  if (statsAt + statsBytes !== at) throw segmentCorrupt(label, at, 'the parts do not fill the file');
  if (indexBytes > MAX_INDEX_BYTES) throw segmentCorrupt(label, at, `an index of ${indexBytes} bytes`);
  if (statsBytes > MAX_STATS_BYTES) throw segmentCorrupt(label, at, `stats of ${statsBytes} bytes`);
  return {
    blocks,
    entries,
    payloadBytes,
    pages,
    filterAt,
    filterBytes,
    indexAt,
    indexBytes,
    statsAt,
    statsBytes,
  };
}

/** Tables ascending. */
export function encodeStats(tables: readonly TableStats[]): Buffer {
  const out = new ByteWriter();
  for (const { table, entries, tombstones, bytes } of tables) {
    out.varint(table);
    out.varint(entries);
    out.varint(tombstones);
    out.varint(bytes);
  }
  out.u32(crc32(out.view()));
  return out.copy();
}

/** @throws TidemarkError SEGMENT_CORRUPT, also when they are not those of a segment with such a tail. */
export function decodeStats(section: Buffer, tail: SortedTail, label: string): TableStats[] {
  const from = soundSection(section, tail.statsAt, 'stats', label);
  const tables: TableStats[] = [];
  let [entries, bytes, last] = [0, 0, -1];
  try {
    while (from.remaining > 0) {
      const table = from.varint();
      const found = { table, entries: from.varint(), tombstones: from.varint(), bytes: from.varint() };
      const sane =
        table > last && table < MAX_TABLES && found.entries > 0 && found.tombstones <= found.entries;
      if (!sane) throw new BytesDamaged(`the stats of table ${table}`, from.position);
      last = table;
      entries += found.entries;
      bytes += found.bytes;
      tables.push(found);
    }
  } catch (error) {
    if (!(error instanceof BytesDamaged)) throw error;
    throw segmentCorrupt(label, tail.statsAt + error.offset, error.message);
  }
  if (entries !== tail.entries || bytes !== tail.payloadBytes)
    throw segmentCorrupt(label, tail.statsAt, 'the stats are not those of the blocks');
  return tables;
}

/** A reader of what goes before the checksum that ends every section. */
export function soundSection(section: Buffer, at: number, what: string, label: string): ByteReader {
  const end = section.length - CRC_BYTES;
  if (end < 0 || section.readUInt32LE(end) !== crc32(section.subarray(0, end)))
    throw segmentCorrupt(label, at, `the ${what} is damaged`);
  return new ByteReader(section, 0, end);
}

/**
 * The bytes of a segment, an immutable file of entries (entry.ts). FORMAT.md has them too. Little-endian.
 *
 *     segment := header block* trailer
 *
 *     header   0  8  magic 'TMSEG\r\n\x1a'      block   0  4  payload length, at least 1
 *     (20)     8  2  format version              (12+)  4  4  entries, at least 1
 *             10  2  flags, 0                           8  4  crc32 of bytes 0-7, then payload
 *             12  4  reserved, 0                       12     payload: whole entries
 *             16  4  crc32 of bytes 0-15
 *                                                trailer 0  4  0, which no block begins with
 *                                                (36)    4  4  magic 'TEND'
 *                                                        8  8  blocks
 *                                                       16  8  entries
 *                                                       24  8  payload bytes
 *                                                       32  4  crc32 of bytes 0-31
 *
 * Invariants: every byte is covered by a checksum; nothing follows the trailer, unless the flags say that the segment
 * is sorted (sorted-layout.ts); a file without a trailer is incomplete. Every future version keeps the header's layout, so that an older reader can say "newer".
 */
import { crc32 } from 'node:zlib';
import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from './entry.js';

export const SEGMENT_VERSION = 1;
/** Bits of the header's flags. */
export const SEGMENT_FLAG = { sorted: 1 } as const;
export const HEADER_BYTES = 20;
export const BLOCK_HEAD_BYTES = 12;
export const TRAILER_BYTES = 36;
/** The longest payload of a block: room for one entry of the greatest size. */
export const MAX_BLOCK_BYTES = MAX_VALUE_BYTES + 4 * MAX_KEY_BYTES;
/** The shortest entry there is; bounds how many a block may claim. */
export const MIN_ENTRY_BYTES = 7;

const MAGIC = Buffer.from('TMSEG\r\n\x1a', 'latin1');
const END_MAGIC = Buffer.from('TEND', 'latin1');

export interface SegmentTotals {
  readonly blocks: number;
  readonly entries: number;
  readonly payloadBytes: number;
}

export interface BlockHead {
  readonly length: number;
  readonly entries: number;
  readonly crc: number;
}

export function encodeHeader(flags = 0): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header, 0);
  header.writeUInt16LE(SEGMENT_VERSION, 8);
  header.writeUInt16LE(flags, 10);
  header.writeUInt32LE(crc32(header.subarray(0, 16)), 16);
  return header;
}

export function encodeBlockHead(payload: Uint8Array, entries: number): Buffer {
  const head = Buffer.alloc(BLOCK_HEAD_BYTES);
  head.writeUInt32LE(payload.length, 0);
  head.writeUInt32LE(entries, 4);
  head.writeUInt32LE(blockCrc(head, payload), 8);
  return head;
}

export function encodeTrailer(totals: SegmentTotals): Buffer {
  const trailer = Buffer.alloc(TRAILER_BYTES);
  END_MAGIC.copy(trailer, 4);
  trailer.writeBigUInt64LE(BigInt(totals.blocks), 8);
  trailer.writeBigUInt64LE(BigInt(totals.entries), 16);
  trailer.writeBigUInt64LE(BigInt(totals.payloadBytes), 24);
  trailer.writeUInt32LE(crc32(trailer.subarray(0, 32)), 32);
  return trailer;
}

/** What is wrong with a header; undefined when nothing is. `newer` is sound but of a later version. */
export function checkHeader(header: Buffer): 'not a segment' | 'header damaged' | 'newer' | undefined {
  if (!header.subarray(0, MAGIC.length).equals(MAGIC)) return 'not a segment';
  if (header.readUInt32LE(16) !== crc32(header.subarray(0, 16))) return 'header damaged';
  if (header.readUInt16LE(8) > SEGMENT_VERSION) return 'newer';
  const sound =
    header.readUInt16LE(8) === SEGMENT_VERSION &&
    (header.readUInt16LE(10) & ~SEGMENT_FLAG.sorted) === 0 &&
    header.readUInt32LE(12) === 0;
  return sound ? undefined : 'header damaged';
}

/** Whether a header with which nothing is wrong is that of a sorted segment. */
export function isSorted(header: Buffer): boolean {
  return (header.readUInt16LE(10) & SEGMENT_FLAG.sorted) !== 0;
}

/** The head of a block, or undefined where the trailer begins. Nothing of it is checked yet. */
export function decodeBlockHead(head: Buffer): BlockHead | undefined {
  const length = head.readUInt32LE(0);
  if (length === 0) return undefined;
  return { length, entries: head.readUInt32LE(4), crc: head.readUInt32LE(8) };
}

/** Over the head's first 8 bytes and the payload, so that a changed count is found with its block. */
export function blockCrc(head: Buffer, payload: Uint8Array): number {
  return crc32(payload, crc32(head.subarray(0, 8)));
}

/** The totals, or undefined when the trailer is not sound. */
export function decodeTrailer(trailer: Buffer): SegmentTotals | undefined {
  const sound =
    trailer.readUInt32LE(0) === 0 &&
    trailer.subarray(4, 8).equals(END_MAGIC) &&
    trailer.readUInt32LE(32) === crc32(trailer.subarray(0, 32));
  if (!sound) return undefined;
  return {
    blocks: Number(trailer.readBigUInt64LE(8)),
    entries: Number(trailer.readBigUInt64LE(16)),
    payloadBytes: Number(trailer.readBigUInt64LE(24)),
  };
}

/** Makes a segment's bytes and keeps its totals. Call order: `header`, `block` for each, `trailer`. */
export class SegmentEncoder {
  #blocks = 0;
  #entries = 0;
  #payloadBytes = 0;

  get totals(): SegmentTotals {
    return { blocks: this.#blocks, entries: this.#entries, payloadBytes: this.#payloadBytes };
  }

  header(flags = 0): Buffer {
    return encodeHeader(flags);
  }

  /** The head that goes before this payload. */
  block(payload: Uint8Array, entries: number): Buffer {
    this.#blocks++;
    this.#entries += entries;
    this.#payloadBytes += payload.length;
    return encodeBlockHead(payload, entries);
  }

  trailer(): Buffer {
    return encodeTrailer(this.totals);
  }
}

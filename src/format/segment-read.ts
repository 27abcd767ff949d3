/**
 * Reads a segment front to back, believing nothing: lengths are held against limits and against what is left of
 * the file before anything is allocated, and no block is given out before its checksum was right. Of a sorted segment
 * it checks the order of the entries too, and all that follows the blocks.
 */
import { TidemarkError } from '../base/errors.js';
import { BytesDamaged } from '../codec/codec.js';
import { ByteReader } from '../codec/reader.js';
import { type Entry, readEntry } from './entry.js';
import { segmentCorrupt } from './segment-corrupt.js';
import {
  BLOCK_HEAD_BYTES,
  type BlockHead,
  blockCrc,
  checkHeader,
  decodeBlockHead,
  decodeTrailer,
  HEADER_BYTES,
  isSorted,
  MAX_BLOCK_BYTES,
  MIN_ENTRY_BYTES,
  SEGMENT_VERSION,
  type SegmentTotals,
  TRAILER_BYTES,
} from './segment-layout.js';
import { SortedVerifier } from './sorted-verify.js';

/** What one read of a sorted segment takes, and more only for a larger block. */
const AHEAD_BYTES = 256 * 1024;

export { segmentCorrupt } from './segment-corrupt.js';

/** Reads up to `into.length` bytes at `offset`; 0 means the end. Is asked for every byte once, in order. */
export type ReadAt = (into: Uint8Array, offset: number) => Promise<number>;

export interface SegmentBlock {
  /** Whole entries. The reader keeps no hold of it. */
  readonly payload: Buffer;
  readonly entries: number;
  /** Where the payload lies in the file. */
  readonly offset: number;
}

/**
 * Gives the blocks in order; returns the totals once the end was right and nothing follows it. With `reuse`, a
 * payload is valid only until the next block is asked for.
 * @throws TidemarkError SEGMENT_CORRUPT with the label and the offset; FORMAT_NEWER.
 */
export async function* readSegment(
  source: ReadAt,
  size: number,
  label: string,
  reuse = false,
): AsyncGenerator<SegmentBlock, SegmentTotals> {
  const header = await fill(source, Buffer.alloc(HEADER_BYTES), 0, label);
  checkFound(header, label);
  const sorted = isSorted(header) ? new SortedVerifier(label) : undefined;
  // The blocks of a sorted one are small.
  const read = sorted === undefined ? source : readAhead(source);
  const seen = { blocks: 0, entries: 0, payloadBytes: 0 };
  const head = Buffer.alloc(BLOCK_HEAD_BYTES);
  let room = Buffer.alloc(0);
  for (let at = HEADER_BYTES; ; ) {
    await fill(read, head, at, label);
    const block = decodeBlockHead(head);
    if (block === undefined) {
      await readTrailer(read, head, at, seen, label);
      const rest = at + TRAILER_BYTES;
      const end = (await sorted?.rest((into, from) => fill(read, into, from, label), rest, seen)) ?? rest;
      if (end !== size) throw segmentCorrupt(label, end, 'bytes follow the end');
      return seen;
    }
    checkClaims(block, at, size, label);
    const offset = at + BLOCK_HEAD_BYTES;
    if (!reuse || room.length < block.length) room = Buffer.allocUnsafeSlow(block.length);
    const payload = await fill(read, room.subarray(0, block.length), offset, label);
    if (blockCrc(head, payload) !== block.crc)
      throw segmentCorrupt(label, at, 'the checksum of a block is wrong');
    sorted?.block(payload, block.entries, offset);
    yield { payload, entries: block.entries, offset };
    seen.blocks++;
    seen.entries += block.entries;
    seen.payloadBytes += block.length;
    at = offset + block.length;
  }
}

/** The entries of a block, which may be iterated while its payload lives. */
export function* entriesOf(block: SegmentBlock, label: string): Generator<Entry> {
  const from = new ByteReader(block.payload);
  let count = 0;
  try {
    for (; from.remaining > 0; count++) yield readEntry(from);
  } catch (error) {
    if (!(error instanceof BytesDamaged)) throw error;
    throw segmentCorrupt(label, block.offset + error.offset, error.message);
  }
  if (count !== block.entries)
    throw segmentCorrupt(label, block.offset, `${block.entries} entries expected, ${count} found`);
}

/**
 * Refuses what is no header of a segment this version can read.
 * @throws TidemarkError SEGMENT_CORRUPT; FORMAT_NEWER.
 */
export function checkFound(header: Buffer, label: string): void {
  const wrong = checkHeader(header);
  if (wrong === undefined) return;
  if (wrong !== 'newer') throw segmentCorrupt(label, 0, wrong);
  const message = `${label} has format version ${header.readUInt16LE(8)}, this tidemark reads up to ${SEGMENT_VERSION}`;
  throw new TidemarkError('FORMAT_NEWER', message, {
    hint: 'use the tidemark that wrote it, or a newer one',
  });
}

function checkClaims(block: BlockHead, at: number, size: number, label: string): void {
  const { length, entries } = block;
  if (length > MAX_BLOCK_BYTES)
    throw segmentCorrupt(label, at, `a block of ${length} bytes is over the limit of ${MAX_BLOCK_BYTES}`);
  const left = size - at - BLOCK_HEAD_BYTES - TRAILER_BYTES;
  if (length > left) throw segmentCorrupt(label, at, `a block of ${length} bytes where ${left} are left`);
  if (entries === 0 || entries * MIN_ENTRY_BYTES > length)
    throw segmentCorrupt(label, at, `${entries} entries in ${length} bytes`);
}

/** `head` is the beginning of the trailer, already read. */
async function readTrailer(
  read: ReadAt,
  head: Buffer,
  at: number,
  seen: SegmentTotals,
  label: string,
): Promise<void> {
  const rest = Buffer.alloc(TRAILER_BYTES - BLOCK_HEAD_BYTES);
  await fill(read, rest, at + BLOCK_HEAD_BYTES, label);
  const totals = decodeTrailer(Buffer.concat([head, rest]));
  if (totals === undefined) throw segmentCorrupt(label, at, 'the trailer is damaged');
  for (const name of ['blocks', 'entries', 'payloadBytes'] as const) {
    if (totals[name] !== seen[name])
      throw segmentCorrupt(label, at, `${totals[name]} ${name} expected, ${seen[name]} found`);
  }
}

/** Reads more than it is asked for, and keeps it. */
function readAhead(read: ReadAt): ReadAt {
  const room = Buffer.allocUnsafeSlow(AHEAD_BYTES);
  let [at, used] = [0, 0];
  return async (into, offset) => {
    if (at === used) {
      if (into.length >= room.length) return await read(into, offset);
      [at, used] = [0, await read(room, offset)];
    }
    const count = room.copy(into, 0, at, used);
    at += count;
    return count;
  };
}

async function fill(read: ReadAt, into: Buffer, offset: number, label: string): Promise<Buffer> {
  for (let at = 0; at < into.length; ) {
    const count = await read(into.subarray(at), offset + at);
    if (count === 0) throw segmentCorrupt(label, offset + at, 'the file ends too early');
    at += count;
  }
  return into;
}

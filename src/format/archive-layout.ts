/**
 * The bytes of a canonical data member: one table, cut into blocks of one key group each, with an index of two
 * levels, so that one key costs one slot, one list and one block. FORMAT.md has them too. Little-endian.
 *
 *     member    := group* directory
 *     group     := block* list                 groups ascending; those without entries are absent
 *     block     := raw deflate of whole entries, or the entries themselves when that is not shorter
 *     list      := item* crc32
 *     directory := slot*                       one for each key group, also for those without entries
 *
 *     item   0  4  stored bytes                slot   0  8  offset of its first block in the member
 *            4  4  bytes of entries           (80)    8  8  stored bytes of its blocks; its list follows them
 *            8  4  entries                           16  4  blocks
 *           12  4  crc32 of the stored bytes         20  4  bytes of its list
 *           16  1  method: 0 stored, 1 deflate       24  8  entries
 *           17     varint length, separator          32  8  bytes of entries
 *                                                    40 32  leaf of the digest
 *                                                    72  4  0
 *                                                    76  4  crc32 of bytes 0-75
 *
 * Entries are in the order of their identity bytes (entry-scan.ts), each once. A separator is the shortest prefix
 * of the block's first identity that lies above the last of the block before; empty for a group's first.
 */
import { crc32 } from 'node:zlib';
import { BytesDamaged } from '../codec/codec.js';
import { ByteReader } from '../codec/reader.js';
import type { ByteWriter } from '../codec/writer.js';
import { MAX_BLOCK_BYTES } from './segment-layout.js';

/** What a block holds at most, unless it is one entry. */
export const BLOCK_BYTES = 64 * 1024;
export const SLOT_BYTES = 80;
export const METHOD = { stored: 0, deflate: 1 } as const;
/** The longest list of one key group's blocks. */
export const MAX_LIST_BYTES = 64 * 1024 * 1024;
/** The most that deflate can shrink anything by. */
export const MAX_DEFLATE_RATIO = 1032;
const ITEM_BYTES = 17;
const CRC_BYTES = 4;
const LEAF_BYTES = 32;

/** What stands for a key group without entries: zeros and their checksum. */
const EMPTY_SLOT = Buffer.alloc(SLOT_BYTES);
EMPTY_SLOT.writeUInt32LE(crc32(EMPTY_SLOT.subarray(0, SLOT_BYTES - CRC_BYTES)), SLOT_BYTES - CRC_BYTES);

export interface Slot {
  readonly offset: number;
  readonly stored: number;
  readonly blocks: number;
  readonly listBytes: number;
  readonly entries: number;
  readonly bytes: number;
  readonly leaf: Buffer;
}

export interface BlockItem {
  readonly stored: number;
  readonly bytes: number;
  readonly entries: number;
  readonly crc: number;
  readonly method: number;
  readonly separator: Buffer;
}

export function encodeSlot(slot: Slot, into: Buffer, at: number): void {
  into.writeBigUInt64LE(BigInt(slot.offset), at);
  into.writeBigUInt64LE(BigInt(slot.stored), at + 8);
  into.writeUInt32LE(slot.blocks, at + 16);
  into.writeUInt32LE(slot.listBytes, at + 20);
  into.writeBigUInt64LE(BigInt(slot.entries), at + 24);
  into.writeBigUInt64LE(BigInt(slot.bytes), at + 32);
  slot.leaf.copy(into, at + 40);
  into.writeUInt32LE(0, at + 72);
  into.writeUInt32LE(crc32(into.subarray(at, at + 76)), at + 76);
}

/** A directory of `slots` slots, all of them without entries. */
export function emptyDirectory(slots: number): Buffer {
  return Buffer.alloc(slots * SLOT_BYTES, EMPTY_SLOT);
}

/**
 * One slot; undefined for a group without entries. `dataBytes` is where the directory begins in the member.
 * Throws {@link BytesDamaged}, with the offset in `from`.
 */
export function decodeSlot(from: Buffer, at: number, dataBytes: number): Slot | undefined {
  if (from.compare(EMPTY_SLOT, 0, SLOT_BYTES, at, at + SLOT_BYTES) === 0) return undefined;
  if (from.readUInt32LE(at + 76) !== crc32(from.subarray(at, at + 76)))
    throw new BytesDamaged('the checksum of a slot of the directory is wrong', at);
  const [offset, stored, entries, bytes] = [0, 8, 24, 32].map((field) =>
    Number(from.readBigUInt64LE(at + field)),
  ) as [number, number, number, number];
  const slot: Slot = {
    offset,
    stored,
    blocks: from.readUInt32LE(at + 16),
    listBytes: from.readUInt32LE(at + 20),
    entries,
    bytes,
    leaf: Buffer.from(from.subarray(at + 40, at + 40 + LEAF_BYTES)),
  };
  const wrong =
    slotContradiction(slot, dataBytes) ?? (from.readUInt32LE(at + 72) === 0 ? undefined : 'no zero');
  if (wrong !== undefined) throw new BytesDamaged(`a slot of the directory: ${wrong}`, at);
  return slot;
}

function slotContradiction(slot: Slot, dataBytes: number): string | undefined {
  const { offset, stored, blocks, listBytes, entries, bytes } = slot;
  if (blocks === 0 || entries < blocks || bytes < entries || stored === 0)
    return `${entries} entries of ${bytes} bytes in ${blocks} blocks of ${stored} bytes`;
  if (listBytes > MAX_LIST_BYTES)
    return `a list of ${listBytes} bytes is over the limit of ${MAX_LIST_BYTES}`;
  if (listBytes < CRC_BYTES + blocks * (ITEM_BYTES + 1))
    return `${blocks} blocks in a list of ${listBytes} bytes`;
  if (offset + stored + listBytes > dataBytes)
    return `bytes ${offset} to ${offset + stored + listBytes} of ${dataBytes}`;
  return undefined;
}

export function encodeItem(item: BlockItem, out: ByteWriter): void {
  out.u32(item.stored);
  out.u32(item.bytes);
  out.u32(item.entries);
  out.u32(item.crc);
  out.u8(item.method);
  out.varint(item.separator.length);
  out.raw(item.separator);
}

/** Ends a list with its checksum. */
export function encodeListEnd(out: ByteWriter): void {
  out.u32(crc32(out.view()));
}

/** A group's list, held against its slot. Throws {@link BytesDamaged}, with the offset in `list`. */
export function decodeList(list: Buffer, slot: Slot): BlockItem[] {
  const end = list.length - CRC_BYTES;
  if (list.readUInt32LE(end) !== crc32(list.subarray(0, end)))
    throw new BytesDamaged('the checksum of a list of blocks is wrong', 0);
  const from = new ByteReader(list, 0, end);
  const items: BlockItem[] = [];
  let previous: Buffer | undefined;
  while (from.remaining > 0) {
    const at = from.position;
    const item = readItem(from);
    const wrong = itemContradiction(item, previous);
    if (wrong !== undefined) throw new BytesDamaged(`a list of blocks: ${wrong}`, at);
    previous = item.separator;
    items.push(item);
  }
  const sums = [items.length, sumOf(items, 'stored'), sumOf(items, 'entries'), sumOf(items, 'bytes')];
  const claimed = [slot.blocks, slot.stored, slot.entries, slot.bytes];
  if (sums.some((sum, i) => sum !== claimed[i]))
    throw new BytesDamaged(`a list of blocks adds up to ${sums}, its slot says ${claimed}`, 0);
  return items;
}

function readItem(from: ByteReader): BlockItem {
  return {
    stored: from.u32(),
    bytes: from.u32(),
    entries: from.u32(),
    crc: from.u32(),
    method: from.u8(),
    separator: from.raw(from.varint()),
  };
}

function itemContradiction(item: BlockItem, previous: Buffer | undefined): string | undefined {
  const { stored, bytes, entries, method, separator } = item;
  if (entries === 0 || bytes < entries || stored === 0) return `${entries} entries in ${bytes} bytes`;
  if (bytes > MAX_BLOCK_BYTES || (bytes > BLOCK_BYTES && entries > 1))
    return `a block of ${bytes} bytes and ${entries} entries is over the limit of ${BLOCK_BYTES}`;
  if (method === METHOD.stored ? stored !== bytes : method !== METHOD.deflate || stored >= bytes)
    return `${bytes} bytes stored as ${stored} by method ${method}`;
  if (bytes > stored * MAX_DEFLATE_RATIO) return `${stored} bytes cannot unfold to ${bytes}`;
  if (previous === undefined ? separator.length > 0 : Buffer.compare(previous, separator) >= 0)
    return 'separators are out of order';
  return undefined;
}

function sumOf(items: readonly BlockItem[], field: 'stored' | 'entries' | 'bytes'): number {
  return items.reduce((sum, item) => sum + item[field], 0);
}

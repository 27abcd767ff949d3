/** Entries as data, runs made of them in memory, and an oracle of what is in them. */
import { crc32 } from 'node:zlib';
import { seededRandom } from '../../src/base/random.js';
import { ByteWriter } from '../../src/codec/writer.js';
import { EntryScan } from '../../src/format/entry-scan.js';
import type { RunCursor } from '../../src/store/run-cursor.js';
import type { RunSource } from '../../src/store/run-source.js';
import { RunWriter, type WrittenRun } from '../../src/store/run-writer.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import fc from '../helpers/property.js';

export interface Item {
  readonly table: number;
  readonly group: number;
  readonly key: Buffer;
  readonly mapKey?: Buffer;
  readonly stamp?: bigint;
  /** Undefined in a tombstone. */
  readonly value: Buffer | undefined;
}

export function encodeItem(item: Item): Buffer {
  const out = new ByteWriter();
  out.varint(item.table);
  out.varint(item.group);
  out.raw(identityOf(item));
  if (item.value === undefined) out.u8(2);
  else if (item.stamp === undefined) out.u8(0);
  else {
    out.u8(1);
    out.i64(item.stamp);
  }
  out.varint(item.value?.length ?? 0);
  out.raw(item.value ?? Buffer.alloc(0));
  return out.copy();
}

export function identityOf({ key, mapKey = Buffer.alloc(0) }: Item): Buffer {
  const out = new ByteWriter(key.length + 32);
  out.varint(key.length);
  out.raw(key);
  out.u8(0);
  out.varint(mapKey.length);
  out.raw(mapKey);
  return out.copy();
}

/** In order, each identity once. */
export function sortedItems(items: readonly Item[]): Item[] {
  const found = new Map<string, Item>();
  const keyed = items.map((item) => ({
    item,
    id: `${digits(item.table)}${digits(item.group)}${identityOf(item).toString('hex')}`,
  }));
  for (const { item, id } of keyed.toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)))
    if (!found.has(id)) found.set(id, item);
  return [...found.values()];
}

const digits = (number: number): string => String(number).padStart(6, '0');

export interface MadeRun {
  readonly disk: FaultyDisk;
  readonly written: WrittenRun;
  readonly bytes: Buffer;
}

/** Writes the items, which are in order, to `/s`. */
export async function makeRun(items: readonly Item[]): Promise<MadeRun> {
  const disk = new FaultyDisk();
  await disk.mkdir('/s');
  const written = await writeItems(disk, items);
  return { disk, written, bytes: disk.peek(`/s/${written.name}.seg`) ?? Buffer.alloc(0) };
}

export async function writeItems(
  disk: FaultyDisk,
  items: readonly Item[],
  register: Parameters<RunWriter['finish']>[0] = () => undefined,
): Promise<WrittenRun> {
  const writer = await RunWriter.create(disk, '/s', seededRandom(1));
  try {
    const scan = new EntryScan();
    for (const item of items) {
      // Behind other bytes, as entries lie in a chunk.
      const bytes = Buffer.concat([Buffer.from('xyz'), encodeItem(item)]);
      scan.scan(bytes, 3, bytes.length);
      writer.entry(bytes, scan, 3);
      bytes.fill(0xee);
      if (writer.crowded) await writer.room();
    }
    return await writer.finish(register);
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** A source of these bytes that reads at most so many at once; `largest` is the most it was asked for. */
export function sourceOf(bytes: Buffer, most = Number.POSITIVE_INFINITY): RunSource & { largest: number } {
  const source = {
    bytes: bytes.length,
    label: 'segment x',
    largest: 0,
    read: async (into: Uint8Array, offset: number) => {
      source.largest = Math.max(source.largest, into.length);
      const part = into.subarray(0, Math.min(into.length, most));
      return bytes.copy(part, 0, Math.min(offset, bytes.length));
    },
    close: async () => undefined,
  };
  return source;
}

/** All entries of a cursor, as hex. */
export async function entriesOfCursor(cursor: RunCursor): Promise<string[]> {
  const found: string[] = [];
  while (cursor.advance() || (await cursor.load()))
    found.push(cursor.bytes.toString('hex', cursor.at, cursor.scan.end));
  return found;
}

export const hexOf = (items: readonly Item[]): string[] =>
  items.map((item) => encodeItem(item).toString('hex'));

/** Replaces the checksum that ends `bytes[from, to)` by the right one. */
export function reseal(bytes: Buffer, from: number, to: number): void {
  bytes.writeUInt32LE(crc32(bytes.subarray(from, to - 4)), to - 4);
}

const few = fc.constantFrom(0, 1, 2, 127, 128);
const short = fc.uint8Array({ maxLength: 3 });
/** Keys that begin alike, some for longer than a separator may be. */
const key = fc
  .tuple(fc.constantFrom(0, 0, 5, 127, 130, 300), short)
  .map(([common, rest]) => Buffer.concat([Buffer.alloc(common, 7), rest]));
const value = fc
  .tuple(fc.constantFrom(0, 1, 10, 700, 2100, 4090, 9000), fc.integer({ min: 0, max: 255 }))
  .map(([length, fill]) => Buffer.alloc(length, fill));

const item: fc.Arbitrary<Item> = fc.record(
  {
    table: few,
    group: few,
    key,
    mapKey: fc
      .uint8Array({ minLength: 1, maxLength: 2, max: 3 })
      .map((bytes) => Buffer.from(bytes)) as fc.Arbitrary<Buffer>,
    value: fc.option(value, { nil: undefined, freq: 5 }),
  },
  { requiredKeys: ['table', 'group', 'key', 'value'] },
);

/** Items in order. */
export const items: fc.Arbitrary<Item[]> = fc.array(item, { maxLength: 60 }).map((all) => sortedItems(all));

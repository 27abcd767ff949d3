/**
 * The entry: the one unit of state in every file of ours, native or canonical. FORMAT.md has the bytes.
 *
 *     entry := table group key namespace mapKey flags [stamp] value
 *     table     varint             index into the snapshot's list of tables
 *     group     varint             key group; 0 where there is none
 *     key       varint length + bytes (key codec); a split id or a subtask for operator state
 *     namespace tag byte, then by tag: 0 nothing | 1 window: i64 start, i64 end | 2 global: nothing
 *                                      | 3 varint length + bytes
 *     mapKey    varint length + bytes; length 0 where there is none
 *     flags     bit 0: a stamp follows | bit 1: tombstone, the value is empty
 *     stamp     i64 milliseconds (TTL)
 *     value     varint length + bytes (value codec)
 *
 * Invariants: an entry never spans two chunks; a chunk holds whole entries only.
 */
import { assert } from '../base/assert.js';
import { BytesDamaged, type Codec } from '../codec/codec.js';
import type { ByteReader } from '../codec/reader.js';
import { ByteWriter } from '../codec/writer.js';

export const NAMESPACE = { none: 0, window: 1, global: 2, value: 3 } as const;
export const FLAG = { stamp: 1, tombstone: 2 } as const;

/** The most tables one snapshot may have. */
export const MAX_TABLES = 65_536;
/** The longest encoded key, map key or namespace, in bytes. */
export const MAX_KEY_BYTES = 16 * 1024 * 1024;
/** The longest encoded value, in bytes. */
export const MAX_VALUE_BYTES = 1024 * 1024 * 1024;

/** What can write itself: the part of a codec that an entry needs. */
export type Encoder<T> = Pick<Codec<T>, 'write'>;

/** Where full chunks go, and where empty buffers come from. */
export interface ChunkPool {
  /** A buffer of at least `bytes`; the writer owns it until it hands it to `full`. */
  take(bytes: number): Buffer;
  /** The first `used` bytes of `chunk` hold `entries` whole entries; ownership passes to the pool. */
  full(chunk: Buffer, used: number, entries: number): void;
}

/**
 * Writes entries into chunks. Call order for one entry: `begin`, `key`, then optionally a namespace
 * (`window`, `global` or `namespace`), `mapKey`, `stamp`, then exactly one of `value` or `tombstone`. When an encoder throws, the entry begun is taken back.
 */
export class EntryWriter {
  readonly chunkBytes: number;
  /** Entries and bytes written so far, over all chunks. */
  entries = 0;
  bytes = 0;
  readonly #pool: ChunkPool;
  readonly #out: ByteWriter;
  #chunkEntries = 0;
  #start = 0;
  #table = 0;
  #group = 0;
  /** By table: entries, and bytes by key group. */
  readonly #entriesOf: number[] = [];
  readonly #bytesOf: Float64Array[] = [];
  #stage: 'idle' | 'key' | 'namespace' | 'mapKey' | 'flags' | 'value' = 'idle';

  constructor(pool: ChunkPool, chunkBytes: number) {
    this.#pool = pool;
    this.chunkBytes = chunkBytes;
    this.#out = new ByteWriter(0);
    this.#out.bytes = pool.take(chunkBytes);
  }

  begin(table: number, group: number): void {
    assert(this.#stage === 'idle', 'an entry is open');
    // A new entry starts in a fresh chunk once the current one is nearly full, so that growth stays rare.
    if (this.#out.position >= this.chunkBytes - 256) this.flush();
    this.#start = this.#out.position;
    this.#table = table;
    this.#group = group;
    this.#out.varint(table);
    this.#out.varint(group);
    this.#stage = 'key';
  }

  key<T>(encoder: Encoder<T>, key: T): void {
    assert(this.#stage === 'key', 'key out of order');
    this.#field(encoder, key);
    this.#stage = 'namespace';
  }

  window(start: bigint, end: bigint): void {
    assert(this.#stage === 'namespace', 'namespace out of order');
    this.#out.u8(NAMESPACE.window);
    this.#out.i64(start);
    this.#out.i64(end);
    this.#stage = 'mapKey';
  }

  /** The one window that is always open. */
  global(): void {
    assert(this.#stage === 'namespace', 'namespace out of order');
    this.#out.u8(NAMESPACE.global);
    this.#stage = 'mapKey';
  }

  /** Any other namespace: an encoded value. */
  namespace<T>(encoder: Encoder<T>, value: T): void {
    assert(this.#stage === 'namespace', 'namespace out of order');
    this.#out.u8(NAMESPACE.value);
    this.#field(encoder, value);
    this.#stage = 'mapKey';
  }

  mapKey<T>(encoder: Encoder<T>, key: T): void {
    this.#noNamespace();
    assert(this.#stage === 'mapKey', 'map key out of order');
    this.#field(encoder, key);
    this.#stage = 'flags';
  }

  stamp(time: bigint): void {
    this.#noMapKey();
    this.#out.u8(FLAG.stamp);
    this.#out.i64(time);
    this.#stage = 'value';
  }

  value<T>(encoder: Encoder<T>, value: T): void {
    this.#noStamp();
    this.#field(encoder, value);
    this.#done();
  }

  tombstone(): void {
    this.#noMapKey();
    assert(this.#stage === 'flags', 'a tombstone has no stamp');
    this.#out.u8(FLAG.tombstone);
    this.#out.u8(0);
    this.#done();
  }

  /** Hands over what was written. Call once more at the end. */
  flush(): void {
    assert(this.#stage === 'idle', 'an entry is open');
    if (this.#chunkEntries === 0) return;
    this.#pool.full(this.#out.bytes, this.#out.position, this.#chunkEntries);
    this.#chunkEntries = 0;
    this.#out.position = 0;
    this.#out.bytes = this.#pool.take(this.chunkBytes);
  }

  /** Entries of one table so far. */
  entriesOf(table: number): number {
    return this.#entriesOf[table] ?? 0;
  }

  /** Bytes of one table so far, in key groups `start` to `end`, both included. */
  bytesOf(table: number, start = 0, end = 32_767): number {
    let sum = 0;
    for (const bytes of this.#bytesOf[table]?.subarray(start, end + 1) ?? []) sum += bytes;
    return sum;
  }

  #noNamespace(): void {
    if (this.#stage !== 'namespace') return;
    this.#out.u8(NAMESPACE.none);
    this.#stage = 'mapKey';
  }

  #noMapKey(): void {
    this.#noNamespace();
    if (this.#stage !== 'mapKey') return;
    this.#out.u8(0);
    this.#stage = 'flags';
  }

  #noStamp(): void {
    this.#noMapKey();
    if (this.#stage !== 'flags') return;
    this.#out.u8(0);
    this.#stage = 'value';
  }

  #done(): void {
    this.#stage = 'idle';
    this.#chunkEntries++;
    this.entries++;
    const size = this.#out.position - this.#start;
    this.bytes += size;
    this.#entriesOf[this.#table] = (this.#entriesOf[this.#table] ?? 0) + 1;
    const bytes = this.#tally(this.#table, this.#group);
    bytes[this.#group] = (bytes[this.#group] ?? 0) + size;
  }

  /** Bytes by key group of one table, with room for `group`. */
  #tally(table: number, group: number): Float64Array {
    const bytes = this.#bytesOf[table];
    if (bytes !== undefined && group < bytes.length) return bytes;
    const grown = new Float64Array(Math.max(128, group + 1, 2 * (bytes?.length ?? 0)));
    if (bytes !== undefined) grown.set(bytes);
    this.#bytesOf[table] = grown;
    return grown;
  }

  /** One length-prefixed field. The length is not known before, so one byte is kept and widened when too short. */
  #field<T>(encoder: Encoder<T>, value: T): void {
    const out = this.#out;
    out.reserve(1);
    const at = out.position++;
    try {
      encoder.write(value, out);
    } catch (error) {
      out.position = this.#start;
      this.#stage = 'idle';
      throw error;
    }
    const length = out.position - at - 1;
    if (length < 0x80) {
      out.bytes[at] = length;
      return;
    }
    const end = out.position;
    const width = length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : length < 0x1000_0000 ? 4 : 5;
    out.reserve(width - 1);
    out.bytes.copyWithin(at + width, at + 1, end);
    out.position = at;
    out.varint(length);
    out.position = end + width - 1;
  }
}

export type Namespace =
  | { readonly kind: 'none' | 'global' }
  | { readonly kind: 'window'; readonly start: bigint; readonly end: bigint }
  | { readonly kind: 'value'; readonly bytes: Buffer };

/** One entry as read. Buffers are views into the chunk, valid as long as it is. */
export interface Entry {
  readonly table: number;
  readonly group: number;
  readonly key: Buffer;
  readonly namespace: Namespace;
  readonly mapKey: Buffer | undefined;
  readonly stamp: bigint | undefined;
  readonly tombstone: boolean;
  readonly value: Buffer;
}

const NO_NAMESPACE: Namespace = { kind: 'none' };
const GLOBAL_NAMESPACE: Namespace = { kind: 'global' };

/** Reads the next entry. Throws {@link BytesDamaged} for anything FORMAT.md does not allow. */
export function readEntry(from: ByteReader): Entry {
  const table = bounded(from, from.varint(), MAX_TABLES - 1, 'table');
  const group = bounded(from, from.varint(), 32_767, 'key group');
  const key = from.raw(bounded(from, from.varint(), MAX_KEY_BYTES, 'key length'));
  const namespace = readNamespace(from);
  const mapKeyLength = bounded(from, from.varint(), MAX_KEY_BYTES, 'map key length');
  const mapKey = mapKeyLength === 0 ? undefined : from.raw(mapKeyLength);
  const flags = from.u8();
  if ((flags & ~(FLAG.stamp | FLAG.tombstone)) !== 0)
    throw new BytesDamaged(`unknown flags ${flags}`, from.position - 1);
  const stamp = flags & FLAG.stamp ? from.i64() : undefined;
  const value = from.raw(bounded(from, from.varint(), MAX_VALUE_BYTES, 'value length'));
  const tombstone = (flags & FLAG.tombstone) !== 0;
  if (tombstone && value.length > 0) throw new BytesDamaged('a tombstone with a value', from.position);
  return { table, group, key, namespace, mapKey, stamp, tombstone, value };
}

function readNamespace(from: ByteReader): Namespace {
  const tag = from.u8();
  switch (tag) {
    case NAMESPACE.none:
      return NO_NAMESPACE;
    case NAMESPACE.global:
      return GLOBAL_NAMESPACE;
    case NAMESPACE.window:
      return { kind: 'window', start: from.i64(), end: from.i64() };
    case NAMESPACE.value:
      return {
        kind: 'value',
        bytes: from.raw(bounded(from, from.varint(), MAX_KEY_BYTES, 'namespace length')),
      };
    default:
      throw new BytesDamaged(`unknown namespace tag ${tag}`, from.position - 1);
  }
}

function bounded(from: ByteReader, value: number, most: number, what: string): number {
  if (value > most) throw new BytesDamaged(`${what} ${value} is over the limit of ${most}`, from.position);
  return value;
}

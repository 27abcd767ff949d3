/**
 * Finds the parts of entries without taking them out: for sorting, cutting and checking many of them fast.
 *
 *     table group │ key namespace mapKey │ flags [stamp] value
 *           ▲       ▲                    ▲                    ▲
 *        groupAt  identityAt     identityEnd                 end
 *
 * The *identity* of an entry is its bytes from the key's length to the end of the map key. Every field says its own
 * length, so no identity is the beginning of another; canonical order is their bytewise, unsigned order.
 */
import { BytesDamaged } from '../codec/codec.js';
import { FLAG, MAX_KEY_BYTES, MAX_TABLES, MAX_VALUE_BYTES, NAMESPACE } from './entry.js';

const LARGEST_GROUP = 32_767;
const WINDOW_BYTES = 16;
const STAMP_BYTES = 8;

/** Where the parts of the entry scanned last lie. Allows exactly what `readEntry` does. */
export class EntryScan {
  table = 0;
  group = 0;
  groupAt = 0;
  identityAt = 0;
  identityEnd = 0;
  flags = 0;
  valueAt = 0;
  end = 0;
  #at = 0;
  #mapKeyAt = 0;

  /** Scans the entry at `at`, which must end at `limit` or before. Throws {@link BytesDamaged}. */
  scan(bytes: Uint8Array, at: number, limit: number): void {
    this.#at = at;
    this.table = this.#varint(bytes, limit, MAX_TABLES - 1, 'table');
    this.groupAt = this.#at;
    this.group = this.#varint(bytes, limit, LARGEST_GROUP, 'key group');
    this.identityAt = this.#at;
    const keyBytes = this.#varint(bytes, limit, MAX_KEY_BYTES, 'key length');
    this.#skip(keyBytes, limit);
    this.#namespace(bytes, limit);
    const mapKeyBytes = this.#varint(bytes, limit, MAX_KEY_BYTES, 'map key length');
    this.#mapKeyAt = this.#at;
    this.#skip(mapKeyBytes, limit);
    this.identityEnd = this.#at;
    this.#skip(1, limit);
    this.flags = bytes[this.identityEnd] as number;
    if (this.flags > 0) this.#flags(limit);
    const valueBytes = this.#varint(bytes, limit, MAX_VALUE_BYTES, 'value length');
    this.valueAt = this.#at;
    if (valueBytes > 0 && this.tombstone) throw new BytesDamaged('a tombstone with a value', this.valueAt);
    this.#skip(valueBytes, limit);
    this.end = this.#at;
  }

  get tombstone(): boolean {
    return (this.flags & FLAG.tombstone) !== 0;
  }

  /** The map key of the entry scanned last, if it has one; valid as long as the bytes. */
  mapKey(bytes: Buffer): Buffer | undefined {
    return this.#mapKeyAt === this.identityEnd ? undefined : bytes.subarray(this.#mapKeyAt, this.identityEnd);
  }

  /** The stamp of the entry scanned last, if it has one. */
  stamp(bytes: Buffer): bigint | undefined {
    return this.flags & FLAG.stamp ? bytes.readBigInt64LE(this.identityEnd + 1) : undefined;
  }

  #flags(limit: number): void {
    if ((this.flags & ~(FLAG.stamp | FLAG.tombstone)) !== 0)
      throw new BytesDamaged(`unknown flags ${this.flags}`, this.identityEnd);
    if (this.flags & FLAG.stamp) this.#skip(STAMP_BYTES, limit);
  }

  #namespace(bytes: Uint8Array, limit: number): void {
    const at = this.#at;
    this.#skip(1, limit);
    const tag = bytes[at] as number;
    if (tag === NAMESPACE.none || tag === NAMESPACE.global) return;
    if (tag === NAMESPACE.window) this.#skip(WINDOW_BYTES, limit);
    else if (tag === NAMESPACE.value)
      this.#skip(this.#varint(bytes, limit, MAX_KEY_BYTES, 'namespace length'), limit);
    else throw new BytesDamaged(`unknown namespace tag ${tag}`, at);
  }

  #skip(count: number, limit: number): void {
    if (count > limit - this.#at)
      throw new BytesDamaged(`${count} bytes expected, ${limit - this.#at} left`, this.#at);
    this.#at += count;
  }

  #varint(bytes: Uint8Array, limit: number, most: number, what: string): number {
    const at = this.#at;
    if (at < limit) {
      const first = bytes[at] as number;
      if (first < 0x80) {
        this.#at = at + 1;
        if (first <= most) return first;
      }
    }
    return this.#longVarint(bytes, at, limit, most, what);
  }

  #longVarint(bytes: Uint8Array, start: number, limit: number, most: number, what: string): number {
    let value = 0;
    let scale = 1;
    for (let at = start; at < limit && at < start + 8; at++) {
      const byte = bytes[at] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.#at = at + 1;
        if (value > most) throw new BytesDamaged(`${what} ${value} is over the limit of ${most}`, start);
        if (byte === 0 && at > start) break;
        return value;
      }
      scale *= 128;
    }
    throw new BytesDamaged('not a valid length', start);
  }
}

/** How many bytes a varint takes. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

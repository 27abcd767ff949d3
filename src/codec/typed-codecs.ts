/**
 * Codecs for values of one type, each MessagePack of one kind:
 *
 *     number    float 64, whatever the number: 9 bytes; NaN is always 7f f8 00 …
 *     string    str, in the shortest form that holds it
 *     bytes     bin, in the shortest form that holds it
 *
 * Invariants: as of the value codec, every value has one encoding, and the reader takes no other.
 */
import { BytesDamaged, type Codec, ValueRefused } from './codec.js';
import type { ByteReader } from './reader.js';
import { readFloat64, readText, sizedLength, textLength } from './scalar-read.js';
import { sized, writeFloat64, writeString } from './scalar-write.js';
import { TAG } from './value-tags.js';
import type { ByteWriter } from './writer.js';

export const numberCodec: Codec<number> = {
  id: 'number',
  version: 1,
  write(value: number, out: ByteWriter): void {
    if (typeof value !== 'number') throw new ValueRefused(`expected a number, found ${kindOf(value)}`);
    writeFloat64(value, out);
  },
  read(from: ByteReader): number {
    const at = from.position;
    if (from.u8() !== TAG.float64) throw new BytesDamaged('not a number of 64 bits', at);
    return readFloat64(from);
  },
};

export const stringCodec: Codec<string> = {
  id: 'string',
  version: 1,
  write(value: string, out: ByteWriter): void {
    if (typeof value !== 'string') throw new ValueRefused(`expected a string, found ${kindOf(value)}`);
    writeString(value, out);
  },
  read: readString,
};

export const bytesCodec: Codec<Uint8Array> = {
  id: 'bytes',
  version: 1,
  write(value: Uint8Array, out: ByteWriter): void {
    if (!(value instanceof Uint8Array))
      throw new ValueRefused(`expected a Uint8Array, found ${kindOf(value)}`);
    writeBytes(value, out);
  },
  read: readBytes,
};

export function readString(from: ByteReader): string {
  const at = from.position;
  const tag = from.u8();
  if (tag >= TAG.fixstr && tag < TAG.nil) return readText(tag - TAG.fixstr, from);
  if (tag >= TAG.str8 && tag <= TAG.str32) return readText(textLength(tag, from), from);
  throw new BytesDamaged('not a string', at);
}

export function writeBytes(value: Uint8Array, out: ByteWriter): void {
  sized(TAG.bin8, value.length, out);
  out.raw(value);
}

/** A copy. */
export function readBytes(from: ByteReader): Uint8Array {
  const at = from.position;
  const tag = from.u8();
  if (tag < TAG.bin8 || tag > TAG.bin32) throw new BytesDamaged('not bytes', at);
  return Uint8Array.from(from.raw(sizedLength(tag - TAG.bin8, from)));
}

/** What an error calls a value of the wrong type. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

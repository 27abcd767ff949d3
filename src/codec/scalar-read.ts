/** Reads what has no parts: numbers, strings, bigints, and the lengths of what has. Only shortest forms are taken. */
import { isUtf8 } from 'node:buffer';
import { BytesDamaged } from './codec.js';
import type { ByteReader } from './reader.js';
import { LITTLE_ENDIAN } from './scalar-write.js';
import { MAX_BIGINT_BYTES, TAG } from './value-tags.js';

/**
 * Strings up to this many bytes are tried as ASCII by hand; a call into C++ costs more. V8 would keep a longer
 * one, put together from pieces, as a chain of the pieces.
 */
const SHORT_TEXT = 12;

const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);

/** Big-endian, unsigned. */
export function word(from: ByteReader): number {
  const at = from.skip(4);
  const { bytes } = from;
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  return high * 0x1_0000 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number));
}

function half(from: ByteReader): number {
  const at = from.skip(2);
  return ((from.bytes[at] as number) << 8) | (from.bytes[at + 1] as number);
}

/** The number, unless a shorter form could have held it. */
export function least(value: number, atLeast: number, from: ByteReader): number {
  if (value >= atLeast) return value;
  throw new BytesDamaged(`${value} is not in its shortest form`, from.position);
}

/** A 16-bit count for `width` 0, a 32-bit one for 1; these begin at 16. */
export function count(width: number, from: ByteReader): number {
  return width === 0 ? least(half(from), 16, from) : least(word(from), 0x1_0000, from);
}

export function textLength(tag: number, from: ByteReader): number {
  const width = tag - TAG.str8;
  return width === 0 ? least(from.u8(), 32, from) : sizedLength(width, from);
}

export function sizedLength(width: number, from: ByteReader): number {
  if (width === 0) return from.u8();
  return width === 1 ? least(half(from), 0x100, from) : least(word(from), 0x1_0000, from);
}

export function extLength(tag: number, from: ByteReader): number {
  const length = sizedLength(tag - TAG.ext8, from);
  if (length <= 16 && length > 0 && Number.isInteger(Math.log2(length)))
    throw new BytesDamaged('an extension is not in its shortest form', from.position);
  return length;
}

export function readInteger(tag: number, from: ByteReader): number {
  switch (tag) {
    case TAG.uint8:
      return least(from.u8(), 0x80, from);
    case TAG.uint16:
      return least(half(from), 0x100, from);
    case TAG.uint32:
      return least(word(from), 0x1_0000, from);
    case TAG.uint64:
      return safe(word(from) * 2 ** 32 + word(from), 2 ** 32, from);
    case TAG.int8:
      return -least(-from.bytes.readInt8(from.skip(1)), 33, from);
    case TAG.int16:
      return -least(-from.bytes.readInt16BE(from.skip(2)), 0x81, from);
    case TAG.int32:
      return -least(-from.bytes.readInt32BE(from.skip(4)), 0x8001, from);
    default:
      return -safe(-(from.bytes.readInt32BE(from.skip(4)) * 2 ** 32 + word(from)), 2 ** 31 + 1, from);
  }
}

function safe(value: number, atLeast: number, from: ByteReader): number {
  if (value > Number.MAX_SAFE_INTEGER)
    throw new BytesDamaged('an integer beyond 53 bits is not a number', from.position);
  return least(value, atLeast, from);
}

/** Of the value codec, which keeps integers as such. */
export function readFloat(from: ByteReader): number {
  const at = from.position;
  const value = readFloat64(from);
  if (Number.isSafeInteger(value) && !Object.is(value, -0))
    throw new BytesDamaged('an integer is kept as a float', at);
  return value;
}

/** Eight bytes, big-endian, and one NaN only. */
export function readFloat64(from: ByteReader): number {
  const at = from.skip(8);
  const { bytes } = from;
  for (let i = 0; i < 8; i++) floatBytes[LITTLE_ENDIAN ? 7 - i : i] = bytes[at + i] as number;
  const value = float[0] as number;
  if (!Number.isNaN(value)) return value;
  const quiet = bytes[at] === 0x7f && bytes[at + 1] === 0xf8 && bytes.readUIntBE(at + 2, 6) === 0;
  if (!quiet) throw new BytesDamaged('an unusual NaN', at);
  return Number.NaN;
}

export function readText(length: number, from: ByteReader): string {
  const at = from.skip(length);
  const { bytes } = from;
  if (length <= SHORT_TEXT) {
    let text = '';
    let i = at;
    const end = at + length;
    for (; i < end; i++) {
      const byte = bytes[i] as number;
      if (byte >= 0x80) break;
      text += String.fromCharCode(byte);
    }
    if (i === end) return text;
  }
  const text = bytes.toString('utf8', at, at + length);
  // Only text with the replacement character can have come from broken bytes.
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(at, at + length)))
    throw new BytesDamaged('not valid UTF-8', at);
  return text;
}

export function readBigint(length: number, from: ByteReader): bigint {
  if (length === 8) return from.bytes.readBigInt64BE(from.skip(8));
  if (length < 9 || length > MAX_BIGINT_BYTES + 1)
    throw new BytesDamaged(`a bigint of ${length} bytes`, from.position);
  const at = from.position;
  const sign = from.u8();
  const magnitude = BigInt(`0x${from.raw(length - 1).toString('hex')}`);
  const value = sign === 1 ? -magnitude : magnitude;
  const leadingZero = from.bytes[at + 1] === 0;
  if (sign > 1 || leadingZero || BigInt.asIntN(64, value) === value)
    throw new BytesDamaged('a bigint is not in its shortest form', at);
  return value;
}

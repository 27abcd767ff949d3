/** Writes what has no parts: numbers, strings, bigints, booleans, and the headers of what has. */
import { assert } from '../base/assert.js';
import { ValueRefused } from './codec.js';
import { EXT, MAX_BIGINT_BYTES, TAG } from './value-tags.js';
import type { ByteWriter } from './writer.js';

/** Strings up to this many units are tried as ASCII by hand; a call into C++ costs more. */
const SHORT_TEXT = 48;
/** From here on the exact UTF-8 length is asked for, rather than room for the worst case. */
const LONG_TEXT = 4096;

const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
export const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export function writeBoolean(value: boolean, out: ByteWriter): void {
  out.u8(value ? TAG.true : TAG.false);
}

/** Safe integers as the shortest integer, all other numbers and −0 as float 64. */
export function writeNumber(value: number, out: ByteWriter): void {
  if (out.position + 9 > out.bytes.length) out.reserve(9);
  const { bytes } = out;
  const at = out.position;
  const int = value | 0;
  if (int !== value || (int === 0 && Object.is(value, -0))) {
    if (Number.isSafeInteger(value) && value !== 0) writeBigInteger(value, out);
    else writeFloat(value, out);
  } else if (int >= 0) {
    if (int < 0x80) {
      bytes[at] = int;
      out.position = at + 1;
    } else writeUnsigned(int, out);
  } else if (int >= -32) {
    bytes[at] = int & 0xff;
    out.position = at + 1;
  } else writeNegative(int, out);
}

/** 128 to 2^31−1. There is room. */
function writeUnsigned(value: number, out: ByteWriter): void {
  const { bytes } = out;
  let at = out.position;
  if (value < 0x100) {
    bytes[at++] = TAG.uint8;
  } else if (value < 0x1_0000) {
    bytes[at++] = TAG.uint16;
    bytes[at++] = value >>> 8;
  } else {
    bytes[at++] = TAG.uint32;
    bytes[at++] = value >>> 24;
    bytes[at++] = value >>> 16;
    bytes[at++] = value >>> 8;
  }
  bytes[at++] = value;
  out.position = at;
}

/** −2^31 to −33. There is room. */
function writeNegative(value: number, out: ByteWriter): void {
  const { bytes } = out;
  let at = out.position;
  if (value >= -0x80) {
    bytes[at++] = TAG.int8;
  } else if (value >= -0x8000) {
    bytes[at++] = TAG.int16;
    bytes[at++] = value >> 8;
  } else {
    bytes[at++] = TAG.int32;
    bytes[at++] = value >> 24;
    bytes[at++] = value >> 16;
    bytes[at++] = value >> 8;
  }
  bytes[at++] = value;
  out.position = at;
}

/** Safe integers beyond 32 bits signed. There is room. */
function writeBigInteger(value: number, out: ByteWriter): void {
  const { bytes } = out;
  if (value >= 0 && value < 2 ** 32) {
    bytes[out.position++] = TAG.uint32;
  } else {
    bytes[out.position++] = value < 0 ? TAG.int64 : TAG.uint64;
    word(Math.floor(value / 2 ** 32), out);
  }
  word(value, out);
}

/** The low 32 bits, big-endian. There is room. */
export function word(value: number, out: ByteWriter): void {
  const { bytes } = out;
  const low = value | 0;
  let at = out.position;
  bytes[at++] = low >>> 24;
  bytes[at++] = low >>> 16;
  bytes[at++] = low >>> 8;
  bytes[at++] = low;
  out.position = at;
}

/** Any number as float 64. */
export function writeFloat64(value: number, out: ByteWriter): void {
  out.reserve(9);
  writeFloat(value, out);
}

/** There is room. */
function writeFloat(value: number, out: ByteWriter): void {
  // All NaNs are written alike, whatever bits they were computed with.
  float[0] = value;
  if (Number.isNaN(value)) float[0] = Number.NaN;
  const { bytes } = out;
  let at = out.position;
  bytes[at++] = TAG.float64;
  if (LITTLE_ENDIAN) {
    for (let i = 7; i >= 0; i--) bytes[at++] = floatBytes[i] as number;
  } else {
    for (let i = 0; i < 8; i++) bytes[at++] = floatBytes[i] as number;
  }
  out.position = at;
}

export function writeString(text: string, out: ByteWriter): void {
  const length = text.length;
  if (length > SHORT_TEXT) {
    writeLongString(text, out);
    return;
  }
  if (out.position + length + 2 > out.bytes.length) out.reserve(length + 2);
  const { bytes } = out;
  let at = out.position;
  if (length < 32) {
    bytes[at++] = TAG.fixstr | length;
  } else {
    bytes[at++] = TAG.str8;
    bytes[at++] = length;
  }
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) {
      writeLongString(text, out);
      return;
    }
    bytes[at++] = unit;
  }
  out.position = at;
}

function writeLongString(text: string, out: ByteWriter): void {
  if (!text.isWellFormed()) throw new ValueRefused('a string with a lone surrogate cannot be kept');
  const length = text.length;
  const most = length > LONG_TEXT ? Buffer.byteLength(text) : length * 3;
  out.reserve(most + 5);
  const start = out.position;
  // The header is as long as for ASCII, which is nearly always right; else the text moves.
  const guess = length > LONG_TEXT ? textHeader(most) : textHeader(length);
  const written = out.bytes.write(text, start + guess, 'utf8');
  const header = textHeader(written);
  if (header !== guess) out.bytes.copyWithin(start + header, start + guess, start + guess + written);
  if (header === 1) out.u8(TAG.fixstr | written);
  else sized(TAG.str8, written, out);
  out.position = start + header + written;
}

function textHeader(bytes: number): number {
  return bytes < 32 ? 1 : bytes < 0x100 ? 2 : bytes < 0x1_0000 ? 3 : 5;
}

export function writeBigint(value: bigint, out: ByteWriter): void {
  if (BigInt.asIntN(64, value) === value) {
    extHeader(8, EXT.bigint, out);
    out.reserve(8);
    out.position = out.bytes.writeBigInt64BE(value, out.position);
    return;
  }
  const digits = (value < 0n ? -value : value).toString(16);
  const length = Math.ceil(digits.length / 2);
  if (length > MAX_BIGINT_BYTES)
    throw new ValueRefused(`a bigint of more than ${MAX_BIGINT_BYTES} bytes cannot be kept`);
  extHeader(length + 1, EXT.bigint, out);
  out.u8(value < 0n ? 1 : 0);
  out.raw(Buffer.from(digits.padStart(length * 2, '0'), 'hex'));
}

export function writeArrayHeader(length: number, out: ByteWriter): void {
  if (length < 16) out.u8(TAG.fixarray | length);
  else wide(TAG.array16, length, out);
}

/** `tag` with an 8-bit length, or one of the two after it with 16 or 32 bits. */
export function sized(tag: number, length: number, out: ByteWriter): void {
  if (length < 0x100) {
    out.u8(tag);
    out.u8(length);
  } else wide(tag + 1, length, out);
}

/** `tag` with a 16-bit length, or the one after it with 32 bits. */
export function wide(tag: number, length: number, out: ByteWriter): void {
  assert(length < 2 ** 32, 'a length is beyond 32 bits');
  out.reserve(5);
  if (length < 0x1_0000) {
    out.u8(tag);
    out.u8(length >>> 8);
    out.u8(length);
  } else {
    out.u8(tag + 1);
    word(length, out);
  }
}

export function extHeader(length: number, type: number, out: ByteWriter): void {
  const fixed = Math.log2(length);
  if (length > 0 && length <= 16 && Number.isInteger(fixed)) out.u8(TAG.fixext1 + fixed);
  else sized(TAG.ext8, length, out);
  out.u8(type & 0xff);
}

/**
 * Reads values: takes exactly what value-write.ts writes and throws {@link BytesDamaged} for all else. Hostile
 * input costs no more than its own length: counts are held against the bytes left before anything is made.
 */
import { assert } from '../base/assert.js';
import { BytesDamaged } from './codec.js';
import type { ByteReader } from './reader.js';
import {
  count,
  extLength,
  least,
  readBigint,
  readFloat,
  readInteger,
  readText,
  sizedLength,
  textLength,
  word,
} from './scalar-read.js';
import { LITTLE_ENDIAN } from './scalar-write.js';
import { BINARY, EXT, MAX_DATE, MAX_VALUE_DEPTH, TAG } from './value-tags.js';

/** Reads one value. Throws {@link BytesDamaged}. */
export function readValue(from: ByteReader): unknown {
  return read(from, 0);
}

function read(from: ByteReader, depth: number): unknown {
  const tag = from.u8();
  if (tag < TAG.fixmap) return tag;
  if (tag >= TAG.negativeFixint) return tag - 0x100;
  if (tag < TAG.fixarray) return readRecord(tag - TAG.fixmap, from, depth);
  if (tag < TAG.fixstr) return readArray(tag - TAG.fixarray, from, depth);
  if (tag < TAG.nil) return readText(tag - TAG.fixstr, from);
  switch (tag) {
    case TAG.float64:
      return readFloat(from);
    case TAG.nil:
      return null;
    case TAG.false:
      return false;
    case TAG.true:
      return true;
    case TAG.str8:
    case TAG.str16:
    case TAG.str32:
      return readText(textLength(tag, from), from);
    case TAG.array16:
    case TAG.array32:
      return readArray(count(tag - TAG.array16, from), from, depth);
    case TAG.map16:
    case TAG.map32:
      return readRecord(count(tag - TAG.map16, from), from, depth);
    default:
      return readRare(tag, from, depth);
  }
}

function readRare(tag: number, from: ByteReader, depth: number): unknown {
  if (tag >= TAG.uint8 && tag <= TAG.int64) return readInteger(tag, from);
  const start = from.position - 1;
  if (tag >= TAG.fixext1 && tag <= TAG.fixext16)
    return readExtension(1 << (tag - TAG.fixext1), false, start, from, depth);
  switch (tag) {
    case TAG.bin8:
    case TAG.bin16:
    case TAG.bin32:
      return Uint8Array.from(from.raw(sizedLength(tag - TAG.bin8, from)));
    case TAG.ext8:
    case TAG.ext16:
      return readExtension(extLength(tag, from), false, start, from, depth);
    case TAG.ext32:
      return readExtension(word(from), true, start, from, depth);
    default:
      throw new BytesDamaged(`byte 0x${tag.toString(16)} begins no value`, start);
  }
}

/** `length` members of at least `each` bytes follow: checks that they can. Returns the depth inside. */
function enter(length: number, each: number, from: ByteReader, depth: number): number {
  if (length * each > from.remaining)
    throw new BytesDamaged(`${length} members in ${from.remaining} bytes`, from.position);
  if (depth === MAX_VALUE_DEPTH)
    throw new BytesDamaged(`nested deeper than ${MAX_VALUE_DEPTH} levels`, from.position);
  return depth + 1;
}

function readArray(length: number, from: ByteReader, depth: number): unknown[] {
  const inner = enter(length, 1, from, depth);
  const array: unknown[] = [];
  for (let i = 0; i < length; i++) array.push(read(from, inner));
  return array;
}

function readRecord(length: number, from: ByteReader, depth: number): Record<string, unknown> {
  const inner = enter(length, 2, from, depth);
  const record: Record<string, unknown> = {};
  for (let i = 0; i < length; i++) {
    const name = readName(from);
    if (Object.hasOwn(record, name)) throw new BytesDamaged(`property '${name}' twice`, from.position);
    const value = read(from, inner);
    if (name === '__proto__') define(record, name, value);
    else record[name] = value;
  }
  return record;
}

/** Sets an own property where plain assignment would set the prototype. */
function define(record: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(record, name, { value, writable: true, enumerable: true, configurable: true });
}

/** Names seen lately, by a hash of their bytes: state has few of them, and making a string costs. */
const NAME_SLOTS = 512;
const names: string[] = new Array<string>(NAME_SLOTS).fill('');

function readName(from: ByteReader): string {
  const tag = from.u8();
  const length = tag - TAG.fixstr;
  if (length < 0 || length >= 32) {
    if (tag < TAG.str8 || tag > TAG.str32)
      throw new BytesDamaged('a property name is not a string', from.position - 1);
    return readText(textLength(tag, from), from);
  }
  if (length === 0) return '';
  const at = from.skip(length);
  const { bytes } = from;
  const first = bytes[at] as number;
  const last = bytes[at + length - 1] as number;
  const slot = (length * 31 + first * 7 + last * 131) & (NAME_SLOTS - 1);
  const known = names[slot] as string;
  if (known.length === length && isText(known, bytes, at)) return known;
  from.position = at;
  const name = readText(length, from);
  names[slot] = name;
  return name;
}

/** Whether the bytes are this text, which they never are when either is not ASCII. */
function isText(text: string, bytes: Buffer, at: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit !== bytes[at + i] || unit >= 0x80) return false;
  }
  return true;
}

function readExtension(
  length: number,
  wide: boolean,
  start: number,
  from: ByteReader,
  depth: number,
): unknown {
  const type = from.bytes.readInt8(from.skip(1));
  if (length > from.remaining)
    throw new BytesDamaged(`${length} bytes expected, ${from.remaining} left`, start);
  const end = from.position + length;
  const nested = type === EXT.map || type === EXT.set;
  if (wide && !nested) least(length, 0x1_0000, from);
  if (nested && !wide) throw new BytesDamaged('a map or set is not in its 32-bit form', start);
  const value = extensionOf(type, length, end, from, depth);
  if (from.position !== end) throw new BytesDamaged(`extension ${type} is not ${length} bytes long`, start);
  return value;
}

function extensionOf(type: number, length: number, end: number, from: ByteReader, depth: number): unknown {
  switch (type) {
    case EXT.undefined:
      if (length !== 1 || from.u8() !== 0) throw new BytesDamaged('not undefined', from.position);
      return undefined;
    case EXT.bigint:
      return readBigint(length, from);
    case EXT.map:
      return readMap(end, from, enter(0, 0, from, depth));
    case EXT.set:
      return readSet(end, from, enter(0, 0, from, depth));
    case EXT.binary:
      return readBinary(length, from);
    case EXT.timestamp:
      return readDate(length, from);
    default:
      throw new BytesDamaged(`unknown extension ${type}`, from.position);
  }
}

function readMap(end: number, from: ByteReader, depth: number): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>();
  while (from.position < end) {
    const key = read(from, depth);
    // A Map makes −0 into 0, so that no Map was ever written with it.
    if (map.has(key) || Object.is(key, -0)) throw new BytesDamaged('a map key twice', from.position);
    map.set(key, read(from, depth));
  }
  return map;
}

function readSet(end: number, from: ByteReader, depth: number): Set<unknown> {
  const set = new Set<unknown>();
  while (from.position < end) {
    const element = read(from, depth);
    if (set.has(element) || Object.is(element, -0))
      throw new BytesDamaged('a set element twice', from.position);
    set.add(element);
  }
  return set;
}

function readDate(length: number, from: ByteReader): Date {
  const at = from.position;
  if (length !== 12) throw new BytesDamaged(`a time of ${length} bytes`, at);
  const nanoseconds = word(from);
  const seconds = from.bytes.readInt32BE(from.skip(4)) * 2 ** 32 + word(from);
  const time = seconds * 1000 + nanoseconds / 1_000_000;
  const exact = nanoseconds < 1_000_000_000 && nanoseconds % 1_000_000 === 0;
  if (!exact || Math.abs(time) > MAX_DATE) throw new BytesDamaged('a time that no Date holds', at);
  return new Date(time);
}

type View = new (buffer: ArrayBuffer) => ArrayBufferView;

const VIEWS: readonly (readonly [kind: number, view: View, elementBytes: number])[] = [
  [BINARY.DataView, DataView, 1],
  [BINARY.Int8Array, Int8Array, 1],
  [BINARY.Uint8ClampedArray, Uint8ClampedArray, 1],
  [BINARY.Int16Array, Int16Array, 2],
  [BINARY.Uint16Array, Uint16Array, 2],
  [BINARY.Int32Array, Int32Array, 4],
  [BINARY.Uint32Array, Uint32Array, 4],
  [BINARY.Float32Array, Float32Array, 4],
  [BINARY.Float64Array, Float64Array, 8],
  [BINARY.BigInt64Array, BigInt64Array, 8],
  [BINARY.BigUint64Array, BigUint64Array, 8],
];

function readBinary(length: number, from: ByteReader): unknown {
  assert(LITTLE_ENDIAN, 'typed arrays are kept on little-endian machines only');
  const at = from.position;
  if (length === 0) throw new BytesDamaged('an empty binary', at);
  const kind = from.u8();
  const bytes = from.raw(length - 1);
  if (kind === BINARY.Buffer) return Buffer.from(bytes);
  // A copy: the chunk is reused, and a view of wider elements must be aligned.
  const { buffer } = Uint8Array.from(bytes);
  if (kind === BINARY.ArrayBuffer) return buffer;
  const [, View, elementBytes] = VIEWS.find(([known]) => known === kind) ?? [];
  if (View === undefined || elementBytes === undefined)
    throw new BytesDamaged(`unknown kind ${kind} of binary`, at);
  if (buffer.byteLength % elementBytes !== 0) throw new BytesDamaged('a typed array of a broken length', at);
  return new View(buffer);
}

/** Writes values of every kind, straight into the buffer: the hot half of checkpoints. */
import { assert } from '../base/assert.js';
import { ValueRefused } from './codec.js';
import {
  extHeader,
  LITTLE_ENDIAN,
  sized,
  wide,
  word,
  writeArrayHeader,
  writeBigint,
  writeBoolean,
  writeNumber,
  writeString,
} from './scalar-write.js';
import { BINARY, EXT, MAX_VALUE_DEPTH, TAG } from './value-tags.js';
import type { ByteWriter } from './writer.js';

/** How much of a path an error shows. */
const MAX_PATH = 200;

const EMPTY = {};

/** Writes one value. Throws {@link ValueRefused} with the path for what cannot be kept. */
export function writeValue(value: unknown, out: ByteWriter): void {
  // Objects are walked with for-in, the fastest way, which would take in what someone put on Object.prototype.
  if (typeof value === 'object')
    for (const name in EMPTY) throw new ValueRefused(`Object.prototype has been given a property '${name}'`);
  write(value, out, 0);
}

function write(value: unknown, out: ByteWriter, depth: number): void {
  if (typeof value === 'number') writeNumber(value, out);
  else if (typeof value === 'string') writeString(value, out);
  else if (typeof value === 'object') {
    if (value === null) out.u8(TAG.nil);
    else writeObject(value, out, depth);
  } else if (typeof value === 'boolean') writeBoolean(value, out);
  else if (value === undefined) writeUndefined(out);
  else if (typeof value === 'bigint') writeBigint(value, out);
  else throw new ValueRefused(`a ${typeof value} cannot be kept`);
}

function writeUndefined(out: ByteWriter): void {
  extHeader(1, EXT.undefined, out);
  out.u8(0);
}

function writeObject(value: object, out: ByteWriter, depth: number): void {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (depth === MAX_VALUE_DEPTH)
    throw new ValueRefused(`it nests deeper than ${MAX_VALUE_DEPTH} levels, or contains itself`);
  if (Array.isArray(value)) {
    if (prototype !== Array.prototype) throw instanceRefused(value);
    writeArray(value, out, depth + 1);
  } else if (prototype === Object.prototype || prototype === null) {
    writeRecord(value as Record<string, unknown>, out, depth + 1);
  } else writeBuiltIn(value, prototype, out, depth + 1);
}

function writeArray(value: readonly unknown[], out: ByteWriter, depth: number): void {
  const { length } = value;
  writeArrayHeader(length, out);
  let i = 0;
  try {
    for (; i < length; i++) {
      const element = value[i];
      if (element === undefined && !(i in value)) throw new ValueRefused('a hole in an array cannot be kept');
      write(element, out, depth);
    }
  } catch (error) {
    throw inside(error, `[${i}]`);
  }
}

function writeRecord(value: Record<string, unknown>, out: ByteWriter, depth: number): void {
  const start = out.position;
  out.u8(TAG.fixmap);
  let count = 0;
  let current = '';
  try {
    for (const name in value) {
      current = name;
      const property = value[name];
      writeString(name, out);
      write(property, out, depth);
      count++;
    }
  } catch (error) {
    throw inside(error, nameInPath(current));
  }
  if (count < 16) out.bytes[start] = TAG.fixmap | count;
  else widenRecord(start, count, out);
}

/** The count was not known before; past 15 its header needs more than the byte that was kept. */
function widenRecord(start: number, count: number, out: ByteWriter): void {
  const more = count < 0x1_0000 ? 2 : 4;
  const end = out.position;
  out.reserve(more);
  out.bytes.copyWithin(start + 1 + more, start + 1, end);
  out.position = start;
  wide(TAG.map16, count, out);
  out.position = end + more;
}

function writeBuiltIn(value: object, prototype: unknown, out: ByteWriter, depth: number): void {
  if (prototype === Map.prototype && value instanceof Map) {
    const start = beginNested(EXT.map, out);
    writeMembers(value, out, depth);
    endNested(start, out);
  } else if (prototype === Set.prototype && value instanceof Set) {
    const start = beginNested(EXT.set, out);
    writeElements(value, out, depth);
    endNested(start, out);
  } else if (prototype === Date.prototype && value instanceof Date) {
    writeDate(value, out);
  } else if (prototype === Uint8Array.prototype && value instanceof Uint8Array) {
    sized(TAG.bin8, value.length, out);
    out.raw(value);
  } else writeBinary(value, prototype, out);
}

/** A header with room for the length, which is known only after; returns where the content begins. */
function beginNested(type: number, out: ByteWriter): number {
  out.reserve(6);
  out.u8(TAG.ext32);
  word(0, out);
  out.u8(type);
  return out.position;
}

function endNested(start: number, out: ByteWriter): void {
  const end = out.position;
  out.position = start - 5;
  word(end - start, out);
  out.position = end;
}

function writeMembers(value: ReadonlyMap<unknown, unknown>, out: ByteWriter, depth: number): void {
  let part = '';
  let current: unknown;
  try {
    for (const [key, member] of value) {
      current = key;
      part = 'key';
      write(key, out, depth);
      part = 'value';
      write(member, out, depth);
    }
  } catch (error) {
    throw inside(error, `<${part} ${shown(current)}>`);
  }
}

function writeElements(value: ReadonlySet<unknown>, out: ByteWriter, depth: number): void {
  let i = 0;
  try {
    for (const element of value) {
      write(element, out, depth);
      i++;
    }
  } catch (error) {
    throw inside(error, `<element ${i}>`);
  }
}

function writeDate(value: Date, out: ByteWriter): void {
  const time = value.getTime();
  if (Number.isNaN(time)) throw new ValueRefused('an invalid Date cannot be kept');
  const seconds = Math.floor(time / 1000);
  extHeader(12, EXT.timestamp, out);
  out.reserve(12);
  word((time - seconds * 1000) * 1_000_000, out);
  word(Math.floor(seconds / 2 ** 32), out);
  word(seconds, out);
}

function writeBinary(value: object, prototype: unknown, out: ByteWriter): void {
  const name = value.constructor?.name;
  const kind =
    name !== undefined && Object.hasOwn(BINARY, name) ? BINARY[name as keyof typeof BINARY] : undefined;
  const bytes = ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : value instanceof ArrayBuffer
      ? new Uint8Array(value)
      : undefined;
  const own: unknown = name === undefined ? undefined : Reflect.get(globalThis, name);
  const exact = typeof own === 'function' && own.prototype === prototype;
  if (kind === undefined || bytes === undefined || !exact) throw instanceRefused(value);
  assert(LITTLE_ENDIAN, 'typed arrays are kept on little-endian machines only');
  extHeader(bytes.length + 1, EXT.binary, out);
  out.u8(kind);
  out.raw(bytes);
}

export function instanceRefused(value: object): ValueRefused {
  const name: unknown = value.constructor?.name;
  const known = typeof name === 'string' && name !== '' ? name : 'a class';
  return new ValueRefused(`an instance of ${known} cannot be kept`);
}

export function inside(error: unknown, step: string): unknown {
  if (!(error instanceof ValueRefused)) return error;
  // A cycle would print its way round to the depth limit.
  if (error.path.length <= MAX_PATH) return new ValueRefused(error.reason, step + error.path);
  return new ValueRefused(error.reason, `${step}${error.path.slice(0, MAX_PATH)}…`);
}

export function nameInPath(name: string): string {
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}

function shown(key: unknown): string {
  if (typeof key === 'object' && key !== null) return Array.isArray(key) ? '[…]' : '{…}';
  return typeof key === 'string' ? JSON.stringify(key) : String(key);
}

/**
 * Values as JSON, and back: what JSON lacks is an object of one property whose name begins with `$`.
 *
 *     {"$bigint":"5"}          {"$number":"NaN"}, "Infinity", "-Infinity", "-0"       {"$undefined":true}
 *     {"$date":"1970-01-01T00:00:00.000Z"}     {"$map":[[key,value],…]}               {"$set":[element,…]}
 *     {"$bytes":"base64"}      a Uint8Array    {"$binary":["Float64Array","base64"]}  other binary, little-endian
 *     {"$object":{…}}          an object whose first property begins with `$`
 *
 * Invariants: `fromTagged(toTagged(v))` equals v for every value the value codec keeps; equal values give equal text.
 */
import { TidemarkError } from '../base/errors.js';
import { ValueRefused } from '../codec/codec.js';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** How deep JSON may nest that is read back; more than any value does. */
const MAX_DEPTH = 400;

const VIEWS = {
  ArrayBuffer,
  Buffer,
  DataView,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
} as const;

export function toTagged(value: unknown): Json {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { $number: Object.is(value, -0) ? '-0' : String(value) };
    case 'bigint':
      return { $bigint: String(value) };
    case 'undefined':
      return { $undefined: true };
    case 'object':
      return value === null ? null : objectToTagged(value);
    default:
      throw new ValueRefused(`a ${typeof value} is no value`);
  }
}

function objectToTagged(value: object): Json {
  if (Array.isArray(value)) return value.map(toTagged);
  if (value instanceof Date) return { $date: value.toISOString() };
  if (value instanceof Map)
    return { $map: [...value].map(([key, member]) => [toTagged(key), toTagged(member)]) };
  if (value instanceof Set) return { $set: [...value].map(toTagged) };
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return binaryToTagged(value);
  const members = Object.entries(value).map(([name, member]) => [name, toTagged(member)] as const);
  const plain = record(members);
  return members[0]?.[0].startsWith('$') === true ? { $object: plain } : plain;
}

function binaryToTagged(value: ArrayBuffer | ArrayBufferView): Json {
  const bytes =
    value instanceof ArrayBuffer
      ? Buffer.from(value)
      : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const base64 = bytes.toString('base64');
  const { name } = value.constructor;
  return name === 'Uint8Array' ? { $bytes: base64 } : { $binary: [name, base64] };
}

/** @throws TidemarkError USAGE for what `toTagged` never gives. */
export function fromTagged(json: unknown): unknown {
  return read(json, 0);
}

function read(json: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) throw wrong('a value that nests too deep');
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) return json.map((member) => read(member, depth + 1));
  const [first] = Object.keys(json);
  return first?.startsWith('$') === true ? readTag(first, json, depth + 1) : readRecord(json, depth + 1);
}

function readRecord(json: object, depth: number): unknown {
  return record(Object.entries(json).map(([name, member]) => [name, read(member, depth)] as const));
}

function readTag(tag: string, json: object, depth: number): unknown {
  const entries = Object.entries(json);
  const content: unknown = entries[0]?.[1];
  if (entries.length !== 1) throw wrong(`${tag} beside other properties`);
  switch (tag) {
    case '$undefined':
      return content === true ? undefined : refuse(tag);
    case '$bigint':
      return typeof content === 'string' && /^-?\d+$/.test(content) ? BigInt(content) : refuse(tag);
    case '$number':
      return readNumber(content);
    case '$date':
      return readDate(content);
    case '$bytes':
      return Uint8Array.from(readBase64(content));
    case '$binary':
      return readBinary(content);
    case '$map':
      return new Map(readList(tag, content).map((pair) => readPair(pair, depth)));
    case '$set':
      return new Set(readList(tag, content).map((element) => read(element, depth)));
    case '$object':
      return typeof content === 'object' && content !== null ? readRecord(content, depth) : refuse(tag);
    default:
      throw wrong(`${tag}, which is no tag`);
  }
}

function readNumber(content: unknown): number {
  const numbers: Readonly<Record<string, number>> = {
    NaN: Number.NaN,
    Infinity: Number.POSITIVE_INFINITY,
    '-Infinity': Number.NEGATIVE_INFINITY,
    '-0': -0,
  };
  const found = typeof content === 'string' && Object.hasOwn(numbers, content) ? numbers[content] : undefined;
  return found ?? refuse('$number');
}

function readDate(content: unknown): Date {
  const date = new Date(typeof content === 'string' ? content : Number.NaN);
  return Number.isNaN(date.getTime()) ? refuse('$date') : date;
}

function readBinary(content: unknown): unknown {
  const [name, base64] = readList('$binary', content);
  const bytes = readBase64(base64);
  if (typeof name !== 'string' || !Object.hasOwn(VIEWS, name)) return refuse('$binary');
  if (name === 'Buffer') return bytes;
  const buffer = Uint8Array.from(bytes).buffer;
  if (name === 'ArrayBuffer') return buffer;
  const View = VIEWS[name as keyof typeof VIEWS] as new (buffer: ArrayBuffer) => ArrayBufferView;
  try {
    return new View(buffer);
  } catch {
    return refuse('$binary');
  }
}

function readBase64(content: unknown): Buffer {
  if (typeof content !== 'string') return refuse('base64');
  const bytes = Buffer.from(content, 'base64');
  return bytes.toString('base64') === content ? bytes : refuse('base64');
}

function readList(tag: string, content: unknown): readonly unknown[] {
  return Array.isArray(content) ? content : refuse(tag);
}

function readPair(pair: unknown, depth: number): [unknown, unknown] {
  const [key, value, ...more] = readList('$map', pair);
  return more.length === 0 ? [read(key, depth), read(value, depth)] : refuse('$map');
}

/** A plain object, whatever its names are. */
function record<T>(members: readonly (readonly [string, T])[]): Record<string, T> {
  const made: Record<string, T> = {};
  for (const [name, value] of members)
    Object.defineProperty(made, name, { value, writable: true, enumerable: true, configurable: true });
  return made;
}

function refuse(tag: string): never {
  throw wrong(`a wrong ${tag}`);
}

function wrong(what: string): TidemarkError {
  return new TidemarkError('USAGE', `the value has ${what}`, {
    hint: 'values that JSON lacks are tagged, as inspect shows them: {"$bigint":"5"}',
  });
}

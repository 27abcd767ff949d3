/**
 * The JSON codec: state that every tool can read, as MessagePack's `str` with the text in it.
 *
 * Kept are null, booleans, finite numbers (−0 too), strings, arrays and plain objects with their property order. What JSON
 * would lose or change without a word is refused, with its path: undefined, NaN, bigints, Date, Map, instances.
 *
 * Invariants: equal values give equal text, without white space; the reader takes any JSON, so that other tools may write
 * it, but none that nests deeper than values may.
 */
import { BytesDamaged, type Codec, type UntypedCodec, ValueRefused } from './codec.js';
import type { ByteReader } from './reader.js';
import { writeString } from './scalar-write.js';
import { readString } from './typed-codecs.js';
import { MAX_VALUE_DEPTH } from './value-tags.js';
import { inside, instanceRefused, nameInPath } from './value-write.js';
import type { ByteWriter } from './writer.js';

export const jsonCodec: Codec<unknown> & UntypedCodec = {
  id: 'json',
  version: 1,
  untyped: true,
  write(value: unknown, out: ByteWriter): void {
    writeString(hasNegativeZero(value, 0) ? textOf(value) : JSON.stringify(value), out);
  },
  read(from: ByteReader): unknown {
    const at = from.position;
    const text = readString(from);
    if (depthOf(text) > MAX_VALUE_DEPTH) throw new BytesDamaged('JSON that nests too deep', at);
    try {
      return JSON.parse(text);
    } catch {
      throw new BytesDamaged('not JSON', at);
    }
  },
};

/** Refuses what JSON would lose, and says whether there is a −0 in the value: `JSON.stringify` writes that as 0. */
function hasNegativeZero(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return false;
    case 'number':
      if (!Number.isFinite(value)) throw new ValueRefused(`${value} is not JSON`);
      return Object.is(value, -0);
    case 'object':
      return value !== null && insideObject(value, depth + 1);
    default:
      throw new ValueRefused(`${value === undefined ? 'undefined' : `a ${typeof value}`} is not JSON`);
  }
}

function insideObject(value: object, depth: number): boolean {
  if (depth > MAX_VALUE_DEPTH)
    throw new ValueRefused(`it nests deeper than ${MAX_VALUE_DEPTH} levels, or contains itself`);
  if (Array.isArray(value)) return insideArray(value, depth);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw instanceRefused(value);
  let found = false;
  let current = '';
  try {
    for (const name of Object.keys(value)) {
      current = name;
      if (hasNegativeZero((value as Readonly<Record<string, unknown>>)[name], depth)) found = true;
    }
  } catch (error) {
    throw inside(error, nameInPath(current));
  }
  return found;
}

function insideArray(value: readonly unknown[], depth: number): boolean {
  let found = false;
  let i = 0;
  try {
    // By index, which does not pass over holes.
    for (; i < value.length; i++) if (hasNegativeZero(value[i], depth)) found = true;
  } catch (error) {
    throw inside(error, `[${i}]`);
  }
  return found;
}

/** As `JSON.stringify`, of a value that was looked at, but for −0. */
function textOf(value: unknown): string {
  if (Object.is(value, -0)) return '-0';
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(textOf).join(',')}]`;
  const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}:${textOf(member)}`);
  return `{${members.join(',')}}`;
}

/** How deep brackets nest outside of strings; of text that is no JSON, any number. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"') quoted = !quoted;
    else if (quoted) {
      if (character === '\\') i++;
    } else if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth);
    else if (character === '}' || character === ']') depth--;
  }
  return deepest;
}

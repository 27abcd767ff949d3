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
    writeString(textOf(value, 0), out);
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

function textOf(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'boolean':
      return String(value);
    case 'number':
      if (!Number.isFinite(value)) throw new ValueRefused(`${value} is not JSON`);
      return Object.is(value, -0) ? '-0' : String(value);
    case 'object':
      return value === null ? 'null' : textOfObject(value, depth + 1);
    default:
      throw new ValueRefused(`${value === undefined ? 'undefined' : `a ${typeof value}`} is not JSON`);
  }
}

function textOfObject(value: object, depth: number): string {
  if (depth > MAX_VALUE_DEPTH)
    throw new ValueRefused(`it nests deeper than ${MAX_VALUE_DEPTH} levels, or contains itself`);
  if (Array.isArray(value)) return textOfArray(value, depth);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw instanceRefused(value);
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${step(member, depth, () => nameInPath(name))}`,
  );
  return `{${members.join(',')}}`;
}

function textOfArray(value: readonly unknown[], depth: number): string {
  const elements: string[] = [];
  // Not `map`, which passes over holes.
  for (let i = 0; i < value.length; i++) elements.push(step(value[i], depth, () => `[${i}]`));
  return `[${elements.join(',')}]`;
}

function step(value: unknown, depth: number, name: () => string): string {
  try {
    return textOf(value, depth);
  } catch (error) {
    throw inside(error, name());
  }
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

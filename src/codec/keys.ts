/**
 * Key codecs. A key is kept as the value codec keeps it, after it was normalised, so that each key has exactly
 * one encoding and any MessagePack library reads it: strings as str, integers as int, other numbers as float 64,
 * bigints as our extension, booleans, tuples as arrays.
 *
 * Invariants: `hash` does every check, so `identity`, `normalise` and `write` trust what it accepted; two keys have
 * one identity exactly when their bytes are equal; the identity of a tuple begins with a lone surrogate, which no
 * string key holds.
 */
import { TidemarkError } from '../base/errors.js';
import type { KeyCodec } from './key.js';
import { BooleanKey, DoubleKey, IntKey, LongKey, StringKey } from './key-scalars.js';
import { AutoKey, DeclaredTupleKey, MAX_KEY_DEPTH } from './key-tuples.js';
import { type AnyKeyType, key } from './key-type.js';

export type { AnyKeyType, KeyType } from './key-type.js';
export { key };

/** The longest id of a key type. */
export const MAX_KEY_TYPE_ID = 1024;
/** Codecs are kept by their id; a definition has few, a hostile file may name many. */
const MAX_KEPT_CODECS = 256;

const SCALARS: readonly KeyCodec[] = [
  new AutoKey(),
  new StringKey(),
  new IntKey(),
  new LongKey(),
  new DoubleKey(),
  new BooleanKey(),
];
const kept = new Map<string, KeyCodec>(SCALARS.map((codec) => [codec.id, codec]));

/** The codec of a declared key type. */
export function keyCodec(type: AnyKeyType): KeyCodec {
  return keyCodecById(type.id);
}

/**
 * The codec that wrote keys under this id, as recorded in a snapshot: `tuple(string,long)`.
 * @throws TidemarkError INCOMPATIBLE when no such type is known.
 */
export function keyCodecById(id: string): KeyCodec {
  const known = kept.get(id);
  if (known !== undefined) return known;
  const codec = id.length > MAX_KEY_TYPE_ID ? undefined : parseTuple(id, 0);
  if (codec === undefined) {
    throw new TidemarkError('INCOMPATIBLE', `key type ${JSON.stringify(id.slice(0, 100))} is not known`, {
      hint: 'it may come from a newer tidemark; look with: tidemark --version',
    });
  }
  if (kept.size < MAX_KEPT_CODECS) kept.set(id, codec);
  return codec;
}

function parseTuple(id: string, level: number): KeyCodec | undefined {
  const members = /^tuple\((.+)\)$/.exec(id)?.[1];
  if (members === undefined || level === MAX_KEY_DEPTH) return undefined;
  const parts: KeyCodec[] = [];
  for (const member of splitMembers(members)) {
    const part = kept.get(member) ?? parseTuple(member, level + 1);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return new DeclaredTupleKey(parts);
}

/** Cuts at the commas that are in no brackets. */
function splitMembers(text: string): string[] {
  const members: string[] = [];
  let open = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') open++;
    else if (text[i] === ')') open--;
    else if (text[i] === ',' && open === 0) {
      members.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...members, text.slice(start)];
}

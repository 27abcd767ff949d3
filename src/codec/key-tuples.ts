/** Codecs of keys that are tuples, or may be. */
import { type Key, type KeyCodec, type KeyIdentity, KeyRefused } from './key.js';
import {
  hashBigint,
  hashBoolean,
  hashDouble,
  hashSafeInteger,
  hashString,
  kindOf,
  MAX_KEY_UNITS,
} from './key-hash.js';
import { KeyBase } from './key-scalars.js';
import { writeArrayHeader, writeBigint, writeBoolean, writeNumber, writeString } from './scalar-write.js';
import { ByteWriter } from './writer.js';

/** How deep tuples may nest. */
export const MAX_KEY_DEPTH = 8;

const TUPLE_MARK = '\ud800';
const scratch = new ByteWriter();

/** What tuples share. A codec for each place; `auto` has itself in every place. */
abstract class TupleKey extends KeyBase {
  protected abstract part(index: number): KeyCodec;

  override identity(key: unknown): KeyIdentity {
    scratch.reset();
    this.write(key as Key, scratch);
    return TUPLE_MARK + scratch.bytes.toString('latin1', 0, scratch.position);
  }

  /** A frozen copy: it is kept, and what user code does with its own array must not reach it. */
  override normalise(key: unknown): Key {
    return Object.freeze((key as readonly unknown[]).map((member, i) => this.part(i).normalise(member)));
  }

  write(key: Key, out: ByteWriter): void {
    const members = key as readonly Key[];
    writeArrayHeader(members.length, out);
    for (let i = 0; i < members.length; i++) this.part(i).write(members[i] as Key, out);
  }
}

/** Units that the tuple being hashed may still hold; nested tuples count into the same sum. */
let room = 0;
let depth = 0;

/** `r = h₀`, then `r = 31·r + hᵢ`. Bounds what a tuple holds, also where it contains itself. */
function hashTuple(members: readonly unknown[], part: (index: number) => KeyCodec): number {
  if (members.length === 0) throw new KeyRefused('an empty tuple cannot be a key');
  if (depth === 0) room = MAX_KEY_UNITS;
  if (depth >= MAX_KEY_DEPTH)
    throw new KeyRefused(`a key cannot nest deeper than ${MAX_KEY_DEPTH} tuples, or contain itself`);
  depth++;
  try {
    let hash = 0;
    for (let i = 0; i < members.length; i++) {
      const member = members[i];
      // The most an encoded member takes beside its text.
      room -= (typeof member === 'string' ? member.length : 0) + 10;
      if (room < 0) throw new KeyRefused(`a key cannot be longer than ${MAX_KEY_UNITS} units`);
      hash = (Math.imul(31, hash) + part(i).hash(member)) | 0;
    }
    return hash;
  } finally {
    depth--;
  }
}

export class AutoKey extends TupleKey {
  readonly id = 'auto';
  readonly #self = () => this;

  hash(key: unknown): number {
    if (typeof key === 'string') return hashString(key);
    if (typeof key === 'number') return Number.isSafeInteger(key) ? hashSafeInteger(key) : hashDouble(key);
    if (typeof key === 'boolean') return hashBoolean(key);
    if (typeof key === 'bigint') return hashBigint(key);
    if (Array.isArray(key)) return hashTuple(key, this.#self);
    throw new KeyRefused(`${kindOf(key)} cannot be a key`);
  }

  override identity(key: unknown): KeyIdentity {
    // A Map takes −0 for 0, so that a number needs no change.
    return typeof key === 'object' ? super.identity(key) : (key as KeyIdentity);
  }

  override normalise(key: unknown): Key {
    if (typeof key === 'number') return key + 0;
    return typeof key === 'object' ? super.normalise(key) : (key as Key);
  }

  override write(key: Key, out: ByteWriter): void {
    if (typeof key === 'string') writeString(key, out);
    else if (typeof key === 'number') writeNumber(key + 0, out);
    else if (typeof key === 'boolean') writeBoolean(key, out);
    else if (typeof key === 'bigint') writeBigint(key, out);
    else super.write(key, out);
  }

  protected part(): KeyCodec {
    return this;
  }
}

export class DeclaredTupleKey extends TupleKey {
  readonly id: string;
  readonly #parts: readonly KeyCodec[];
  readonly #part: (index: number) => KeyCodec;

  constructor(parts: readonly KeyCodec[]) {
    super();
    this.id = `tuple(${parts.map((part) => part.id).join(',')})`;
    this.#parts = parts;
    this.#part = (index) => parts[index] as KeyCodec;
  }

  hash(key: unknown): number {
    if (!Array.isArray(key)) throw new KeyRefused(`${kindOf(key)} is not a ${this.id} key`);
    if (key.length !== this.#parts.length)
      throw new KeyRefused(`a tuple of ${key.length} is not a ${this.id} key`);
    return hashTuple(key, this.#part);
  }

  protected part(index: number): KeyCodec {
    return this.#part(index);
  }
}

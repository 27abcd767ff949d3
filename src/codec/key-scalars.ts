/** Codecs of keys that are one value. */
import { BytesDamaged } from './codec.js';
import { type Key, type KeyCodec, type KeyIdentity, KeyRefused } from './key.js';
import { hashBigint, hashBoolean, hashDouble, hashSafeInteger, hashString, kindOf } from './key-hash.js';
import type { ByteReader } from './reader.js';
import { writeBigint, writeBoolean, writeNumber, writeString } from './scalar-write.js';
import { readValue } from './value-read.js';
import type { ByteWriter } from './writer.js';

/** What all key codecs share; for a scalar, all but its checks. */
export abstract class KeyBase implements KeyCodec {
  abstract readonly id: string;
  readonly version = 1;
  abstract hash(key: unknown): number;
  abstract write(key: Key, out: ByteWriter): void;

  identity(key: unknown): KeyIdentity {
    return this.normalise(key) as KeyIdentity;
  }

  normalise(key: unknown): Key {
    return key as Key;
  }

  read(from: ByteReader): Key {
    return readKey(this, from);
  }
}

export class StringKey extends KeyBase {
  readonly id = 'string';

  hash(key: unknown): number {
    if (typeof key === 'string') return hashString(key);
    throw new KeyRefused(`${kindOf(key)} is not a string key`);
  }

  // A Map takes a string as it is; no need for the way over `normalise`.
  override identity(key: unknown): KeyIdentity {
    return key as string;
  }

  write(key: Key, out: ByteWriter): void {
    writeString(key as string, out);
  }
}

export class IntKey extends KeyBase {
  readonly id = 'int';

  hash(key: unknown): number {
    if (typeof key === 'number' && (key | 0) === key) return key | 0;
    throw new KeyRefused(`${shownKey(key)} is not a whole number within 32 bits`);
  }

  override normalise(key: unknown): Key {
    return (key as number) | 0;
  }

  write(key: Key, out: ByteWriter): void {
    writeNumber((key as number) | 0, out);
  }
}

export class LongKey extends KeyBase {
  readonly id = 'long';

  hash(key: unknown): number {
    if (typeof key === 'number' && Number.isSafeInteger(key)) return hashSafeInteger(key);
    if (typeof key === 'bigint') return hashBigint(key);
    throw new KeyRefused(`${shownKey(key)} is not a whole number that is kept exactly`);
  }

  override normalise(key: unknown): Key {
    if (typeof key === 'number') return key + 0;
    const number = Number(key);
    return Number.isSafeInteger(number) ? number : (key as bigint);
  }

  write(key: Key, out: ByteWriter): void {
    const plain = this.normalise(key);
    if (typeof plain === 'number') writeNumber(plain, out);
    else writeBigint(plain as bigint, out);
  }
}

export class DoubleKey extends KeyBase {
  readonly id = 'double';

  hash(key: unknown): number {
    if (typeof key === 'number') return hashDouble(key);
    throw new KeyRefused(`${kindOf(key)} is not a number key`);
  }

  override normalise(key: unknown): Key {
    return (key as number) + 0;
  }

  write(key: Key, out: ByteWriter): void {
    writeNumber((key as number) + 0, out);
  }
}

export class BooleanKey extends KeyBase {
  readonly id = 'boolean';

  hash(key: unknown): number {
    if (typeof key === 'boolean') return hashBoolean(key);
    throw new KeyRefused(`${kindOf(key)} is not a boolean key`);
  }

  write(key: Key, out: ByteWriter): void {
    writeBoolean(key as boolean, out);
  }
}

/** Reads what `write` wrote, and nothing else: a key in another form would be found under another identity. */
function readKey(codec: KeyCodec, from: ByteReader): Key {
  const at = from.position;
  const found = readValue(from);
  try {
    codec.hash(found);
  } catch (error) {
    if (error instanceof KeyRefused) throw new BytesDamaged(error.message, at);
    throw error;
  }
  const plain = codec.normalise(found);
  if (!same(found, plain)) throw new BytesDamaged(`not a ${codec.id} key in its one form`, at);
  return plain;
}

function same(found: unknown, plain: unknown): boolean {
  if (!Array.isArray(found) || !Array.isArray(plain)) return Object.is(found, plain);
  return found.length === plain.length && found.every((member, i) => same(member, plain[i]));
}

function shownKey(key: unknown): string {
  return typeof key === 'number' || typeof key === 'bigint' ? String(key) : kindOf(key);
}

/**
 * Keys whose type was not declared, and is now, or the other way round. What a key is stands in its bytes, and they stay
 * as they are: keys of other types are refused, and so is one whose bytes would change, since they could become those of
 * another key (5n, which is a long, is kept like 5 there). Its key group may be another: hash codes follow the type.
 */
import type { Key } from '../codec/key.js';
import { KeyRefused } from '../codec/key.js';
import { keyCodecById } from '../codec/keys.js';
import { ByteReader } from '../codec/reader.js';
import { ByteWriter } from '../codec/writer.js';
import { shownKey } from '../state/refused.js';

/** The hash code of a key under its new type. Throws KeyRefused, BytesDamaged. */
export type KeyWay = (bytes: Buffer) => number;

/** Undefined where the types are the same, or one is not known. */
export function wayOfKeys(was: string | null | undefined, is: string | null | undefined): KeyWay | undefined {
  if (was === is || typeof was !== 'string' || typeof is !== 'string') return undefined;
  const [from, to] = [keyCodecById(was), keyCodecById(is)];
  const out = new ByteWriter(64);
  return (bytes) => {
    const key = from.read(new ByteReader(bytes));
    const hash = to.hash(key);
    out.reset();
    to.write(to.normalise(key), out);
    if (!out.view().equals(bytes)) throw changed(key, is);
    return hash;
  };
}

function changed(key: Key, type: string): KeyRefused {
  return new KeyRefused(
    `${shownKey(key)} is kept in another way as a key of type ${type}, where it could be taken for another`,
  );
}

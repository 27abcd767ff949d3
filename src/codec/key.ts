/**
 * Keys: what may be one, what makes two the same, where they belong and how they are kept.
 *
 * Identity is the encoded bytes. Under `auto` 5 and 5n differ; −0 is 0 everywhere. NaN, null, undefined, lone
 * surrogates, empty tuples, bigints beyond 64 bits and everything else is refused with {@link KeyRefused}.
 */
import type { Codec } from './codec.js';

export type Key = string | number | bigint | boolean | readonly Key[];

/** What a key is found by in a Map: equal exactly for keys with equal bytes. */
export type KeyIdentity = string | number | bigint | boolean;

/** How the keys of one operator are checked, hashed and kept. `id` is recorded and checked on restore. */
export interface KeyCodec extends Codec<Key> {
  /** `auto`, `string`, `int`, `long`, `double`, `boolean` or `tuple(…)` of these. */
  readonly id: string;
  /** Java's hashCode, 32-bit signed. Does every check: throws {@link KeyRefused} for what cannot be a key. */
  hash(key: unknown): number;
  /** The Map identity of a key that `hash` accepted. */
  identity(key: unknown): KeyIdentity;
  /** The key as user code sees it (−0 as 0, long as number where safe), for one that `hash` accepted. */
  normalise(key: unknown): Key;
}

/** A value that cannot be a key, and why. */
export class KeyRefused extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'KeyRefused';
  }
}

/** How a definition says what its keys are: `keyBy(fn, key.string)`, `key.tuple(key.string, key.long)`. */
import type { Key } from './key.js';

declare const carried: unique symbol;

/** What every key type has; its `id` is recorded with the operator and checked on restore. */
export interface AnyKeyType {
  readonly id: string;
}

/** A key type whose keys are `T`: what the selector gives, and what `ctx.key` is. */
export interface KeyType<T = Key> extends AnyKeyType {
  readonly [carried]?: (key: T) => T;
}

type KeysOf<P extends readonly AnyKeyType[]> = {
  readonly [I in keyof P]: P[I] extends KeyType<infer T> ? T : never;
};

/** `T` is named at each use, so that the compiler can hold selectors against it. */
function keyType<T>(id: string): KeyType<T> {
  return { id };
}

export const key = {
  /** Strings, booleans, bigints within 64 bits, all numbers but NaN, tuples of these. 5 and 5n are two keys. */
  auto: keyType<Key>('auto'),
  string: keyType<string>('string'),
  /** Whole numbers within 32 bits, signed. */
  int: keyType<number>('int'),
  /** Whole numbers within 64 bits, signed. 5 and 5n are one key; it is a number where it is a safe integer. */
  long: keyType<number | bigint>('long'),
  /** All numbers but NaN. */
  double: keyType<number>('double'),
  boolean: keyType<boolean>('boolean'),
  /** Fixed in length, one type for each place. */
  tuple<const P extends readonly [AnyKeyType, ...AnyKeyType[]]>(...parts: P): KeyType<KeysOf<P>> {
    return keyType(`tuple(${parts.map((part) => part.id).join(',')})`);
  },
} as const;

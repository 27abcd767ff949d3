/**
 * Java's hash codes, as Apache Flink sees keys, and what is refused as a key. The string loop runs once for
 * every element of a keyed stream.
 */
import { KeyRefused } from './key.js';

/** The longest string in a key, and the longest sum of them in a tuple, in UTF-16 units. */
export const MAX_KEY_UNITS = 1024 * 1024;

const LEAST_SURROGATE = 0xd800;
const LEAST_LONG = -(2n ** 63n);
const LARGEST_LONG = 2n ** 63n - 1n;
const TRUE_HASH = 1231;
const FALSE_HASH = 1237;

const double = new Float64Array(1);
const words = new Int32Array(double.buffer);

/** `String.hashCode`. Refuses lone surrogates, which have no UTF-8. */
export function hashString(text: string): number {
  const length = text.length;
  let hash = 0;
  let all = 0;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    hash = (Math.imul(31, hash) + unit) | 0;
    all |= unit;
  }
  // No unit is as high as a surrogate where their OR is not.
  if (all >= LEAST_SURROGATE && !text.isWellFormed())
    throw new KeyRefused('a string with a lone surrogate cannot be a key');
  if (length > MAX_KEY_UNITS) throw new KeyRefused(`a key cannot be longer than ${MAX_KEY_UNITS} units`);
  return hash;
}

/** `Long.hashCode` of a safe integer. */
export function hashSafeInteger(value: number): number {
  if ((value | 0) === value) return value ^ (value >> 31);
  return (value | 0) ^ Math.floor(value / 2 ** 32);
}

/** `Long.hashCode` of a bigint. Refuses what is beyond 64 bits. */
export function hashBigint(value: bigint): number {
  if (value < LEAST_LONG || value > LARGEST_LONG)
    throw new KeyRefused('a bigint beyond 64 bits cannot be a key');
  return Number(BigInt.asIntN(32, value ^ (value >> 32n)));
}

/** `Double.hashCode`. Refuses NaN; −0 is 0. */
export function hashDouble(value: number): number {
  if (Number.isNaN(value)) throw new KeyRefused('NaN cannot be a key');
  double[0] = value + 0;
  return (words[0] as number) ^ (words[1] as number);
}

export function hashBoolean(value: boolean): number {
  return value ? TRUE_HASH : FALSE_HASH;
}

/** What an error calls a value that is no key. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'object') return Array.isArray(value) ? 'a tuple' : 'an object';
  return `a ${typeof value}`;
}

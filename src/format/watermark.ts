/**
 * Watermarks as state, tables of kind `watermark`: the key is the input (0 where there is one), a `long` key in key
 * group 0; the value is the time, an integer, a bigint where it is beyond 2^53 − 1, and 2^63 − 1 at the end of time.
 * An input that has none is absent. Subtasks are merged before: the least of an input's counts.
 */
import { BytesDamaged } from '../codec/codec.js';
import { ByteReader } from '../codec/reader.js';
import { valueCodec } from '../codec/value.js';

export const END_OF_TIME = 2n ** 63n - 1n;

/** Milliseconds since 1970, or the end of time. */
export type Watermark = number | 'end';

/** The value to be written for a watermark; Infinity is the end of time. */
export function writtenWatermark(watermark: number): number | bigint {
  return watermark === Number.POSITIVE_INFINITY ? END_OF_TIME : watermark;
}

/** Throws {@link BytesDamaged}. */
export function readWatermark(value: Buffer): Watermark {
  const time = valueCodec.read(new ByteReader(value));
  if (typeof time === 'number' && Number.isSafeInteger(time)) return time;
  if (time === END_OF_TIME) return 'end';
  throw new BytesDamaged('not a watermark', 0);
}

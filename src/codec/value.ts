/**
 * The value codec: what state is kept in. A subset of MessagePack that any library for it reads; FORMAT.md has
 * the bytes. Written by value-write.ts, read by value-read.ts.
 *
 * Kept as they are: null, undefined, booleans, numbers (−0, NaN and the infinities too), strings, bigints, Date,
 * plain objects with their property order, arrays, Map, Set, ArrayBuffer, Buffer, DataView, typed arrays.
 * Refused: functions, symbols, instances of other classes, lone surrogates, holes in arrays, invalid Dates, cycles,
 * and what nests deeper than MAX_VALUE_DEPTH. Not part of a value, as for JSON and structuredClone: properties
 * named by symbols or not enumerable, and named properties of arrays.
 *
 * Invariants: every value has one encoding (shortest headers, integers as integers), and the reader takes no
 * other; objects without a prototype come back as plain ones; a name like `__proto__` stays a plain property.
 */
import type { Codec, UntypedCodec } from './codec.js';
import { readValue } from './value-read.js';
import { writeValue } from './value-write.js';

/** Everything in state that declares no codec of its own. */
export const valueCodec: Codec<unknown> & UntypedCodec = {
  id: 'value',
  version: 1,
  untyped: true,
  write: writeValue,
  read: readValue,
};

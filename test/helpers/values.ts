/** Generators of what the value codec keeps, and of what keys are. */
import fc from './property.js';

/** Well-formed strings, lone surrogates never: the default unit of fast-check is printable ASCII. */
export const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 80 }),
  fc.nat({ max: 400 }).map((length) => 'ü'.repeat(length)),
);

export const number = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.constantFrom(
    0,
    -0,
    Number.NaN,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    2 ** 53 - 1,
  ),
  fc.constantFrom(
    -32,
    -33,
    -128,
    -129,
    -32_768,
    -32_769,
    -(2 ** 31),
    -(2 ** 31) - 1,
    -(2 ** 53),
    1 - 2 ** 53,
  ),
);

const typedArray = fc.oneof(
  fc.uint8Array(),
  fc.uint8ClampedArray(),
  fc.int8Array(),
  fc.int16Array(),
  fc.uint16Array(),
  fc.int32Array(),
  fc.uint32Array(),
  fc.float32Array(),
  fc.float64Array({ noNaN: true }),
  fc.bigInt64Array(),
  fc.bigUint64Array(),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  fc.uint8Array().map((bytes) => Uint8Array.from(bytes).buffer),
  fc.uint8Array().map((bytes) => new DataView(Uint8Array.from(bytes).buffer)),
);

const leaf = fc.oneof(
  { weight: 5, arbitrary: number },
  { weight: 5, arbitrary: text },
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.bigInt(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n }),
  fc.date({ noInvalidDate: true }),
  typedArray,
);

const name = fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'toString', '1', '0', ''));

function record(value: fc.Arbitrary<unknown>): fc.Arbitrary<Record<string, unknown>> {
  return fc.array(fc.tuple(name, value), { maxLength: 20 }).map((pairs) => {
    const made: Record<string, unknown> = {};
    for (const [key, member] of pairs)
      Object.defineProperty(made, key, {
        value: member,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    return made;
  });
}

export const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 20 }),
    record(tie('value')),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 5 }).map((pairs) => new Map(pairs)),
    fc.array(tie('value'), { maxLength: 5 }).map((elements) => new Set(elements)),
  ),
}));

/** What plain MessagePack has, as far as any library keeps it apart. */
export const { plain } = fc.letrec<{ plain: unknown }>((tie) => ({
  plain: fc.oneof(
    { depthSize: 'small' },
    // The library writes −0 as 0, and its integers beyond 53 bits are others.
    number.filter((each) => !Object.is(each, -0)),
    text,
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array(),
    fc.array(tie('plain'), { maxLength: 20 }),
    fc.dictionary(text, tie('plain'), { maxKeys: 20 }).map((made) => ({ ...made })),
  ),
}));

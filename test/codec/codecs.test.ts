/** Codecs besides the one for values of every kind: what they keep, what they refuse, and what they make of damage. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decode } from '@msgpack/msgpack';
import { TidemarkError } from '../../src/base/errors.js';
import { BytesDamaged, type Codec, DecodeFailed, isTyped, ValueRefused } from '../../src/codec/codec.js';
import { archivedCodec, codec, ownCodec } from '../../src/codec/codecs.js';
import { jsonCodec } from '../../src/codec/json.js';
import { listCodec } from '../../src/codec/list.js';
import { ByteReader } from '../../src/codec/reader.js';
import { valueCodec } from '../../src/codec/value.js';
import { MAX_VALUE_DEPTH } from '../../src/codec/value-tags.js';
import { ByteWriter } from '../../src/codec/writer.js';
import fc from '../helpers/property.js';
import { number, text, value } from '../helpers/values.js';

/** Of whatever is given to it. */
function of(made: unknown): Codec<never> {
  return made as Codec<never>;
}

/** Cents as text, which once were a number. */
const money = codec.define<bigint>({
  id: 'money',
  version: 2,
  encode: (cents) => Buffer.from(cents.toString()),
  decode: (bytes, version) => {
    const shown = Buffer.from(bytes).toString();
    if (!/^-?\d+$/.test(shown)) throw new RangeError(`no money: ${shown.slice(0, 10)}`);
    return version === 1 ? BigInt(shown) * 100n : BigInt(shown);
  },
});

const json = fc
  .jsonValue({ noUnicodeString: false })
  // Objects without a prototype come back as plain ones.
  .map((made) => JSON.parse(JSON.stringify(made)) as unknown);

const KINDS: readonly (readonly [Codec<never>, fc.Arbitrary<unknown>])[] = [
  [of(valueCodec), value],
  [of(jsonCodec), fc.oneof(json, fc.constantFrom(-0, { a: -0 }, JSON.parse('{"__proto__":1}')))],
  [of(codec.number), number],
  [of(codec.string), text],
  [of(codec.bytes), fc.uint8Array({ maxLength: 400 })],
  [of(money), fc.bigInt()],
];

function write(by: Codec<never>, made: unknown): Buffer {
  const out = new ByteWriter(1);
  by.write(made as never, out);
  return out.copy();
}

function read(by: Codec<never>, bytes: Buffer, version?: number): unknown {
  const from = new ByteReader(bytes);
  const found: unknown = by.read(from, version);
  if (from.remaining > 0) throw new BytesDamaged('bytes are left', from.position);
  return found;
}

for (const [by, values] of KINDS) {
  describe(`codec ${by.id}`, () => {
    const lists = of(listCodec(by));

    test('what is kept comes back equal, alone and in a list', () => {
      fc.assert(
        fc.property(values, fc.array(values, { maxLength: 20 }), (one, many) => {
          assert.deepStrictEqual(read(by, write(by, one)), one);
          assert.deepStrictEqual(read(lists, write(lists, many)), many);
        }),
      );
    });

    test('each value is one MessagePack item, and equal values are equal bytes', () => {
      fc.assert(
        fc.property(values, (made) => {
          const bytes = write(by, made);
          // What the library refuses to read of values is held against it in value.test.ts.
          if (by.id !== 'value') decode(bytes);
          assert.deepEqual(write(by, read(by, bytes)), bytes);
        }),
      );
    });

    test('bytes that were changed are refused, or read as some value; nothing else happens', () => {
      fc.assert(
        fc.property(
          values.map((made) => write(by, made)),
          fc.nat(),
          fc.integer({ min: 1, max: 255 }),
          fc.nat(),
          (bytes, at, flip, cut) => {
            const hostile = Buffer.from(bytes);
            hostile[at % hostile.length] = (hostile[at % hostile.length] ?? 0) ^ flip;
            for (const made of [hostile, bytes.subarray(0, cut % bytes.length)]) {
              try {
                read(by, made);
              } catch (error) {
                assert.ok(error instanceof BytesDamaged || error instanceof DecodeFailed, String(error));
              }
            }
          },
        ),
        { numRuns: 300 },
      );
    });

    test('a length beyond the bytes that are there is refused before anything is made of it', () => {
      for (const head of ['dbffffffff', 'c6ffffffff', 'ddffffffff', 'dfffffffff', 'c9ffffffff01']) {
        assert.throws(() => read(by, Buffer.from(`${head}00`, 'hex')), BytesDamaged);
        assert.throws(() => read(lists, Buffer.from(`91${head}00`, 'hex')), BytesDamaged);
      }
    });
  });
}

test('what was read does not share memory with what it was read from', () => {
  const bytes = write(of(codec.bytes), Uint8Array.of(1, 2));
  const found = read(of(codec.bytes), bytes);
  bytes.fill(0xff);
  assert.deepEqual(found, Uint8Array.of(1, 2));
  let seen: Uint8Array | undefined;
  const keeping = codec.define<Uint8Array>({
    id: 'keeping',
    encode: (made) => made,
    decode(made) {
      seen = made;
      return made;
    },
  });
  const kept = write(of(keeping), Uint8Array.of(7));
  read(of(keeping), kept);
  kept.fill(0xff);
  assert.deepEqual(seen, Uint8Array.of(7));
});

describe('what a codec does not keep is refused, with its path', () => {
  const cyclic: unknown[] = [];
  cyclic.push({ again: cyclic });
  const cases: readonly (readonly [Codec<never>, unknown, RegExp, string])[] = [
    [of(codec.number), '5', /expected a number, found a string/, ''],
    [of(codec.number), undefined, /found undefined/, ''],
    [of(codec.string), 5, /expected a string, found a number/, ''],
    [of(codec.string), '\ud800', /lone surrogate/, ''],
    [of(codec.bytes), [1], /expected a Uint8Array, found an array/, ''],
    [of(jsonCodec), undefined, /undefined is not JSON/, ''],
    [of(jsonCodec), { a: [1, undefined] }, /undefined is not JSON/, '.a[1]'],
    [of(jsonCodec), { 'a b': Number.NaN }, /NaN is not JSON/, '["a b"]'],
    [of(jsonCodec), [5n], /a bigint is not JSON/, '[0]'],
    [of(jsonCodec), { f: () => 1 }, /a function is not JSON/, '.f'],
    [of(jsonCodec), { at: new Date(0) }, /an instance of Date/, '.at'],
    [of(jsonCodec), new Map(), /an instance of Map/, ''],
    [of(jsonCodec), new Array(2), /undefined is not JSON/, '[0]'],
    [of(money), null, /encode of codec money threw: Cannot read/, ''],
  ];
  for (const [by, made, reason, path] of cases) {
    test(`${by.id}: ${reason.source}`, () => {
      const refused = (inside: string) => (error: unknown) =>
        error instanceof ValueRefused && reason.test(error.reason) && error.path === inside + path;
      assert.throws(() => write(by, made), refused(''));
      assert.throws(() => write(of(listCodec(by)), [made]), refused('[0]'));
    });
  }

  test('json: what contains itself', () => {
    assert.throws(
      () => write(of(jsonCodec), cyclic),
      (error) =>
        error instanceof ValueRefused && /nests deeper/.test(error.reason) && error.path.length < 300,
    );
  });
});

describe('JSON', () => {
  const byJson = of(jsonCodec);

  test('is plain text: without white space, in the order of properties', () => {
    const bytes = write(byJson, { b: [1, 'ü'], a: null });
    assert.equal(decode(bytes), '{"b":[1,"ü"],"a":null}');
  });

  test('of other tools is read, but not what nests too deep, or is none', () => {
    const text = (made: string) => write(of(codec.string), made);
    assert.deepEqual(read(byJson, text(' { "a" : [ 1 ] } ')), { a: [1] });
    assert.deepEqual(read(byJson, text('"[[["')), '[[[');
    const nested = (depth: number) => text('['.repeat(depth) + ']'.repeat(depth));
    read(byJson, nested(MAX_VALUE_DEPTH));
    for (const damaged of [nested(MAX_VALUE_DEPTH + 1), text(''), text('{'), text('undefined')])
      assert.throws(() => read(byJson, damaged), BytesDamaged);
    const deepest = read(byJson, nested(MAX_VALUE_DEPTH));
    assert.deepEqual(write(byJson, deepest), nested(MAX_VALUE_DEPTH));
  });
});

describe('codec.define', () => {
  const good = { id: 'mine', encode: () => Uint8Array.of(), decode: () => 0 };

  test('an older version of the codec is read as such', () => {
    const bytes = write(of(money), 5n);
    assert.equal(read(of(money), bytes), 5n);
    assert.equal(read(of(money), bytes, 1), 500n);
    const lists = of(listCodec(money));
    assert.deepEqual(read(lists, write(lists, [5n]), 1), [500n]);
  });

  test('what decode throws is told with its cause', () => {
    const bytes = write(of(codec.bytes), Buffer.from('twelve'));
    assert.throws(
      () => read(of(money), bytes),
      (error) =>
        error instanceof DecodeFailed &&
        /codec money cannot decode a value: no money: twelve/.test(error.message) &&
        error.cause instanceof RangeError,
    );
  });

  test('an encode that returns no bytes is refused', () => {
    const wrong = codec.define({ ...good, encode: () => 'text' as unknown as Uint8Array });
    assert.throws(() => write(of(wrong), 1), /encode of codec mine returned no Uint8Array/);
  });

  for (const [definition, finding] of [
    [{ ...good, id: '' }, /id: expected/],
    [{ ...good, id: 'list(value)' }, /id: expected/],
    [{ ...good, id: 'a'.repeat(101) }, /id: expected/],
    [{ ...good, id: '-a' }, /id: expected/],
    [{ ...good, id: 'JSON' }, /id: JSON is one of tidemark's own/],
    [{ ...good, version: 0 }, /version: expected/],
    [{ ...good, version: 1.5 }, /version: expected/],
    [{ ...good, encode: 5 }, /encode: expected a function/],
    [{ id: 'mine', encode: good.encode }, /decode: expected a function/],
    [{ ...good, reads: codec.value }, /reads: expected an array of codecs/],
    [{ ...good, reads: [{}] }, /reads: expected an array of codecs/],
    [{ ...good, decodes: 1 }, /no property "decodes"; expected one of: id, version/],
    [undefined, /expected an object/],
  ] as const) {
    test(`refuses ${finding.source}`, () => {
      assert.throws(
        () => codec.define(definition as never),
        (error) =>
          error instanceof TidemarkError && error.code === 'GRAPH_INVALID' && finding.test(error.message),
      );
    });
  }
});

test('by its id, a codec of tidemark is found, and of any other the bytes that it wrote', () => {
  for (const own of [codec.value, codec.json, codec.number, codec.string, codec.bytes]) {
    assert.equal(ownCodec(own), own);
    assert.equal(ownCodec({ id: own.id, version: own.version + 1 }), undefined);
  }
  for (const id of ['money', '__proto__', 'toString']) assert.equal(ownCodec({ id, version: 1 }), undefined);
  const bytes = write(of(money), 12n);
  const seen = of(archivedCodec(money));
  assert.deepEqual(read(seen, bytes), Uint8Array.from(Buffer.from('12')));
  assert.deepEqual(write(seen, read(seen, bytes)), bytes);
});

test('what a codec of any type keeps has no type of its own', () => {
  assert.deepEqual([codec.value, codec.json, codec.number, codec.string, codec.bytes, money].map(isTyped), [
    false,
    false,
    true,
    true,
    true,
    true,
  ]);
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BytesDamaged } from '../../src/codec/codec.js';
import { type Key, type KeyCodec, KeyRefused } from '../../src/codec/key.js';
import { MAX_KEY_UNITS } from '../../src/codec/key-hash.js';
import { type AnyKeyType, type KeyType, key, keyCodec, keyCodecById } from '../../src/codec/keys.js';
import { ByteReader } from '../../src/codec/reader.js';
import { ByteWriter } from '../../src/codec/writer.js';
import fc from '../helpers/property.js';
import { number, text } from '../helpers/values.js';

function write(codec: KeyCodec, made: Key): Buffer {
  const out = new ByteWriter(1);
  codec.write(made, out);
  return out.copy();
}

function read(codec: KeyCodec, bytes: Buffer): Key {
  return codec.read(new ByteReader(bytes));
}

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const double = number.filter((each) => !Number.isNaN(each));
const { auto } = fc.letrec<{ auto: Key }>((tie) => ({
  auto: fc.oneof(
    { depthSize: 'small', maxDepth: 4 },
    text,
    double,
    long,
    fc.boolean(),
    fc.array(tie('auto'), { minLength: 1, maxLength: 4 }),
  ),
}));

const wholeLong = fc.oneof(fc.maxSafeInteger(), long);
const KINDS: readonly (readonly [AnyKeyType, fc.Arbitrary<Key>])[] = [
  [key.auto, auto],
  [key.string, text],
  [key.int, fc.integer()],
  [key.long, wholeLong],
  [key.double, double],
  [key.boolean, fc.boolean()],
  [key.tuple(key.string, key.long), fc.tuple(text, wholeLong)],
  [key.tuple(key.auto, key.tuple(key.double)), fc.tuple(auto, fc.tuple(double))],
];

for (const [type, arbitrary] of KINDS) {
  describe(type.id, () => {
    const codec = keyCodec(type);

    test('a key comes back as user code sees it', () => {
      fc.assert(
        fc.property(arbitrary, (made) => {
          codec.hash(made);
          assert.deepStrictEqual(read(codec, write(codec, made)), codec.normalise(made));
        }),
      );
    });

    test('identity, bytes and hash agree, also with those of the normalised key', () => {
      fc.assert(
        fc.property(arbitrary, arbitrary, (a, b) => {
          const sameBytes = write(codec, a).equals(write(codec, b));
          const found = new Map([[codec.identity(a), 1]]).has(codec.identity(b));
          assert.equal(found, sameBytes);
          if (found) assert.equal(codec.hash(a), codec.hash(b));
          const plain = codec.normalise(a);
          assert.deepEqual(write(codec, plain), write(codec, a));
          assert.equal(codec.hash(plain), codec.hash(a));
          assert.ok(new Map([[codec.identity(a), 1]]).has(codec.identity(plain)));
          assert.equal(codec.hash(a), codec.hash(a) | 0);
        }),
      );
    });

    test('bytes of anything read as a key in its one form, or are damaged', () => {
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        arbitrary.map((made) => write(codec, made)),
      );
      fc.assert(
        fc.property(bytes, fc.nat(), fc.nat({ max: 255 }), (made, any, change) => {
          const changed = Buffer.from(made);
          if (changed.length > 0) changed[any % changed.length] = change;
          try {
            const from = new ByteReader(changed);
            const found = codec.read(from);
            assert.deepEqual(write(codec, found), changed.subarray(0, from.position));
          } catch (error) {
            if (!(error instanceof BytesDamaged)) throw error;
          }
        }),
        { numRuns: 1000 },
      );
    });

    test('the codec is found by its id', () => assert.equal(keyCodecById(codec.id).id, codec.id));
  });
}

describe('hash codes as in Java', () => {
  const hash = (type: AnyKeyType, made: unknown) => keyCodec(type).hash(made);

  test('long and double against their definition', () => {
    const bits = (made: number) => new BigInt64Array(new Float64Array([made]).buffer)[0] ?? 0n;
    const folded = (word: bigint) =>
      Number(BigInt.asIntN(32, word ^ BigInt.asIntN(64, BigInt.asUintN(64, word) >> 32n)));
    fc.assert(
      fc.property(wholeLong, double, (whole, made) => {
        assert.equal(hash(key.long, whole), folded(BigInt(whole)));
        assert.equal(hash(key.double, made), folded(bits(made + 0)));
      }),
    );
  });

  test('strings and tuples against values that Java gives', () => {
    assert.equal(hash(key.string, 'hello'), 99_162_322);
    assert.equal(hash(key.string, 'polygenelubricants'), -(2 ** 31));
    assert.equal(hash(key.double, 1.5), 1_073_217_536);
    assert.equal(
      hash(key.tuple(key.string, key.string), ['hello', 'world']),
      (99_162_322 * 31 + 113_318_802) | 0,
    );
  });
});

describe('what two keys are', () => {
  const identical = (type: AnyKeyType, a: Key, b: Key) => {
    const codec = keyCodec(type);
    return (
      new Set([codec.identity(a), codec.identity(b)]).size === 1 && write(codec, a).equals(write(codec, b))
    );
  };

  test('5 and 5n differ under auto and are one under long', () => {
    assert.equal(identical(key.auto, 5, 5n), false);
    assert.equal(identical(key.long, 5, 5n), true);
    assert.equal(identical(key.auto, [5], [5n]), false);
    assert.equal(identical(key.tuple(key.long), [5], [5n]), true);
    assert.equal(keyCodec(key.long).normalise(5n), 5);
    assert.equal(keyCodec(key.long).normalise(2n ** 60n), 2n ** 60n);
  });

  test('−0 is 0 everywhere', () => {
    for (const type of [key.auto, key.int, key.long, key.double]) {
      assert.equal(identical(type, -0, 0), true);
      assert.ok(Object.is(keyCodec(type).normalise(-0), 0));
      assert.equal(keyCodec(type).hash(-0), keyCodec(type).hash(0));
    }
    assert.equal(identical(key.auto, [-0], [0]), true);
  });

  test('a tuple is none of the strings, nor another tuple that reads alike', () => {
    const codec = keyCodec(key.auto);
    const identity = codec.identity(['a']);
    assert.equal(typeof identity, 'string');
    assert.throws(() => codec.hash(identity), KeyRefused);
    assert.equal(identical(key.auto, ['a', 'b'], ['ab']), false);
    assert.equal(identical(key.auto, [['a'], 'b'], ['a', ['b']]), false);
    assert.equal(identical(key.auto, ['1'], [1]), false);
    assert.equal(identical(key.auto, [true], [1]), false);
  });

  test('a normalised tuple is a frozen copy', () => {
    const made = ['a', ['b']] as const;
    const plain = keyCodec(key.auto).normalise(made) as readonly Key[];
    assert.notEqual(plain, made);
    assert.ok(Object.isFrozen(plain) && Object.isFrozen(plain[1]));
  });
});

describe('refused', () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  const refused: readonly (readonly [AnyKeyType, unknown])[] = [
    [key.auto, Number.NaN],
    [key.auto, null],
    [key.auto, undefined],
    [key.auto, {}],
    [key.auto, new Date(0)],
    [key.auto, () => 1],
    [key.auto, Symbol('x')],
    [key.auto, []],
    [key.auto, ['a', []]],
    [key.auto, ['a', undefined]],
    [key.auto, new Array(2)],
    [key.auto, cyclic],
    [key.auto, 'x\ud800'],
    [key.auto, ['\udc00']],
    [key.auto, 2n ** 63n],
    [key.auto, -(2n ** 63n) - 1n],
    [key.auto, 'x'.repeat(MAX_KEY_UNITS + 1)],
    [key.auto, ['x'.repeat(MAX_KEY_UNITS), 'x']],
    [key.auto, [['x'.repeat(MAX_KEY_UNITS / 2)], ['x'.repeat(MAX_KEY_UNITS / 2)]]],
    [key.string, 5],
    [key.string, '\ud800'],
    [key.int, 1.5],
    [key.int, 2 ** 31],
    [key.int, -(2 ** 31) - 1],
    [key.int, 5n],
    [key.int, '5'],
    [key.long, 1.5],
    [key.long, 2 ** 53],
    [key.long, 2n ** 63n],
    [key.long, Number.NaN],
    [key.double, Number.NaN],
    [key.double, 5n],
    [key.boolean, 0],
    [key.boolean, 'true'],
    [key.tuple(key.string, key.long), 'a'],
    [key.tuple(key.string, key.long), ['a']],
    [key.tuple(key.string, key.long), ['a', 1, 2]],
    [key.tuple(key.string, key.long), [1, 'a']],
    [key.tuple(key.string, key.long), ['a', 1.5]],
  ];
  for (const [i, [type, made]] of refused.entries()) {
    test(`case ${i + 1}, of ${type.id}`, () => assert.throws(() => keyCodec(type).hash(made), KeyRefused));
  }

  test('a refused tuple leaves the next one unharmed', () => {
    const codec = keyCodec(key.auto);
    assert.throws(() => codec.hash([['x'.repeat(MAX_KEY_UNITS)], 'y', Number.NaN]), KeyRefused);
    assert.throws(() => codec.hash(cyclic), KeyRefused);
    codec.hash([[[['x'.repeat(MAX_KEY_UNITS / 2)]]]]);
  });

  test('the largest key there may be takes less than 16 MiB', () => {
    const codec = keyCodec(key.auto);
    const made = [['€'.repeat(MAX_KEY_UNITS - 30)], 1.5];
    codec.hash(made);
    assert.ok(write(codec, made).length < 16 * 1024 * 1024);
  });
});

test('ids that name no codec', () => {
  const deep = `${'tuple('.repeat(20)}auto${')'.repeat(20)}`;
  for (const id of [
    '',
    'Auto',
    'tuple',
    'tuple()',
    'tuple(',
    'tuple(auto',
    'tuple(auto,)',
    'tuple(auto)x',
    deep,
  ]) {
    assert.throws(() => keyCodecById(id), { code: 'INCOMPATIBLE' });
  }
  assert.throws(() => keyCodecById(`tuple(${'auto,'.repeat(100_000)}auto)`), { code: 'INCOMPATIBLE' });
  assert.throws(() => keyCodecById('constructor'), { code: 'INCOMPATIBLE' });
});

/** Never called: what `keyBy` will accept is for the compiler to say. */
export function typesOfKeys(keyBy: <K>(select: (word: string) => NoInfer<K>, type: KeyType<K>) => K): void {
  const word: string = keyBy((each) => each, key.string);
  const pair: readonly [string, number | bigint] = keyBy(
    (each) => [each, each.length] as const,
    key.tuple(key.string, key.long),
  );
  const any: Key = keyBy((each) => [each, 5n], key.auto);
  // @ts-expect-error a string is no long
  keyBy((each) => each, key.long);
  // @ts-expect-error the second place is a long
  keyBy((each) => [each, each] as const, key.tuple(key.string, key.long));
  // @ts-expect-error an object is no key
  keyBy((each) => ({ each }), key.auto);
  // @ts-expect-error a tuple has a place at least
  key.tuple();
  assert.ok([word, pair, any]);
}

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decode, encode } from '@msgpack/msgpack';
import { BytesDamaged, ValueRefused } from '../../src/codec/codec.js';
import { ByteReader } from '../../src/codec/reader.js';
import { valueCodec } from '../../src/codec/value.js';
import { MAX_VALUE_DEPTH } from '../../src/codec/value-tags.js';
import { ByteWriter } from '../../src/codec/writer.js';
import fc from '../helpers/property.js';
import { plain, value } from '../helpers/values.js';

function write(made: unknown): Buffer {
  // The smallest buffer, so that every write meets its growth somewhere.
  const out = new ByteWriter(1);
  valueCodec.write(made, out);
  return out.copy();
}

function read(bytes: Uint8Array): unknown {
  const from = new ByteReader(Buffer.from(bytes));
  const found = valueCodec.read(from);
  if (from.remaining > 0) throw new BytesDamaged('bytes are left', from.position);
  return found;
}

const keysOf = (record: unknown) => Object.keys(record as object);

describe('round trips', () => {
  test('every value that may be kept comes back equal, of its own kind and in its own order', () => {
    fc.assert(
      fc.property(value, (made) => {
        const found = read(write(made));
        assert.deepStrictEqual(found, made);
        if (typeof made === 'object' && made?.constructor === Object)
          assert.deepEqual(keysOf(found), keysOf(made));
      }),
      { numRuns: 2000 },
    );
  });

  test('the order of properties, map members and set elements survives', () => {
    const found = read(
      write({
        b: 1,
        a: 2,
        m: new Map([
          ['z', 1],
          ['y', 2],
        ]),
        s: new Set([3, 1, 2]),
      }),
    );
    assert.deepEqual(keysOf(found), ['b', 'a', 'm', 's']);
    const { m, s } = found as { m: Map<string, number>; s: Set<number> };
    assert.deepEqual(
      [[...m.keys()], [...s]],
      [
        ['z', 'y'],
        [3, 1, 2],
      ],
    );
  });

  test('every length of text, list and record across the borders of headers', () => {
    for (const length of [
      0, 1, 12, 13, 15, 16, 31, 32, 48, 49, 85, 86, 255, 256, 4096, 4097, 65_535, 65_536,
    ]) {
      for (const made of ['x'.repeat(length), 'ü'.repeat(length), `${'x'.repeat(length)}€`]) {
        assert.equal(read(write(made)), made);
      }
      const list = Array.from({ length }, (_, i) => i);
      assert.deepEqual(read(write(list)), list);
      const record = Object.fromEntries(list.map((i) => [`k${i}`, i]));
      assert.deepEqual(read(write({ record })), { record });
      assert.deepEqual(read(write(new Uint8Array(length))), new Uint8Array(length));
      assert.deepEqual(read(write(new Int8Array(length))), new Int8Array(length));
      const big = 1n << BigInt(length * 8 + 64);
      if (length < 5000) assert.equal(read(write(big)), big);
    }
  });

  test('objects without a prototype come back as plain objects', () => {
    assert.deepStrictEqual(read(write(Object.assign(Object.create(null), { a: 1 }))), { a: 1 });
  });

  test('a typed array over a part of a buffer keeps its part', () => {
    const part = new Float64Array(new Float64Array([1, 2, 3]).buffer, 8, 1);
    assert.deepEqual(read(write(part)), new Float64Array([2]));
  });

  test('what was read does not share memory with what it was read from', () => {
    const bytes = write([new Uint8Array([1, 2]), Buffer.from([3])]);
    const found = valueCodec.read(new ByteReader(bytes));
    bytes.fill(0xff);
    assert.deepEqual(found, [new Uint8Array([1, 2]), Buffer.from([3])]);
  });
});

describe('one encoding for each value', () => {
  test('what reads at all is written back as it was', () => {
    fc.assert(
      fc.property(value, (made) => {
        const bytes = write(made);
        assert.deepEqual(write(read(bytes)), bytes);
      }),
    );
  });

  test('numbers computed in different ways have the same bytes', () => {
    const odd = new Float64Array(new BigUint64Array([0xfff8_0000_0000_0001n]).buffer)[0];
    assert.deepEqual(write(odd), write(Number.NaN));
    assert.deepEqual(write(2.5 + 2.5), write(5));
    assert.notDeepEqual(write(-0), write(0));
    assert.notDeepEqual(write(5), write(5n));
  });

  test('goldens', () => {
    const goldens: readonly (readonly [unknown, string])[] = [
      [5, '05'],
      [-1, 'ff'],
      [200, 'ccc8'],
      [-0, 'cb8000000000000000'],
      [1.5, 'cb3ff8000000000000'],
      [2 ** 40, 'cf0000010000000000'],
      [-(2 ** 40), 'd3ffffff0000000000'],
      ['hé', 'a368c3a9'],
      [undefined, 'd40000'],
      [5n, 'd7010000000000000005'],
      [-(2n ** 64n), 'c70a0101010000000000000000'],
      [{ a: [true, null] }, '81a16192c3c0'],
      [new Map([[1, 2]]), 'c900000002020102'],
      [new Set(['x']), 'c90000000203a178'],
      [new Date(1500), 'c70cff1dcd65000000000000000001'],
      [new Uint8Array([9]), 'c40109'],
      [Buffer.from([9]), 'd5040109'],
      [new Int16Array([1]), 'c70304050100'],
    ];
    for (const [made, hex] of goldens) {
      assert.equal(write(made).toString('hex'), hex);
      assert.deepStrictEqual(read(Buffer.from(hex, 'hex')), made);
    }
  });
});

describe('beside a MessagePack library', () => {
  test('it reads what we write', () => {
    fc.assert(
      fc.property(plain, (made) => assert.deepStrictEqual(decode(Uint8Array.from(write(made))), made)),
    );
  });

  test('we read what it writes', () => {
    fc.assert(fc.property(plain, (made) => assert.deepStrictEqual(read(encode(made)), made)));
  });

  test('it reads past our extensions, and takes a Date for one', () => {
    const [time, rest] = decode(write([new Date(-1500), [undefined, 5n, new Map([[1, 2]])]])) as unknown[];
    assert.deepEqual(time, new Date(-1500));
    assert.equal((rest as unknown[]).length, 3);
  });
});

describe('refused, with the path', () => {
  class Account {
    readonly balance = 1;
  }
  const cycle: unknown[] = [];
  cycle.push({ again: cycle });
  let deep: unknown = 1;
  for (let i = 0; i <= MAX_VALUE_DEPTH; i++) deep = [deep];
  class Bytes extends Uint8Array {}
  const cases: Readonly<Record<string, readonly [made: unknown, reason: RegExp, path: string | RegExp]>> = {
    'a function': [() => 1, /a function/, ''],
    'a function in a list': [{ a: [1, { b: () => 1 }] }, /a function/, '.a[1].b'],
    'a symbol': [[Symbol('x')], /a symbol/, '[0]'],
    'an instance': [{ a: new Account() }, /instance of Account/, '.a'],
    'an error': [{ cause: new Error('x') }, /instance of Error/, '.cause'],
    'a regular expression': [/x/, /instance of RegExp/, ''],
    'a promise': [Promise.resolve(1), /instance of Promise/, ''],
    'a subclass of a typed array': [new Bytes(1), /instance of Bytes/, ''],
    'a subclass of Map': [new (class Index extends Map {})(), /instance of Index/, ''],
    'a subclass of Array': [new (class List extends Array {})(), /instance of List/, ''],
    'a lone surrogate': [{ a: 'x\ud800y' }, /lone surrogate/, '.a'],
    'a lone surrogate in a name': [{ a: { '\udc00': 1 } }, /lone surrogate/, '.a["\\udc00"]'],
    'a lone surrogate in a long text': [`${'x'.repeat(5000)}\ud800`, /lone surrogate/, ''],
    'a hole': [{ 'a b': Object.assign(new Array(2), [1]) }, /hole/, '["a b"][1]'],
    'an invalid Date': [[new Date(Number.NaN)], /invalid Date/, '[0]'],
    'a map key': [new Map([[() => 1, 1]]), /a function/, /^<key /],
    'a map value': [{ m: new Map([['k', [Symbol('x')]]]) }, /a symbol/, '.m<value "k">[0]'],
    'a set element': [new Set([1, () => 1]), /a function/, '<element 1>'],
    'a cycle': [cycle, /contains itself/, /^\[0\]\.again\[0\].*…$/],
    'deep nesting': [deep, /deeper than 128/, /^(\[0\]){50,}.*…$/],
  };
  for (const [name, [made, reason, path]] of Object.entries(cases)) {
    test(name, () => {
      assert.throws(
        () => write(made),
        (error) => {
          assert.ok(error instanceof ValueRefused);
          assert.match(error.reason, reason);
          if (typeof path === 'string') assert.equal(error.path, path);
          else assert.match(error.path, path);
          return true;
        },
      );
    });
  }

  test('what someone put on Object.prototype is not taken for a part of a value', () => {
    Object.defineProperty(Object.prototype, 'polluted', { value: 1, enumerable: true, configurable: true });
    try {
      assert.throws(() => write({ a: 1 }), ValueRefused);
    } finally {
      Reflect.deleteProperty(Object.prototype, 'polluted');
    }
    assert.deepEqual(read(write({ a: 1 })), { a: 1 });
  });

  test('the deepest value that may be kept', () => {
    let nested: unknown = 1;
    for (let i = 0; i < MAX_VALUE_DEPTH; i++) nested = i % 2 === 0 ? [nested] : new Map([['x', nested]]);
    assert.deepEqual(read(write(nested)), nested);
  });
});

describe('hostile bytes', () => {
  /** Reads what may be anything; whatever it is, nothing but BytesDamaged comes out of it. */
  function survive(bytes: Uint8Array): unknown {
    try {
      return read(bytes);
    } catch (error) {
      if (error instanceof BytesDamaged) return error;
      throw error;
    }
  }

  test('random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const found = survive(bytes);
        // What reads is a value like any other.
        if (!(found instanceof BytesDamaged)) assert.deepStrictEqual(read(write(found)), found);
      }),
      { numRuns: 5000 },
    );
  });

  test('every cut is found', () => {
    fc.assert(
      fc.property(value, fc.nat(), (made, any) => {
        const bytes = write(made);
        const cut = bytes.subarray(0, any % bytes.length);
        assert.ok(survive(cut) instanceof BytesDamaged);
      }),
    );
  });

  test('every changed byte is survived', () => {
    fc.assert(
      fc.property(value, fc.nat(), fc.integer({ min: 1, max: 255 }), (made, any, change) => {
        const bytes = write(made);
        const at = any % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ change;
        survive(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  const damaged: Readonly<Record<string, string>> = {
    nothing: '',
    'a tag that is not used': 'c1',
    'a float 32': 'ca3fc00000',
    'an integer as a float': 'cb4014000000000000',
    'an unusual NaN': 'cb7ff8000000000001',
    'a small integer in a long form': 'cc05',
    'a 16-bit integer in a long form': 'ce000000ff',
    'an unsafe integer': 'cfffffffffffffffff',
    'a negative integer in a long form': 'd0ff',
    'a long negative one': 'd3fffffffffffffff0',
    'a short text in a long form': 'd90161',
    'broken UTF-8': 'a2c328',
    'broken UTF-8 in a longer text': `ae${'61'.repeat(13)}ff`,
    'a surrogate in UTF-8': 'a3eda080',
    'a text longer than all': 'dbffffffff61',
    'a list longer than all': 'ddffffffff01',
    'a record longer than all': 'dfffffffff01',
    'bytes longer than all': 'c6ffffffff01',
    'an extension longer than all': 'c9ffffffff0201',
    'a short list in a long form': 'dc000101',
    'a property twice': '82a16101a16102',
    'a property twice, __proto__': '82a95f5f70726f746f5f5f01a95f5f70726f746f5f5f02',
    'a property name that is no text': '810101',
    'a map key twice': 'c9000000040201020103',
    'a set element twice': 'c900000002030101',
    'a map key −0': 'c90000000a02cb800000000000000001',
    'a map in a short form': 'd5020102',
    'a map whose content ends elsewhere': 'c900000003020102',
    'a map that reaches over its end': 'c90000000102019003',
    'a small bigint in a long form': 'c70901000000000000000005',
    'a bigint with a leading zero': 'c70a0100000100000000000000ff',
    'a bigint with a strange sign': 'c70a0102010000000000000000',
    'a short bigint': 'd40105',
    'undefined with content': 'd40001',
    'an unknown extension': 'd40700',
    'an unknown binary': 'd504ff00',
    'an empty binary': 'c70004',
    'a typed array of a broken length': 'd5040500',
    'a time of another form': 'd6ff00000001',
    'a time between milliseconds': 'c70cff000000010000000000000001',
    'a time beyond Date': 'c70cff000000007fffffffffffffff',
    'bytes after the value': '0101',
  };
  for (const [name, hex] of Object.entries(damaged)) {
    test(name, () => assert.throws(() => read(Buffer.from(hex, 'hex')), BytesDamaged));
  }

  test('a million levels', () => {
    assert.throws(() => read(Buffer.alloc(1_000_000, 0x91)), BytesDamaged);
    assert.throws(() => read(Buffer.from('c9000000ff02'.repeat(200), 'hex')), BytesDamaged);
  });

  test('__proto__ stays a property', () => {
    const found = read(Buffer.from('81a95f5f70726f746f5f5f81a17801', 'hex')) as object;
    assert.deepEqual(Object.keys(found), ['__proto__']);
    assert.equal(Object.getPrototypeOf(found), Object.prototype);
    assert.equal(Reflect.get({}, 'x'), undefined);
  });

  test('names of like length and ends are not confused', () => {
    const made = { axxb: 1, ayyb: 2, aéb: 3, aèb: 4 };
    for (let i = 0; i < 3; i++) assert.deepEqual(read(write(made)), made);
  });
});

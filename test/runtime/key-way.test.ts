/** Keys that are given a type: which are taken, where they go, and that none becomes another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Key } from '../../src/codec/key.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { ByteWriter } from '../../src/codec/writer.js';
import { collect, defineJob, fromArray, key, state } from '../../src/index.js';
import { wayOfKeys } from '../../src/runtime/key-way.js';
import { testJob } from '../../src/testing.js';
import fc from '../helpers/property.js';

const TYPES = ['string', 'int', 'long', 'double', 'boolean', 'tuple(string,long)'] as const;

function bytesOf(type: string, value: Key): Buffer {
  const codec = keyCodecById(type);
  codec.hash(value);
  const out = new ByteWriter();
  codec.write(codec.normalise(value), out);
  return out.copy();
}

const keys: fc.Arbitrary<Key> = fc.oneof(
  fc.string({ maxLength: 3 }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true }),
  fc.boolean(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom<Key>(-0, 5n, 2 ** 53, Number.POSITIVE_INFINITY),
  fc.tuple(fc.string({ maxLength: 2 }), fc.integer()),
);

test('a key of auto is taken exactly where the declared type keeps it as it lies, and is hashed as one of it', () => {
  fc.assert(
    fc.property(keys, fc.constantFrom(...TYPES), (value, type) => {
      const bytes = bytesOf('auto', value);
      const way = wayOfKeys('auto', type);
      let expected: number | undefined;
      try {
        if (bytesOf(type, value).equals(bytes)) expected = keyCodecById(type).hash(value);
      } catch {}
      if (expected === undefined) assert.throws(() => way?.(bytes), { name: 'KeyRefused' });
      else assert.equal(way?.(bytes), expected);
    }),
  );
});

test('every key of a declared type is taken under auto', () => {
  fc.assert(
    fc.property(keys, fc.constantFrom(...TYPES), (value, type) => {
      let bytes: Buffer;
      try {
        bytes = bytesOf(type, value);
      } catch {
        return;
      }
      assert.equal(typeof wayOfKeys(type, 'auto')?.(bytes), 'number');
    }),
  );
});

test('there is no way to go where types are the same, or one is not known', () => {
  assert.equal(wayOfKeys('auto', 'auto'), undefined);
  assert.equal(wayOfKeys(undefined, 'string'), undefined);
  assert.equal(wayOfKeys('auto', null), undefined);
});

test('a bigint is not taken for the number that it equals', () => {
  assert.throws(() => wayOfKeys('auto', 'long')?.(bytesOf('auto', 5n)), /5n is kept in another way/);
});

const job = (type: typeof key.auto | typeof key.int) =>
  defineJob('keys', {}, (builder) => {
    builder
      .source('numbers', fromArray<number>([]))
      .keyBy((n) => n, type as typeof key.auto)
      .process('count', {
        state: { seen: state.number(0) },
        timers: { later: 'processing' },
        onElement(_n, ctx) {
          ctx.state.seen.add(1);
          ctx.timers.later.set(1e12);
        },
        onTimer: { later: () => undefined },
      })
      .sink('out', collect([]));
  });

test('a job goes on with its keys declared, at any parallelism', async () => {
  const numbers = [-1, 2, -3, 2];
  const before = await testJob(job(key.auto), { inputs: { numbers } });
  await before.run();
  const snapshot = await before.snapshot();
  await before.close();
  const after = await testJob(job(key.int), { inputs: { numbers }, restore: snapshot, parallelism: 7 });
  assert.deepEqual(
    [-1, 2, -3, 4].map((n) => after.state('count.seen', n)),
    [1, 2, 1, undefined],
  );
  await after.close();
});

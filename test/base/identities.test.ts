/** The identities shared with Flink, against the tables of the design. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  defaultMaxParallelism,
  keyGroupOf,
  murmurHash,
  rangeOf,
  subtaskOf,
} from '../../src/base/key-groups.js';
import { operatorId } from '../../src/base/operator-id.js';
import { type AnyKeyType, key, keyCodec } from '../../src/codec/keys.js';
import fc from '../helpers/property.js';

const groupOf = (type: AnyKeyType, value: unknown, maxParallelism: number) =>
  keyGroupOf(keyCodec(type).hash(value), maxParallelism);

for (const [text, at128, at1024, at32768] of [
  ['hello', 35, 675, 31395],
  ['', 94, 478, 31198],
  ['user-1', 121, 633, 13945],
  ['😀', 54, 182, 7350],
] as const) {
  test(`key groups of ${JSON.stringify(text)}`, () => {
    for (const type of [key.auto, key.string]) {
      assert.equal(groupOf(type, text, 128), at128);
      assert.equal(groupOf(type, text, 1024), at1024);
      assert.equal(groupOf(type, text, 32768), at32768);
    }
  });
}

test('key groups of the other kinds of key, of 128', () => {
  const longs: readonly (readonly [number, number])[] = [
    [0, 94],
    [1, 86],
    [42, 29],
    [-1, 94],
    [2 ** 40, 54],
  ];
  for (const [value, group] of longs) {
    assert.equal(groupOf(key.long, value, 128), group);
    assert.equal(groupOf(key.auto, value, 128), group);
    assert.equal(groupOf(key.long, BigInt(value), 128), group);
    assert.equal(groupOf(key.auto, BigInt(value), 128), group);
  }
  assert.equal(groupOf(key.int, -1, 128), 80);
  assert.equal(groupOf(key.double, 3.14, 128), 4);
  assert.equal(groupOf(key.auto, 3.14, 128), 4);
  assert.equal(groupOf(key.double, 1, 128), 71);
  assert.equal(groupOf(key.boolean, true, 128), 77);
  assert.equal(groupOf(key.boolean, false, 128), 3);
  assert.equal(groupOf(key.tuple(key.string, key.long), ['a', 1], 128), 29);
  assert.equal(groupOf(key.auto, ['a', 1], 128), 29);
  assert.equal(groupOf(key.tuple(key.string, key.string), ['hello', 'world'], 128), 85);
});

test('operator ids', () => {
  assert.equal(operatorId('counter'), '0da08f51eaa85fc298e176a139b3649a');
  assert.equal(operatorId('source'), 'e5a72f353fc1e6bbf3bd96a41384998c');
  assert.equal(operatorId('window'), '01203aa9a12dc1ec725e03853dd7c8f2');
  assert.equal(operatorId('first'), 'adf090656b210b1609ad3203d4ee7329');
  assert.equal(operatorId('söurce'), '08d8a7e69664f4e0fe09753c55e23743');
});

test('operator ids of uids of 16 bytes and more use whole blocks', () => {
  const ids = new Set<string>();
  for (let length = 0; length < 70; length++) ids.add(operatorId('x'.repeat(length)));
  assert.equal(ids.size, 70);
  // MurmurHash3 x64 128, seed 0, of this text, as published test vectors have it.
  assert.equal(operatorId('The quick brown fox jumps over the lazy dog'), '6c1b07bc7bbc4be347939ac4a93c437a');
});

test('ranges of 3 subtasks over 128 key groups', () => {
  assert.deepEqual(
    [0, 1, 2].map((subtask) => rangeOf(subtask, 3, 128)),
    [
      { start: 0, end: 42 },
      { start: 43, end: 85 },
      { start: 86, end: 127 },
    ],
  );
});

test('a key group is in the range of exactly its subtask', () => {
  const sizes = fc
    .integer({ min: 1, max: 2000 })
    .chain((maxParallelism) =>
      fc.tuple(fc.constant(maxParallelism), fc.integer({ min: 1, max: maxParallelism })),
    );
  fc.assert(
    fc.property(sizes, fc.nat(), ([maxParallelism, parallelism], any) => {
      const group = any % maxParallelism;
      const owner = subtaskOf(group, parallelism, maxParallelism);
      for (let subtask = 0; subtask < parallelism; subtask++) {
        const { start, end } = rangeOf(subtask, parallelism, maxParallelism);
        assert.equal(start <= group && group <= end, subtask === owner);
      }
    }),
  );
});

test('default maxParallelism', () => {
  const expected = [
    [1, 128],
    [85, 128],
    [86, 256],
    [170, 256],
    [1000, 2048],
    [30_000, 32_768],
  ] as const;
  for (const [parallelism, most] of expected) assert.equal(defaultMaxParallelism(parallelism), most);
});

test('murmurHash is never negative', () => {
  fc.assert(fc.property(fc.integer(), (code) => murmurHash(code) >= 0));
});

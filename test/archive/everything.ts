/** A state with every kind of table, every namespace, and every tag of the value codec, once at least. */

import type { TableShape } from '../../src/archive/table-list.js';
import { keyGroupOf } from '../../src/base/key-groups.js';
import type { Key } from '../../src/codec/key.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { valueCodec } from '../../src/codec/value.js';
import type { ManifestOperator } from '../../src/format/manifest.js';
import { emptyValue, timerKey } from '../../src/format/timer-key.js';
import { END_OF_TIME } from '../../src/format/watermark.js';
import { Blocks, operator, PROVENANCE, table } from './blocks.js';

export const OPERATORS: readonly ManifestOperator[] = [
  operator('zulu', 'source', null),
  operator('count', 'process', 'auto'),
  operator('window', 'process', 'tuple(string,long)', 200),
  operator('out', 'sink', null),
];

export const TABLES: readonly TableShape[] = [
  table(0, 'zulu', '', 'splits'),
  table(1, 'zulu', 'mine', 'operator-list'),
  table(2, 'zulu', 'all', 'operator-union'),
  table(3, 'zulu', '', 'watermark'),
  table(4, 'count', 'last', 'value'),
  table(5, 'count', 'seen', 'number'),
  table(6, 'count', 'recent', 'list'),
  table(7, 'count', 'byDay', 'map'),
  table(8, 'count', 'quiet', 'timer'),
  table(9, 'count', 'close', 'event-timer'),
  table(10, 'count', '', 'in-flight'),
  table(11, 'count', 'rules', 'broadcast'),
  table(12, 'count', '', 'watermark'),
  table(13, 'count', 'nothing', 'value'),
  table(14, 'window', 'sum', 'aggregating'),
  table(15, 'window', 'most', 'reducing'),
  table(16, 'out', '', 'transactions'),
];

/** One of each type that the value codec keeps. */
export const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  127,
  255,
  65_535,
  2 ** 32 - 1,
  2 ** 53 - 1,
  -1,
  -128,
  -32_768,
  -(2 ** 31),
  -(2 ** 53) + 1,
  0.1,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  '',
  'ü😀',
  's'.repeat(40),
  't'.repeat(300),
  'x'.repeat(70_000),
  [1, [2, [3]]],
  new Array(20).fill(7),
  { b: 1, a: { __proto__: 0 }, $tag: 2 },
  { $first: 1 },
  JSON.parse('{"__proto__":1}'),
  new Map<unknown, unknown>([['k', new Set([1, 'two'])]]),
  undefined,
  5n,
  -(2n ** 200n),
  new Date(1_700_000_000_123),
  Uint8Array.of(1, 2, 3),
  Buffer.from('buffer'),
  new ArrayBuffer(4),
  new DataView(new ArrayBuffer(2)),
  Int8Array.of(-1),
  Uint8ClampedArray.of(255),
  Int16Array.of(-300),
  Uint16Array.of(60_000),
  Int32Array.of(-70_000),
  Uint32Array.of(4_000_000_000),
  Float32Array.of(0.5),
  Float64Array.of(0.1),
  BigInt64Array.of(-5n),
  BigUint64Array.of(5n),
];

const strings = keyCodecById('string');
const longs = keyCodecById('long');
const places = keyCodecById('tuple(long,long)');
const auto = keyCodecById('auto');
const windowKeys = keyCodecById('tuple(string,long)');

const KEYS: readonly Key[] = ['', 'hello', '😀', 0, -1, 2 ** 40, 5n, 3.14, true, ['a', 1], [['b'], false]];

/** `subtasks`: by how many the operator state is held, which the digest does not see. */
export function everything(subtasks = 2, chunkBytes = 1024): Blocks {
  const blocks = new Blocks(chunkBytes);
  operatorState(blocks, subtasks);
  keyedState(blocks);
  windowState(blocks);
  const { out } = blocks;
  out.begin(16, 0);
  out.key(longs, 0);
  out.value(valueCodec, { id: { job: '0123456789ab', sink: 'out' }, value: 'prepared' });
  out.flush();
  return blocks;
}

function operatorState({ out }: Blocks, subtasks: number): void {
  for (const [id, position] of [
    ['a.txt', { offset: 17 }],
    ['b.txt', null],
  ] as const) {
    out.begin(0, 0);
    out.key(strings, id);
    out.value(valueCodec, { position, done: position === null, timestamp: 99 });
  }
  ['x', 'y', 'x', { z: 1 }].forEach((element, i) => {
    for (const [id, count] of [
      [1, subtasks],
      [2, 1],
      [10, subtasks],
    ] as const) {
      out.begin(id, 0);
      out.key(places, [i % count, Math.floor(i / count)]);
      out.value(valueCodec, element);
    }
  });
  out.begin(3, 0);
  out.key(longs, 0);
  out.value(valueCodec, END_OF_TIME);
  for (const input of [0, 1]) {
    out.begin(12, 0);
    out.key(longs, input);
    out.value(valueCodec, 1000 + input);
  }
  out.begin(11, 0);
  out.key({ write: () => {} }, undefined);
  out.mapKey(auto, 'rule');
  out.value(valueCodec, { limit: 5 });
}

function keyedState(blocks: Blocks): void {
  const { out } = blocks;
  VALUES.forEach((value, i) => {
    blocks.value(4, `value-${i}`, value);
  });
  for (const key of KEYS) {
    const group = keyGroupOf(auto.hash(key), 128);
    blocks.value(5, key, 1);
    out.begin(6, group);
    out.key(auto, key);
    out.value(valueCodec, [1, 'two', key]);
    for (const day of ['monday', 2, ['x', 1]] as const) {
      out.begin(7, group);
      out.key(auto, key);
      out.mapKey(auto, day);
      if (day === 'monday') out.stamp(BigInt(PROVENANCE.barrierTime) + 1n);
      if (day === 2) out.stamp(BigInt(PROVENANCE.barrierTime));
      out.value(valueCodec, day);
    }
    for (const [id, time] of [
      [8, -5],
      [8, 5],
      [9, 2 ** 53 - 1],
    ] as const) {
      out.begin(id, group);
      out.key(auto, key);
      out.mapKey(timerKey, time);
      out.value(emptyValue, undefined);
    }
  }
}

function windowState({ out }: Blocks): void {
  for (const name of ['LHR', 'JFK']) {
    const key = [name, 5];
    const group = keyGroupOf(windowKeys.hash(key), 200);
    const begin = (id: number) => {
      out.begin(id, group);
      out.key(windowKeys, key);
    };
    begin(14);
    out.window(0n, 3_600_000n);
    out.value(valueCodec, { n: 2, sum: 30 });
    begin(14);
    out.window(-1n, END_OF_TIME);
    out.value(valueCodec, { n: 1, sum: 10 });
    begin(15);
    out.global();
    out.value(valueCodec, 7);
    begin(15);
    out.namespace(valueCodec, { session: 1 });
    out.value(valueCodec, 8);
    begin(15);
    out.value(valueCodec, 9);
  }
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { key } from '../../src/codec/keys.js';
import { schema } from '../../src/codec/schema.js';
import { state } from '../../src/graph/declare-state.js';
import { defineJob } from '../../src/graph/define.js';
import { describeGraph } from '../../src/graph/describe.js';
import { feedersOf } from '../../src/graph/edges.js';
import { resolveSettings } from '../../src/graph/resolve-settings.js';
import { type } from '../../src/graph/type.js';
import { committing, out, texts } from './build.js';

const graph = defineJob('described', {}, (job) => {
  const input = job.source('source', texts({ describe: 'texts', rate: 5 }), { formerly: ['in'] });
  const tape = job.source('first', texts({ kind: 'tape', replayable: false }));
  const counts = input
    .union(tape)
    .map((word) => word.length)
    .keyBy((length) => length, key.long)
    .process('counter', {
      formerly: ['count'],
      state: {
        n: state.number(0, { formerly: ['m'] }),
        money: state.value(schema(z.number()).next(z.string(), (v) => `${v}`)),
      },
      timers: { close: 'processing' },
      sides: { rare: type<number>() },
      onElement() {},
      onTimer: { close() {} },
    });
  counts.sink('window', out());
  counts.side.rare.sink('söurce', committing('out/rare'));
}).build({});

test('a graph is described node by node', () => {
  assert.deepEqual(describeGraph(graph), {
    replayable: false,
    nodes: [
      {
        id: 0,
        kind: 'source',
        name: 'source',
        inputs: [],
        uid: 'source',
        operatorId: 'e5a72f353fc1e6bbf3bd96a41384998c',
        formerly: ['in'],
        source: { kind: 'custom', describe: 'texts', replayable: true, rate: 5 },
      },
      {
        id: 1,
        kind: 'source',
        name: 'first',
        inputs: [],
        uid: 'first',
        operatorId: 'adf090656b210b1609ad3203d4ee7329',
        formerly: [],
        source: { kind: 'tape', replayable: false },
      },
      { id: 2, kind: 'union', name: 'union', inputs: [0, 1] },
      { id: 3, kind: 'map', name: 'map', inputs: [2] },
      { id: 4, kind: 'keyBy', name: 'keyBy', inputs: [3], keyType: 'long' },
      {
        id: 5,
        kind: 'process',
        name: 'counter',
        inputs: [4],
        uid: 'counter',
        operatorId: '0da08f51eaa85fc298e176a139b3649a',
        formerly: ['count'],
        keyType: 'long',
        states: [
          { name: 'n', kind: 'number', codec: 'value', version: 1, formerly: ['m'] },
          { name: 'money', kind: 'value', codec: 'value', version: 2, formerly: [] },
        ],
        timers: [{ name: 'close', time: 'processing' }],
        sides: ['rare'],
      },
      { id: 6, kind: 'side', name: 'side', inputs: [5], side: 'rare' },
      {
        id: 7,
        kind: 'sink',
        name: 'window',
        inputs: [5],
        uid: 'window',
        operatorId: '01203aa9a12dc1ec725e03853dd7c8f2',
        formerly: [],
        sink: { kind: 'test', delivery: 'at-least-once' },
      },
      {
        id: 8,
        kind: 'sink',
        name: 'söurce',
        inputs: [6],
        uid: 'söurce',
        operatorId: '08d8a7e69664f4e0fe09753c55e23743',
        formerly: [],
        sink: {
          kind: 'test',
          describe: 'to out/rare',
          delivery: 'exactly-once',
          target: 'out/rare',
        },
      },
    ],
  });
});

test('a description is plain JSON, with the settings when they are given', () => {
  const settings = resolveSettings({}, { parallelism: 2 });
  const described = describeGraph(graph, settings);
  assert.equal(described.settings?.parallelism, 2);
  const { heap: _heap, ...kept } = settings;
  assert.deepEqual(JSON.parse(JSON.stringify(described)), { ...describeGraph(graph), settings: kept });
});

test('operators are fed by operators, through whatever lies between, and by side outputs', () => {
  const feeders = graph.nodes.flatMap((node) => ('uid' in node ? [[node.uid, feedersOf(graph, node)]] : []));
  assert.deepEqual(feeders, [
    ['source', []],
    ['first', []],
    ['counter', ['first', 'source']],
    ['window', ['counter']],
    ['söurce', ['counter.rare']],
  ]);
});

/** What a definition says of the values of its tables: whether their type is declared, and what they can come from. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import {
  codec,
  collect,
  defineJob,
  defineSink,
  defineTrigger,
  schema,
  state,
  triggers,
  windows,
} from '../../src/index.js';
import { tableTyping } from '../../src/runtime/kept-as.js';
import { tablesOf } from '../../src/runtime/tables.js';
import { splitsOf } from './driving.js';

const mine = codec.define<number>({
  id: 'mine',
  version: 3,
  encode: (n) => Buffer.of(n),
  decode: ([n = 0]) => n,
  reads: [codec.value],
});

const graph = defineJob('typed', {}, (job) => {
  const numbers = job.source('in', splitsOf({ a: [1] }));
  const keyed = numbers.assignTimestamps((n) => n, { outOfOrderness: 0 }).keyBy((n) => n);
  keyed.connect(numbers.broadcast()).process('keep', {
    state: {
      untyped: state.value<number>(),
      json: state.list<number>({ codec: codec.json, was: [codec.value, mine] }),
      checked: state.value(schema(z.number())),
      number: state.number(0),
      string: state.map({ codec: codec.string }),
      mine: state.reducing((a, b) => a + b, { codec: mine, was: [codec.json] }),
    },
    broadcast: { rules: state.broadcast(), limits: state.broadcast(schema(z.number())) },
    timers: { soon: 'event', later: 'processing' },
    onElement: () => undefined,
    onBroadcast: () => undefined,
    onTimer: { soon: () => undefined, later: () => undefined },
  });
  const assign = windows.tumbling('1h');
  const apply = (all: readonly number[]) => all;
  const flag = defineTrigger({ initial: false, onElement: () => 'continue' as const });
  const still = defineTrigger({ onElement: () => 'fire' as const });
  const firing = triggers.purging(triggers.count(3));
  for (const [uid, window] of [
    ['plain', { assign, apply }],
    ['checked', { assign, apply, schema: z.number() }],
    ['counting', { assign, apply, codec: codec.number, was: [codec.value], trigger: firing }],
    ['flagging', { assign, apply, trigger: flag }],
    ['still', { assign, apply, trigger: still }],
  ] as const)
    keyed.window(uid, window).sink(`${uid}-out`, collect([]));
  const rows = { rows: state.operatorUnion<number>({ codec: codec.bytes as never }) };
  numbers.sink('out', defineSink({ kind: 'any', state: rows, open: () => ({ async write() {} }) }));
}).build({});

test('each table is typed, or not, and says whose bytes it takes', () => {
  const found = tablesOf(graph).map((table) => {
    const { typed, reads } = tableTyping(graph, table);
    const name = table.name === '' ? table.kind : table.name;
    return [
      `${table.operator}.${name}`,
      typed,
      reads.map(({ id, version }) => `${id} v${version}`).join(' '),
    ];
  });
  assert.deepEqual(found, [
    ['in.splits', true, ''],
    ['keep.untyped', false, ''],
    ['keep.json', false, 'value v1 mine v3'],
    ['keep.checked', true, ''],
    ['keep.number', true, ''],
    ['keep.string', true, ''],
    ['keep.mine', true, 'value v1 json v1'],
    ['keep.soon', true, ''],
    ['keep.later', true, ''],
    ['keep.watermark', true, ''],
    ['keep.rules', false, ''],
    ['keep.limits', true, ''],
    ...['plain', 'checked', 'counting', 'flagging', 'still'].flatMap((uid) => [
      [`${uid}.panes`, uid === 'checked' || uid === 'counting', uid === 'counting' ? 'value v1' : ''],
      // Of triggers, tidemark knows what its own keep, and that some keep nothing.
      ...(uid === 'plain' || uid === 'checked' ? [] : [[`${uid}.trigger`, uid !== 'flagging', '']]),
      [`${uid}.event`, true, ''],
      ...(uid === 'plain' || uid === 'checked' ? [] : [[`${uid}.processing`, true, '']]),
      [`${uid}.watermark`, true, ''],
    ]),
    ['out.rows', true, ''],
  ]);
});

test('of what a join by interval keeps, its elements alone need a schema, and its map keys no type', () => {
  const joined = defineJob('joined', {}, (job) => {
    const numbers = job.source('in', splitsOf({ a: [1] })).assignTimestamps((n) => n, { outOfOrderness: 0 });
    const keyed = numbers.keyBy((n) => n);
    keyed.intervalJoin('near', keyed, { between: [0, 1], join: (a, b) => a + b, right: z.number() });
  }).build({});
  const found = tablesOf(joined).flatMap((table) => {
    const { typed, ownMapKeys } = tableTyping(joined, table);
    return table.kind === 'map' || table.kind === 'value' ? [[table.name, typed, ownMapKeys]] : [];
  });
  assert.deepEqual(found, [
    ['left', false, true],
    ['right', true, true],
    ['alone', true, true],
    ['layout', true, undefined],
  ]);
});

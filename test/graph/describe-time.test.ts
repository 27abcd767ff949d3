import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { type Plan, planView } from '../../src/cli/plan-view.js';
import { schema } from '../../src/codec/schema.js';
import { state } from '../../src/graph/declare-state.js';
import { defineJob } from '../../src/graph/define.js';
import { defineSink } from '../../src/graph/define-sink.js';
import { describeGraph } from '../../src/graph/describe.js';
import { feedersOf } from '../../src/graph/edges.js';
import { triggers } from '../../src/graph/triggers.js';
import { windows } from '../../src/graph/windows.js';
import { out, texts } from './build.js';

const reduce = (a: string) => a;

const graph = defineJob('described', {}, (job) => {
  const rules = job.source('rules', texts());
  const keyed = job
    .source('in', texts())
    .assignTimestamps((text) => text.length, { outOfOrderness: '5m', idle: '30s', inTurn: true })
    .keyBy((text) => text);
  const hourly = keyed.window('hourly', {
    assign: windows.sliding('1h', '25m', { offset: '-1m' }),
    lateness: '10m',
    schema: schema(z.number()).next(z.number(), (n) => n),
    aggregate: { init: () => 0, add: (n) => n + 1, merge: Math.max, result: (n) => String(n) },
    formerly: ['daily'],
  });
  keyed.window('visits', { assign: windows.session((text) => text.length), reduce });
  keyed.window('quiet', { assign: windows.session('30m'), apply: (all) => [all.length] });
  keyed.window('tens', { assign: windows.global(), trigger: triggers.count(10), reduce });
  keyed.window('days', { assign: windows.tumbling('1d', { offset: '2h' }), reduce });
  hourly
    .keyBy((text) => text)
    .connect(rules.broadcast())
    .process('match', {
      state: {
        last: state.value<string>({ ttl: { after: '1h', refresh: 'read' } }),
        n: state.number(0, { ttl: '1d' }),
      },
      broadcast: { rules: state.broadcast<string, string>({ formerly: ['limits'] }) },
      timers: { close: 'event', quiet: 'processing' },
      onElement() {},
      onBroadcast() {},
      onTimer: { close() {}, quiet() {} },
    });
  hourly.late.sink('late', out());
  const listing = defineSink({
    state: { pending: state.operatorList<string>(), seen: state.operatorUnion<number>() },
    open: () => ({ write(_texts: readonly string[]) {} }),
  });
  hourly.sink('out', listing);
}).build({});
const described = describeGraph(graph);

/** One operator, without what every one has. */
function of(name: string) {
  const node = described.nodes.find((node) => node.name === name) ?? assert.fail(name);
  const { id: _id, operatorId: _operatorId, inputs: _inputs, uid: _uid, ...rest } = node;
  return rest;
}

test('windows, timestamps, what expires, what is broadcast and what sinks keep are described', () => {
  assert.deepEqual(of('assign'), {
    kind: 'assign',
    name: 'assign',
    time: { outOfOrderness: 300_000, idle: 30_000, inTurn: true },
  });
  assert.deepEqual(of('hourly'), {
    kind: 'window',
    name: 'hourly',
    formerly: ['daily'],
    keyType: 'auto',
    window: {
      assign: { kind: 'sliding', size: 3_600_000, slide: 1_500_000, offset: -60_000 },
      lateness: 600_000,
      trigger: 'eventTime',
      function: 'aggregate',
      slice: 300_000,
    },
    states: [{ name: 'slices', kind: 'aggregating', codec: 'value', version: 2, formerly: [] }],
  });
  assert.deepEqual(of('tens'), {
    kind: 'window',
    name: 'tens',
    formerly: [],
    keyType: 'auto',
    window: { assign: { kind: 'global' }, lateness: 0, trigger: 'count(10)', function: 'reduce' },
    states: [
      { name: 'panes', kind: 'reducing', codec: 'value', version: 1, formerly: [] },
      { name: 'trigger', kind: 'value', codec: 'value', version: 1, formerly: [] },
    ],
  });
  assert.deepEqual(of('visits').window?.assign, { kind: 'session', gap: null });
  assert.deepEqual(of('quiet').window, {
    assign: { kind: 'session', gap: 1_800_000 },
    lateness: 0,
    trigger: 'eventTime',
    function: 'apply',
  });
  assert.deepEqual(of('match'), {
    kind: 'process',
    name: 'match',
    formerly: [],
    keyType: 'auto',
    states: [
      {
        name: 'last',
        kind: 'value',
        codec: 'value',
        version: 1,
        formerly: [],
        ttl: { after: 3_600_000, refresh: 'read' },
      },
      {
        name: 'n',
        kind: 'number',
        codec: 'value',
        version: 1,
        formerly: [],
        ttl: { after: 86_400_000, refresh: 'write' },
      },
      { name: 'rules', kind: 'broadcast', codec: 'value', version: 1, formerly: ['limits'] },
    ],
    timers: [
      { name: 'close', time: 'event' },
      { name: 'quiet', time: 'processing' },
    ],
    sides: [],
    broadcast: 0,
  });
  assert.deepEqual(
    of('out').states?.map(({ name, kind }) => [name, kind]),
    [
      ['pending', 'operator-list'],
      ['seen', 'operator-union'],
    ],
  );
  assert.equal(of('late').states, undefined);
  assert.deepEqual(JSON.parse(JSON.stringify(described)), described);
});

test('operators are fed by both streams, and by what came too late', () => {
  const feeders = graph.nodes.flatMap((node) => ('uid' in node ? [[node.uid, feedersOf(graph, node)]] : []));
  assert.deepEqual(Object.fromEntries(feeders), {
    rules: [],
    in: [],
    hourly: ['in'],
    visits: ['in'],
    quiet: ['in'],
    tens: ['in'],
    days: ['in'],
    match: ['hourly', 'rules'],
    late: ['hourly.late'],
    out: ['hourly'],
  });
});

test('plan shows them readably', () => {
  const plan: Plan = {
    name: 'described',
    definition: 'job.ts',
    bundle: '0123456789abcdef',
    inputs: ['job.ts'],
    external: [],
    params: [],
    settings: null,
    replayable: true,
    nodes: described.nodes,
  };
  const plain = (text: string) => text;
  const paint = new Proxy({}, { get: () => plain }) as Parameters<typeof planView>[1];
  const [, operators = '', states = ''] = planView(plan, paint).split('\n\n');
  const rows = (table: string) => Object.fromEntries(table.split('\n').slice(1).map(cells));
  const does = rows(operators.replaceAll(/^(?:[\d, ]+→ )?\d+ +/gm, ''));
  assert.equal(
    does['assign'],
    'timestamps, up to 5m out of order, idle after 30s, one split after the other',
  );
  assert.equal(
    does['hourly'],
    'window by auto; sliding 1h by 25m from -1m, lateness 10m, aggregate, in slices of 5m; formerly daily',
  );
  assert.equal(does['visits'], 'window by auto; sessions, gaps of their own, reduce');
  assert.equal(does['quiet'], 'window by auto; sessions 30m apart, apply');
  assert.equal(does['tens'], 'window by auto; global, trigger count(10), reduce');
  assert.equal(does['days'], 'window by auto; tumbling 1d from +2h, reduce');
  assert.equal(
    does['match'],
    'process by auto; with 0 broadcast to it; timers: close (event time), quiet (processing time)',
  );
  // Late elements that nobody takes are counted alone.
  assert.match(operators, / side output late\n/);
  assert.match(operators, / side output late, unused\n/);
  const kept = rows(states);
  assert.equal(kept['match.last'], 'value  value  1  1h after it was set or read');
  assert.equal(kept['match.n'], 'number  value  1  1d after it was set');
  assert.equal(kept['match.rules'], 'broadcast  value  1');
  assert.equal(kept['hourly.slices'], 'aggregating  value  2');
});

/** The first cell of a row, and the others. */
function cells(row: string): [string, string] {
  const [first = '', ...rest] = row.trim().split(/ {2,}/);
  return [first, rest.join('  ')];
}

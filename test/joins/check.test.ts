/** What is wrong with connected streams and joins, and how they are described. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { windows } from 'tidemark';
import { z } from 'zod';
import { planView } from '../../src/cli/plan-view.js';
import { key } from '../../src/codec/keys.js';
import { state } from '../../src/graph/declare-state.js';
import { defineJob } from '../../src/graph/define.js';
import { describeGraph } from '../../src/graph/describe.js';
import { feedersOf } from '../../src/graph/edges.js';
import type { KeyedStream } from '../../src/graph/keyed-stream.js';
import type { Stream } from '../../src/graph/stream.js';
import { findingsOf, loose, out, texts } from '../graph/build.js';

const timed = (stream: Stream<string>) => stream.assignTimestamps(() => 0, { outOfOrderness: 0 });
const same = (text: string) => text;

/** Findings of two keyed streams, of sources `in` and `other`. */
function between(
  build: (left: KeyedStream<string, string>, right: KeyedStream<string, string>) => void,
  { left = timed, right = timed } = {},
): string[] {
  return findingsOf((input, job) => {
    build(left(input).keyBy(same), right(job.source('other', texts())).keyBy(same));
  });
}

const two = { onLeft() {}, onRight() {} };

test('a connected operator has onLeft and onRight, and both streams', () => {
  const found = (spec: unknown) => between((left, right) => left.connect(right).process('p', loose(spec)));
  assert.deepEqual(found(two), []);
  assert.deepEqual(found({}), ['process "p": onLeft is missing', 'process "p": onRight is missing']);
  assert.deepEqual(found({ ...two, onRight: 5 }), ['process "p": onRight: expected a function, found 5']);
  assert.deepEqual(found(undefined), [
    'process "p": expected an object with onLeft and onRight, found undefined',
  ]);
  const known = 'state, timers, sides, emits, formerly, open, onTimer, close, onLeft, onRight';
  assert.deepEqual(found({ ...two, onElement() {} }), [
    `process "p": no property "onElement"; expected one of: ${known}`,
  ]);
  assert.deepEqual(found({ ...two, broadcast: { rules: state.broadcast() } }), [
    'process "p": broadcast and onBroadcast need a broadcast stream: .connect(stream.broadcast()).process(uid, …)',
  ]);
  assert.deepEqual(between((left) => left.process('p', loose({ onElement() {}, ...two }))).slice(0, 1), [
    'process "p": onLeft and onRight need a second keyed stream: .connect(other.keyBy(…)).process(uid, …)',
  ]);
  assert.deepEqual(
    between((left) => left.connect(left).process('p', loose(two))).filter((one) => !/other/.test(one)),
    [],
  );
});

test('what meets has one type of keys, and is of one job', () => {
  const meet = (left: KeyedStream<string, string>, right: KeyedStream<string, string>) => {
    left.connect(right).process('a', loose(two));
    left.intervalJoin('b', right, { between: [0, 1], join: () => 1 });
    left.windowJoin('c', right, { assign: windows.tumbling(5), join: () => 1 });
  };
  const types = 'its streams have keys of two types, auto and string: give both keyBy the same one';
  assert.deepEqual(
    findingsOf((input) => meet(timed(input).keyBy(same), timed(input).keyBy(same, key.string))).filter(
      (finding) => !finding.includes('twice'),
    ),
    [`process "a": ${types}`, `intervalJoin "b": ${types}`, `windowJoin "c": ${types}`],
  );
  let stranger: KeyedStream<string, string> | undefined;
  findingsOf((input) => {
    stranger = input.keyBy(same);
  });
  assert.deepEqual(findingsOf((input) => meet(timed(input).keyBy(same), loose(stranger))).slice(0, 3), [
    'connect expects a stream of this job, found one of another',
    'intervalJoin "b": expects a stream of this job, found one of another',
    'windowJoin "c": expects a stream of this job, found one of another',
  ]);
  assert.deepEqual(
    between((left) => left.intervalJoin('b', loose(5), { between: [0, 1], join: () => 1 }))[0],
    'intervalJoin "b": expects a keyed stream to join with, such as payments.keyBy((p) => p.order), found 5',
  );
});

test('interval joins: what they say is looked at piece by piece', () => {
  const found = (spec: unknown) =>
    between((left, right) => left.intervalJoin('j', right, loose(spec))).map((finding) =>
      finding.replace(/^intervalJoin "j": /, ''),
    );
  const right = { between: ['-5m', 10], join: () => 1 };
  assert.deepEqual(found(right), []);
  assert.deepEqual(found({ ...right, between: [5, 5], type: 'left', left: z.string() }), []);
  assert.deepEqual(found(7), ['expected an object with between and join, found 7']);
  assert.deepEqual(found({ join: () => 1 }), [
    "between: expected two bounds such as ['-5m', '10m'], found undefined",
  ]);
  assert.deepEqual(found({ ...right, between: ['10m', '-5m'] }), [
    'between: the lower bound "10m" is above the upper one "-5m"',
  ]);
  const length = "expected a length of time such as '5m' or '-5m', or whole milliseconds, found";
  assert.deepEqual(found({ ...right, between: ['soon', 0.5] }), [
    `between[0]: ${length} "soon"`,
    `between[1]: ${length} 0.5`,
  ]);
  assert.deepEqual(found({ ...right, between: ['-36526d', 0] }), [
    'between[0]: expected at most 100 years, found "-36526d"',
  ]);
  assert.deepEqual(found({ between: [0, 1], type: 'outer', left: 5, lateness: 5 }), [
    'no property "lateness"; expected one of: between, type, join, left, right, formerly',
    "type: expected 'inner' or 'left', found \"outer\"",
    'join is missing',
    'left: expected a schema, found 5',
  ]);
  assert.deepEqual(found({ ...right, join: 5 }), ['join: expected a function, found 5']);
  assert.deepEqual(found({ ...right, formerly: ['a.b'] }), [
    'intervalJoin "j", formerly "a.b": contains one of . @ /',
  ]);
});

test('window joins: what they say is looked at piece by piece', () => {
  const found = (spec: unknown) =>
    between((left, right) => left.windowJoin('j', right, loose(spec))).map((finding) =>
      finding.replace(/^windowJoin "j": /, ''),
    );
  const right = { assign: windows.tumbling('1h'), join: () => 1 };
  assert.deepEqual(found(right), []);
  assert.deepEqual(found({ ...right, assign: windows.session(() => 5), lateness: '5m', type: 'left' }), []);
  assert.deepEqual(found(7), ['expected an object with assign and join, found 7']);
  assert.deepEqual(found({ join: () => 1 }), ['assign is missing: expected windows.tumbling(…) or its like']);
  assert.deepEqual(found({ ...right, assign: windows.global() }), [
    'assign: windows.global() never ends, so that no pair of it would be known',
  ]);
  assert.deepEqual(found({ ...right, lateness: -1, right: 5 }).sort(), [
    "lateness: expected a length of time such as '5m', or whole milliseconds, found -1",
    'right: expected a schema, found 5',
  ]);
  assert.deepEqual(found({ assign: windows.tumbling('1h'), apply: () => [] }), [
    'no property "apply"; expected one of: assign, lateness, type, join, left, right, formerly',
    'join is missing',
  ]);
});

test('joins need timestamps on both sides; a connected operator with event timers on one', () => {
  const untimed = (stream: Stream<string>) => stream;
  const needs = (what: string, source: string) =>
    `${what} goes by event time, but the elements of source "${source}" have no timestamps: add .assignTimestamps(fn, { outOfOrderness: '5m' })`;
  const interval = (left: KeyedStream<string, string>, right: KeyedStream<string, string>) =>
    void left.intervalJoin('j', right, { between: [0, 1], join: () => 1 });
  const window = (left: KeyedStream<string, string>, right: KeyedStream<string, string>) =>
    void left.windowJoin('w', right, { assign: windows.tumbling(5), join: () => 1 });
  const alarm = (left: KeyedStream<string, string>, right: KeyedStream<string, string>) =>
    void left
      .connect(right)
      .process('p', { ...two, timers: { alarm: 'event' }, onTimer: { alarm: () => undefined } });
  assert.deepEqual(between(interval, { left: untimed }), [needs('intervalJoin "j"', 'in')]);
  assert.deepEqual(between(interval, { right: untimed }), [needs('intervalJoin "j"', 'other')]);
  assert.deepEqual(between(window, { right: untimed }), [needs('windowJoin "w"', 'other')]);
  assert.deepEqual(between(alarm), []);
  assert.deepEqual(between(alarm, { left: untimed }), []);
  assert.deepEqual(between(alarm, { right: untimed }), []);
  assert.deepEqual(between(alarm, { left: untimed, right: untimed }), [
    needs('timer "alarm" of process "p"', 'in').replace('source "in"', 'sources "in", "other"'),
  ]);
});

test('a description says which input is the right one, and how they are joined', () => {
  const graph = defineJob('test', {}, (job) => {
    const left = timed(job.source('in', texts())).keyBy(same);
    const right = timed(job.source('other', texts())).keyBy(same);
    left.connect(right).process('both', two).sink('a', out());
    const joined = left.intervalJoin('near', right, {
      between: ['-1s', '2s'],
      type: 'left',
      join: () => 'x',
      formerly: ['beside'],
    });
    joined.sink('b', out());
    joined.late.left.sink('d', out());
    left.windowJoin('hourly', right, { assign: windows.tumbling('1h'), join: () => 1 }).sink('c', out());
  }).build({});
  const { nodes } = describeGraph(graph);
  const of = (uid: string) => nodes.find((node) => node.uid === uid);
  const left = nodes.findIndex(({ kind }) => kind === 'keyBy');
  const right = nodes.findLastIndex(({ kind }) => kind === 'keyBy');
  for (const uid of ['both', 'near', 'hourly']) {
    assert.deepEqual(of(uid)?.inputs, [left, right], uid);
    assert.equal(of(uid)?.right, right);
    const node = graph.nodes[of(uid)?.id ?? -1];
    assert.ok(node);
    assert.deepEqual(feedersOf(graph, node), ['in', 'other']);
  }
  assert.equal(of('both')?.join, undefined);
  assert.deepEqual(of('near')?.join, { type: 'left', lower: -1000, upper: 2000 });
  assert.deepEqual(of('near')?.formerly, ['beside']);
  assert.deepEqual(of('near')?.sides, ['late-left', 'late-right']);
  assert.deepEqual(
    of('near')?.states?.map(({ name, kind }) => `${name} ${kind}`),
    ['left map', 'right map', 'alone map', 'layout value'],
  );
  assert.deepEqual(of('hourly')?.join, { type: 'inner' });
  assert.equal(of('hourly')?.window?.function, 'apply');
  const plain = (text: string) => text;
  const paint = new Proxy({}, { get: () => plain }) as Parameters<typeof planView>[1];
  const head = {
    name: 'j',
    definition: 'j.ts',
    bundle: '0'.repeat(16),
    inputs: [],
    external: [],
    params: [],
  };
  const view = planView({ ...head, settings: null, replayable: true, nodes }, paint);
  assert.match(view, new RegExp(`process by auto; with ${right} on the right\n`));
  assert.match(
    view,
    new RegExp(`left interval join by auto; with ${right} on the right; -1s to \\+2s; formerly beside\n`),
  );
  assert.match(view, new RegExp(`window join by auto; with ${right} on the right; tumbling 1h\n`));
  const [sink] = graph.nodes.filter((node) => node.kind === 'sink' && node.uid === 'd');
  assert.ok(sink);
  assert.deepEqual(feedersOf(graph, sink), ['near.late-left']);
});

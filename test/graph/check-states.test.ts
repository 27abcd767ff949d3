/** What is wrong with states that fold, expire, are broadcast, or belong to sinks and sources. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { schema } from '../../src/codec/schema.js';
import { isBroadcastDeclaration, isStateDeclaration, state } from '../../src/graph/declare-state.js';
import { isOperatorStateDeclaration } from '../../src/graph/operator-state.js';
import type { BroadcastStream, Stream } from '../../src/graph/stream.js';
import { findingsOf, listed, loose, texts, thrown } from './build.js';

const reduce = (a: number, b: number) => a + b;
const aggregate = { init: () => 0, add: (n: number) => n + 1, result: (n: number) => n };

function refusal(act: () => unknown): string[] {
  const error = thrown(act);
  return error === undefined ? [] : listed(error);
}

/** The findings of one operator that a broadcast stream reaches, without its name. */
function connected(spec: Record<string, unknown>): string[] {
  return findingsOf((input, job) => {
    const rules = job.source('rules', texts());
    input
      .keyBy((text) => text)
      .connect(rules.broadcast())
      .process('p', loose({ onElement() {}, onBroadcast() {}, ...spec }));
  }).map((finding) => finding.replace(/^process "p": /, ''));
}

test('ttl: a length, and what keeps alive; in milliseconds', () => {
  const hour = { after: 3_600_000, refresh: 'write' };
  assert.deepEqual(state.value({ ttl: '1h' }).ttl, hour);
  assert.deepEqual(state.number(0, { ttl: 3_600_000 }).ttl, hour);
  assert.deepEqual(state.list({ ttl: { after: '60m' } }).ttl, hour);
  assert.deepEqual(state.map({ ttl: { after: '1h', refresh: 'read' } }).ttl, { ...hour, refresh: 'read' });
  assert.deepEqual(state.reducing(reduce, { ttl: '1h' }).ttl, hour);
  assert.deepEqual(state.aggregating(aggregate, { ttl: '1h' }).ttl, hour);
  assert.equal(state.value().ttl, undefined);
});

test('ttl: what cannot be meant is refused', () => {
  const text = (found: string) =>
    `expected a length of time such as '5m', or whole milliseconds, found ${found}`;
  const refused = (ttl: unknown) => refusal(() => state.value({ ttl: loose(ttl) }));
  assert.deepEqual(refused('soon'), [`ttl: ${text('"soon"')}`]);
  assert.deepEqual(refused(0), ['ttl: expected at least 1 ms, found 0']);
  assert.deepEqual(refused(0.5), [`ttl: ${text('0.5')}`]);
  assert.deepEqual(refused(null), [`ttl: ${text('null')}`]);
  assert.deepEqual(refused('36526d'), ['ttl: expected at most 100 years, found "36526d"']);
  assert.deepEqual(refused({}), [`ttl.after: ${text('undefined')}`]);
  assert.deepEqual(refused({ after: 5, refresh: 'never' }), [
    `ttl.refresh: expected 'read' or 'write', found "never"`,
  ]);
  assert.deepEqual(refused({ after: 5, on: 'read' }), [
    'ttl: no property "on"; expected one of: after, refresh',
  ]);
  assert.deepEqual(
    refusal(() => state.broadcast(loose({ ttl: '1h' }))),
    ['no option "ttl"; expected one of: keys, formerly, codec, was'],
  );
});

test('a declaration says its kind, codec and schema', () => {
  const shape = z.number();
  const folded = state.reducing(shape, reduce, { formerly: ['sum'] });
  assert.deepEqual(
    [folded.kind, folded.codec.id, folded.schema?.version, folded.formerly, folded.reduce],
    ['reducing', 'value', 1, ['sum'], reduce],
  );
  const gathered = state.aggregating(
    schema(shape).next(shape, (n) => n),
    aggregate,
  );
  assert.deepEqual(
    [gathered.kind, gathered.schema?.version, gathered.aggregate],
    ['aggregating', 2, aggregate],
  );
  assert.equal(state.aggregating(aggregate).schema, undefined);
  for (const declared of [folded, gathered, state.value(), state.number(), state.list(), state.map()]) {
    assert.ok(isStateDeclaration(declared));
    assert.ok(!isBroadcastDeclaration(declared) && !isOperatorStateDeclaration(declared));
  }
  const rules = state.broadcast(shape, { formerly: ['limits'] });
  assert.deepEqual([rules.kind, rules.schema?.version, rules.formerly], ['broadcast', 1, ['limits']]);
  assert.ok(isBroadcastDeclaration(rules) && !isStateDeclaration(rules));
  const [list, union] = [state.operatorList(shape), state.operatorUnion({ formerly: ['seen'] })];
  assert.deepEqual([list.kind, list.schema?.version, list.formerly], ['operator-list', 1, []]);
  assert.deepEqual([union.kind, union.schema, union.formerly], ['operator-union', undefined, ['seen']]);
  for (const declared of [list, union]) {
    assert.ok(isOperatorStateDeclaration(declared));
    assert.ok(!isStateDeclaration(declared) && !isBroadcastDeclaration(declared));
  }
});

test('what folds needs its functions', () => {
  assert.deepEqual(
    refusal(() => state.reducing(loose(undefined))),
    ['expected a function, found undefined'],
  );
  assert.deepEqual(
    refusal(() => state.reducing(z.number(), loose({ ttl: '1h' }))),
    ['expected a function, found an object'],
  );
  assert.deepEqual(
    refusal(() => state.reducing(reduce, loose({ initial: 0 }))),
    ['no option "initial"; expected one of: formerly, codec, was, ttl'],
  );
  assert.deepEqual(
    refusal(() => state.aggregating(loose({ init: 0, add: reduce, rest: 1 }))),
    [
      'no property "rest"; expected one of: init, add, merge, result',
      'init: expected a function, found 0',
      'result is missing',
    ],
  );
  assert.deepEqual(
    refusal(() => state.value(loose({ codec: 'json' }))),
    ['codec: expected a codec, found "json"'],
  );
  assert.deepEqual(
    refusal(() => state.value(loose({ formerly: 'old' }))),
    ['formerly: expected an array of names, found "old"'],
  );
});

test('broadcast: what the operator says fits together', () => {
  assert.deepEqual(connected({ broadcast: { rules: state.broadcast() } }), []);
  assert.deepEqual(connected({ onBroadcast: undefined }), ['onBroadcast is missing']);
  assert.deepEqual(connected({ onBroadcast: 5 }), ['onBroadcast: expected a function, found 5']);
  assert.deepEqual(connected({ broadcast: [] }), [
    'broadcast: expected an object of declarations, found an array',
  ]);
  assert.deepEqual(connected({ broadcast: { 'a.b': state.broadcast() } }), [
    'broadcast "a.b": contains one of . @ /',
  ]);
  assert.deepEqual(connected({ broadcast: { rules: state.map() } }), [
    'broadcast "rules": expected state.broadcast(…), found a declaration of kind "map"',
  ]);
  assert.deepEqual(connected({ state: { rules: state.broadcast(), list: state.operatorList() } }), [
    'state "rules": expected state.value(…) or its like, found a declaration of kind "broadcast"',
    'state "list": expected state.value(…) or its like, found a declaration of kind "operator-list"',
  ]);
  assert.deepEqual(connected({ onElemnt() {} }), [
    'no property "onElemnt"; expected one of: state, timers, sides, emits, formerly, open, onElement, onTimer, close, broadcast, onBroadcast',
  ]);
});

test('broadcast: names are one space with those of states and timers, former ones too', () => {
  assert.deepEqual(connected({ state: { rules: state.map() }, broadcast: { rules: state.broadcast() } }), [
    'a state and a broadcast state are both called "rules": give one of them another name',
  ]);
  const onTimer = { rules() {} };
  assert.deepEqual(
    connected({ timers: { rules: 'processing' }, onTimer, broadcast: { rules: state.broadcast() } }),
    ['a broadcast state and a timer are both called "rules": give one of them another name'],
  );
  assert.deepEqual(
    connected({ state: { a: state.map({ formerly: ['b'] }) }, broadcast: { b: state.broadcast() } }),
    ['state "a" was formerly "b", but that state is still there'],
  );
  assert.deepEqual(
    connected({
      state: { a: state.map({ formerly: ['c'] }) },
      broadcast: { b: state.broadcast({ formerly: ['c'] }) },
    }),
    ['states "a" and "b" were both formerly "c"'],
  );
});

test('broadcast state needs a broadcast stream, and connect takes nothing else', () => {
  assert.deepEqual(
    findingsOf((input) => {
      const spec = { broadcast: { rules: state.broadcast() }, onElement() {}, onBroadcast() {} };
      input.keyBy((text) => text).process('p', loose(spec));
    }),
    [
      'process "p": broadcast and onBroadcast need a broadcast stream: .connect(stream.broadcast()).process(uid, …)',
    ],
  );
  const connecting = (other: (input: Stream<string>) => unknown) =>
    findingsOf((input) => {
      input
        .keyBy((text) => text)
        .connect(loose(other(input)))
        .process('p', loose({ onElement() {}, onBroadcast() {} }));
    });
  assert.deepEqual(
    connecting((input) => input.broadcast()),
    [],
  );
  assert.deepEqual(
    connecting((input) => input),
    [
      'connect expects a keyed stream such as payments.keyBy(…), or a broadcast one such as rules.broadcast(), found a stream without keys',
    ],
  );
  let stranger: BroadcastStream<string> | undefined;
  findingsOf((input) => {
    stranger = input.broadcast();
  });
  assert.deepEqual(
    connecting(() => stranger),
    ['connect expects a stream of this job, found one of another'],
  );
});

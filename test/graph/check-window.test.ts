import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { valueCodec } from '../../src/codec/value.js';
import { defineJob } from '../../src/graph/define.js';
import { MAX_LENGTH } from '../../src/graph/lengths.js';
import type { WindowNode } from '../../src/graph/node.js';
import { defineTrigger, triggers } from '../../src/graph/triggers.js';
import { isSliced, sliceLength } from '../../src/graph/window.js';
import { MAX_WINDOWS, windows } from '../../src/graph/windows.js';
import fc from '../helpers/property.js';
import { findingsOf, listed, loose, out, texts, thrown } from './build.js';

const reduce = (a: string) => a;
const aggregate = { init: () => 0, add: (n: number) => n + 1, result: (n: number) => n };

/** The findings of one window of texts, without its name. */
function findings(spec: unknown): string[] {
  return findingsOf((input) => {
    input
      .assignTimestamps((text) => text.length, { outOfOrderness: 0 })
      .keyBy((text) => text)
      .window('w', loose(spec))
      .sink('out', out());
  }).map((finding) => finding.replace(/^window "w": /, ''));
}

/** The node of one right window of texts. */
function nodeOf(spec: unknown): WindowNode {
  const definition = defineJob('window', {}, (job) => {
    job
      .source('in', texts())
      .assignTimestamps((text) => text.length, { outOfOrderness: 0 })
      .keyBy((text) => text)
      .window('w', loose(spec));
  });
  const node = definition.build({}).nodes.find(({ kind }) => kind === 'window');
  return node?.kind === 'window' ? node : assert.fail('no window');
}

function refusal(act: () => unknown): string[] {
  const error = thrown(act);
  return error === undefined ? [] : listed(error);
}

test('a window comes out with lengths in milliseconds, defaults filled in, and one function', () => {
  const { spec, uid, formerly } = nodeOf({
    assign: windows.sliding('1h', '5m', { offset: '-1m' }),
    lateness: '10m',
    formerly: ['old'],
    aggregate,
  });
  assert.deepEqual([uid, formerly], ['w', ['old']]);
  assert.deepEqual(spec, {
    assign: { kind: 'sliding', size: 3_600_000, slide: 300_000, offset: -60_000 },
    lateness: 600_000,
    trigger: undefined,
    keeps: { kind: 'aggregating', codec: valueCodec, schema: undefined, aggregate },
  });
  const apply = () => [];
  const shape = z.string();
  const listing = nodeOf({ assign: windows.global(), trigger: triggers.count(3), apply, schema: shape }).spec;
  assert.equal(listing.lateness, 0);
  assert.equal(listing.trigger?.kind, 'count(3)');
  assert.deepEqual([listing.keeps.kind, listing.keeps.schema?.version], ['list', 1]);
  assert.deepEqual(nodeOf({ assign: windows.session(5), reduce, result: reduce }).spec.keeps, {
    kind: 'reducing',
    codec: valueCodec,
    schema: undefined,
    reduce,
    result: reduce,
  });
});

test('the default trigger is none, also where it is named', () => {
  const named = nodeOf({ assign: windows.tumbling(5), trigger: triggers.eventTime(), reduce });
  assert.equal(named.spec.trigger, undefined);
  const purging = triggers.purging(triggers.eventTime());
  assert.equal(
    nodeOf({ assign: windows.tumbling(5), trigger: purging, reduce }).spec.trigger?.kind,
    'purging(eventTime)',
  );
});

test('what a window says is looked at piece by piece', () => {
  const assign = windows.tumbling('1h');
  assert.deepEqual(findings({ assign, reduce }), []);
  assert.deepEqual(findings(undefined), [
    'expected an object with assign and one of reduce, aggregate, apply, found undefined',
  ]);
  assert.deepEqual(findings({ assign, reduce, latenes: '1h' }), [
    'no property "latenes"; expected one of: assign, lateness, trigger, reduce, aggregate, apply, result, schema, codec, was, formerly',
  ]);
  assert.deepEqual(findings({}), [
    'assign is missing: expected windows.tumbling(…) or its like',
    'has no function: give one of reduce, aggregate and apply',
  ]);
  assert.deepEqual(findings({ assign: '1h', reduce }), [
    'assign: expected windows.tumbling(…) or its like, found "1h"',
  ]);
  assert.deepEqual(findings({ assign, reduce, apply: reduce }), ['has reduce and apply: give one of them']);
  assert.deepEqual(findings({ assign, reduce: 5 }), ['reduce: expected a function, found 5']);
  assert.deepEqual(findings({ assign, apply: 5 }), ['apply: expected a function, found 5']);
  assert.deepEqual(findings({ assign, reduce, result: 5 }), ['result: expected a function, found 5']);
  assert.deepEqual(findings({ assign, apply: reduce, result: reduce }), [
    'result is not for apply, which gives results',
  ]);
  assert.deepEqual(findings({ assign, aggregate, result: reduce }), ['result belongs into aggregate']);
  assert.deepEqual(findings({ assign, aggregate: reduce }), [
    'aggregate: expected an object with init, add and result, found function reduce',
  ]);
  assert.deepEqual(findings({ assign, aggregate: { init: 1, adds: reduce, result: reduce } }), [
    'aggregate: no property "adds"; expected one of: init, add, merge, result',
    'aggregate: init: expected a function, found 1',
    'aggregate: add is missing',
  ]);
  assert.deepEqual(findings({ assign, reduce, schema: 'text', codec: {}, trigger: 'count' }), [
    'schema: expected a schema, found "text"',
    'codec: expected a codec, found an object',
    'trigger: expected triggers.count(…) or its like, or one of defineTrigger, found "count"',
  ]);
  assert.deepEqual(findings({ assign, reduce, lateness: '-1h' }), [
    `lateness: expected a length of time such as '5m', or whole milliseconds, found "-1h"`,
  ]);
  assert.deepEqual(findings({ assign, reduce, lateness: 1.5 }), [
    `lateness: expected a length of time such as '5m', or whole milliseconds, found 1.5`,
  ]);
  assert.deepEqual(findings({ assign, reduce, lateness: MAX_LENGTH + 1 }), [
    `lateness: expected at most 100 years, found ${MAX_LENGTH + 1}`,
  ]);
});

test('what its parts do not allow together', () => {
  const trigger = triggers.count(5);
  const global = windows.global();
  assert.deepEqual(findings({ assign: global, reduce, trigger }), []);
  assert.deepEqual(findings({ assign: global, reduce }), [
    'windows.global() never ends: add a trigger that says when there are results, such as triggers.count(100)',
  ]);
  assert.deepEqual(findings({ assign: global, reduce, trigger: triggers.eventTime() }), [
    'triggers.eventTime() never fires for windows.global(), which never ends',
  ]);
  assert.deepEqual(findings({ assign: global, reduce, trigger, lateness: 1 }), [
    'lateness: nothing is late for windows.global(), which never ends',
  ]);
  const session = windows.session('30m');
  assert.deepEqual(findings({ assign: session, reduce, trigger }), []);
  assert.deepEqual(findings({ assign: session, aggregate }), [
    'aggregate: merge is missing: sessions that meet become one, and so must what they keep',
  ]);
  assert.deepEqual(findings({ assign: session, aggregate: { ...aggregate, merge: Math.max } }), []);
  const withState = defineTrigger({ kind: 'mine', initial: 1, onElement: () => 'fire' });
  assert.deepEqual(findings({ assign: session, reduce, trigger: withState }), [
    'trigger mine has a state, but no merge: sessions that meet become one, and so must it',
  ]);
  const without = defineTrigger({ onElement: () => 'fire' });
  assert.deepEqual(findings({ assign: session, reduce, trigger: without }), []);
});

test('windows: lengths and offsets that cannot be meant are refused where they stand', () => {
  const text = (found: string) =>
    `expected a length of time such as '5m', or whole milliseconds, found ${found}`;
  assert.deepEqual(
    refusal(() => windows.tumbling('an hour')),
    [`size: ${text('"an hour"')}`],
  );
  assert.deepEqual(
    refusal(() => windows.tumbling(0)),
    ['size: expected at least 1 ms, found 0'],
  );
  assert.deepEqual(
    refusal(() => windows.sliding('1h', 0)),
    ['slide: expected at least 1 ms, found 0'],
  );
  assert.deepEqual(
    refusal(() => windows.sliding('1h', -1)),
    [`slide: ${text('-1')}`],
  );
  assert.deepEqual(
    refusal(() => windows.sliding(MAX_WINDOWS + 1, 1)),
    [`an element would be in ${MAX_WINDOWS + 1} windows, at most ${MAX_WINDOWS}`],
  );
  assert.deepEqual(
    refusal(() => windows.session(loose({}))),
    [`gap: ${text('an object')}`],
  );
  assert.deepEqual(
    refusal(() => windows.tumbling('1h', { offset: '1h' })),
    ['offset: expected less than the 3600000 ms from one window to the next, found "1h"'],
  );
  assert.deepEqual(
    refusal(() => windows.sliding('3h', '1h', { offset: '-2h' })),
    ['offset: expected less than the 3600000 ms from one window to the next, found "-2h"'],
  );
  assert.deepEqual(
    refusal(() => windows.tumbling('1h', loose({ ofset: 1 }))),
    ['no option "ofset"; expected offset'],
  );
  assert.deepEqual(
    refusal(() => windows.tumbling('1h', loose('1m'))),
    [`expected options such as { offset: '1h' }, found "1m"`],
  );
  // Windows may leave gaps, as Flink's do.
  assert.deepEqual(windows.sliding('1m', '1h'), {
    kind: 'sliding',
    size: 60_000,
    slide: 3_600_000,
    offset: 0,
  });
  assert.equal(windows.tumbling('1h', { offset: -5 }).offset, -5);
  assert.ok(Object.is(windows.tumbling('1h', { offset: '-0s' }).offset, 0));
});

test('triggers that cannot be meant are refused where they stand', () => {
  for (const wrong of [0, -1, 1.5, '3'])
    assert.match(
      refusal(() => triggers.count(loose(wrong)))[0] ?? '',
      /^expected a whole number of at least 1/,
    );
  assert.deepEqual(
    refusal(() => triggers.continuous(0)),
    ['interval: expected at least 1 ms, found 0'],
  );
  assert.deepEqual(
    refusal(() => triggers.purging(loose('count'))),
    ['expected a trigger, found "count"'],
  );
  assert.deepEqual(
    refusal(() => defineTrigger(loose({ kind: '', onElemnt() {}, merge: 1 }))),
    [
      'no property "onElemnt"; expected one of: kind, initial, onElement, onEventTime, onProcessingTime, merge, onMerge',
      'onElement is missing',
      'merge: expected a function, found 1',
      'kind: expected non-empty text, found ""',
    ],
  );
  assert.deepEqual(
    refusal(() => defineTrigger(loose(undefined))),
    ['expected an object with onElement, found undefined'],
  );
});

test('sliding windows are sliced where what they keep can be put together, under the default trigger', () => {
  const assign = windows.sliding('1h', '5m');
  const merging = { ...aggregate, merge: Math.max };
  assert.ok(isSliced(nodeOf({ assign, reduce }).spec));
  assert.ok(isSliced(nodeOf({ assign, aggregate: merging }).spec));
  assert.ok(!isSliced(nodeOf({ assign, aggregate }).spec));
  assert.ok(!isSliced(nodeOf({ assign, apply: reduce }).spec));
  assert.ok(!isSliced(nodeOf({ assign, reduce, trigger: triggers.count(5) }).spec));
  assert.ok(!isSliced(nodeOf({ assign: windows.tumbling('1h'), reduce }).spec));
  const length = fc.integer({ min: 1, max: 100_000 });
  fc.assert(
    fc.property(length, length, length, (a, b, c) => {
      const slice = sliceLength(windows.sliding(a * c, b * c));
      assert.deepEqual([(a * c) % slice, (b * c) % slice, slice % c], [0, 0, 0]);
      assert.equal(sliceLength(windows.sliding((a * c) / slice, (b * c) / slice)), 1);
    }),
  );
});

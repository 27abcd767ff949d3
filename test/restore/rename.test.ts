/** What a change looks like: which rename, and what to write. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewGraph } from '../../src/restore/compatible.js';
import { planStates, refusedLines } from '../../src/restore/plan-states.js';
import type { SnapshotShape, SnapshotTable } from '../../src/restore/shape.js';
import { similarity } from '../../src/restore/similarity.js';
import fc from '../helpers/property.js';
import { graph, is, operator, snapshot, source, was } from './shapes.js';

const COUNT = [operator('count')];

/** Advice by name of the snapshot's state. */
function advice(old: SnapshotShape, now: NewGraph): Readonly<Record<string, string | null>> {
  const plans = planStates(old, now, { allowMissing: false, drop: [] });
  return Object.fromEntries(
    plans.filter(({ action }) => action !== 'new').map((plan) => [plan.name, plan.advice]),
  );
}

const renamed = (to: string, from: string) =>
  `looks like it was renamed to ${to}: add formerly: ['${from}'] to ${to}`;

test('a state of the same shape, the more alike the name', () => {
  const old = snapshot(COUNT, was('count.total'), was('count.seen'), was('count.rows', { kind: 'list' }));
  const now = graph(
    COUNT,
    is('count.seenAt'),
    is('count.totals'),
    is('count.row', { kind: 'map', mapKey: 'string' }),
  );
  assert.deepEqual(advice(old, now), {
    'count.total': renamed('count.totals', 'total'),
    'count.seen': renamed('count.seenAt', 'seen'),
    'count.rows': null,
  });
});

test('names that are not alike, where nothing else has the shape; a former name that is there stays', () => {
  const old = snapshot(COUNT, was('count.a'), was('count.b', { codec: { id: 'json', version: 1 } }));
  const now = graph(COUNT, is('count.somethingElse', { formerly: ['old'], schemaVersion: 2 }));
  assert.deepEqual(advice(old, now), {
    'count.a':
      "looks like it was renamed to count.somethingElse: add formerly: ['old', 'a'] to count.somethingElse",
    'count.b': null,
  });
});

test('another type of map keys, an earlier schema, other windows are no rename; nor is what holds nothing', () => {
  const map = (mapKey: string) => ({ kind: 'map', mapKey });
  const old = snapshot(
    [...COUNT, operator('days')],
    was('count.a', map('string')),
    was('count.b', { schemaVersion: 2 }),
    was('count.c', { entries: 0 }),
    was('days.panes', { kind: 'list', window: { assign: { kind: 'session', gap: 5 } } }),
  );
  const now = graph(
    [...COUNT, operator('hours')],
    is('count.aa', map('long')),
    is('count.bb'),
    is('hours.panes', { kind: 'list', window: { assign: { kind: 'global' } } }),
  );
  assert.deepEqual(Object.values(advice(old, now)), [null, null, null, null]);
});

test('an operator, told once; by its states first, then by its name', () => {
  const old = snapshot(
    [operator('count'), operator('sum'), source('lines')],
    was('count.seen'),
    was('count.shut', { kind: 'timer' }),
    was('sum.total'),
    was('lines'),
  );
  const now = graph(
    [operator('counts'), operator('adds'), source('files')],
    is('counts.total'),
    is('adds.seen'),
    is('adds.shut', { kind: 'timer' }),
    is('files'),
  );
  assert.deepEqual(advice(old, now), {
    'count.seen': renamed('adds', 'count'),
    'count.shut': renamed('adds', 'count'),
    'sum.total': renamed('counts', 'sum'),
    lines: renamed('files', 'lines'),
  });
  const lines = refusedLines(planStates(old, now, { allowMissing: false, drop: [] }));
  assert.deepEqual(
    lines.filter((line) => line.startsWith('    ')),
    [renamed('adds', 'count'), renamed('counts', 'sum'), renamed('files', 'lines')].map(
      (one) => `    ${one}`,
    ),
  );
});

test('no operator of another kind, of other keys, or of which half the states are missing', () => {
  const old = (...tables: SnapshotTable[]) => snapshot(COUNT, ...tables);
  const seen = old(was('count.seen'));
  const to = (over: Parameters<typeof operator>[1]) => graph([operator('counts', over)], is('counts.seen'));
  assert.equal(advice(seen, to({}))['count.seen'], renamed('counts', 'count'));
  assert.equal(advice(seen, to({ keyType: 'long' }))['count.seen'], null);
  assert.equal(advice(seen, to({ kind: 'sink' }))['count.seen'], null);
  const three = old(was('count.seen'), was('count.x', { kind: 'list' }), was('count.y', { kind: 'list' }));
  assert.equal(advice(three, to({}))['count.seen'], null);
});

test('timers have no former names', () => {
  const timer = { kind: 'event-timer' };
  const old = snapshot(COUNT, was('count.close', timer));
  assert.deepEqual(advice(old, graph(COUNT, is('count.shut', timer))), {
    'count.close':
      'looks like it was renamed to count.shut: call it close again, or: tidemark rewrite FILE --rename count.close=shut -o NEW.tar',
  });
});

test('what was written is what is advised', () => {
  const two = (...tables: SnapshotTable[]) => snapshot(COUNT, ...tables);
  const cases: readonly (readonly [SnapshotShape, NewGraph, RegExp])[] = [
    [two(was('count.s')), graph(COUNT, is('count.s', { kind: 'list' })), /go back to s: state\.value\(…\)/],
    [
      two(was('count.s', { kind: 'event-timer' })),
      graph(COUNT, is('count.s', { kind: 'timer' })),
      /timers: \{ s: 'event' \}/,
    ],
    [
      two(was('count.s', { kind: 'operator-union' })),
      graph(COUNT, is('count.s', { kind: 'operator-list' })),
      /state\.operatorUnion/,
    ],
    [
      snapshot([operator('count', { keyType: 'tuple(string,long)' })], was('count.s')),
      graph(COUNT, is('count.s')),
      /keyBy\(…, key\.tuple\(key\.string, key\.long\)\)/,
    ],
    [
      two(was('count.s')),
      graph(COUNT, is('count.s', { codec: { id: 'json', version: 1 } })),
      /add was: \[codec\.value\] to the options of s/,
    ],
    [
      two(was('count.s', { codec: { id: 'mine', version: 1 } })),
      graph(COUNT, is('count.s')),
      /add was: \[the codec mine\]/,
    ],
    [
      two(was('count.s', { codec: { id: 'mine', version: 3 } })),
      graph(COUNT, is('count.s', { codec: { id: 'mine', version: 1 } })),
      /give codec mine version 3 again/,
    ],
    [
      two(was('count.s', { schemaVersion: 3 })),
      graph(COUNT, is('count.s')),
      /add the 2 \.next\(…\) that are missing to the schema of count\.s, up to version 3/,
    ],
  ];
  for (const [old, now, expected] of cases) assert.match(Object.values(advice(old, now))[0] ?? '', expected);
});

test('names are as alike as their edit distance says', () => {
  assert.equal(similarity('', ''), 1);
  assert.equal(similarity('Seen', 'seen'), 1);
  assert.equal(similarity('abcd', 'abxd'), 0.75);
  assert.equal(similarity('abc', ''), 0);
  assert.equal(similarity('kitten', 'sitting'), 1 - 3 / 7);
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 });
  fc.assert(
    fc.property(word, word, fc.constantFrom('a', 'b'), (a, b, letter) => {
      assert.equal(similarity(a, b), similarity(b, a));
      assert.equal(similarity(a, a), 1);
      const edits = (one: string, other: string) =>
        Math.round((1 - similarity(one, other)) * Math.max(one.length, other.length));
      assert.ok(Math.abs(edits(a, b) - edits(`${a}${letter}`, b)) <= 1);
      assert.equal(edits(`${a}${letter}`, `${b}${letter}`), edits(a, b));
    }),
  );
});

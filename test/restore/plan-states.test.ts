/** What becomes of each state, case by case. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewGraph } from '../../src/restore/compatible.js';
import { droppedKeys, isTaken, planStates, unprovenStates } from '../../src/restore/plan-states.js';
import type { SnapshotShape, WindowRecord } from '../../src/restore/shape.js';
import { graph, is, operator, snapshot, source, was } from './shapes.js';

const COUNT = [operator('count')];
const AUTO = [operator('count', { keyType: 'auto' })];
const NONE = { allowMissing: false, drop: [] };

type Told = readonly [name: string, action: string, message?: RegExp | null];
type Case = readonly [what: string, old: SnapshotShape, now: NewGraph, told: readonly Told[]];

function plain(from: Parameters<typeof was>[1], to: Parameters<typeof is>[1]): [SnapshotShape, NewGraph] {
  return [snapshot(COUNT, was('count.seen', from)), graph(COUNT, is('count.seen', to))];
}

const JSON_1 = { id: 'json', version: 1 };
const MINE = (version: number) => ({ id: 'mine', version });
const BOTH = [operator('a'), operator('b')];

const CASES: readonly Case[] = [
  ['nothing', ...plain({}, {}), [['count.seen', 'kept', null]]],
  ['no schema', ...plain({}, { typed: false }), [['count.seen', 'unproven', null]]],
  [
    'keys of type auto',
    snapshot(AUTO, was('count.seen'), was('count.shut', { kind: 'timer' })),
    graph(AUTO, is('count.seen'), is('count.shut', { kind: 'timer' })),
    [
      ['count.seen', 'unproven'],
      ['count.shut', 'unproven'],
    ],
  ],
  [
    'a tuple with a place of type auto',
    snapshot([operator('count', { keyType: 'tuple(string,auto)' })], was('count.seen')),
    graph([operator('count', { keyType: 'tuple(string,auto)' })], is('count.seen')),
    [['count.seen', 'unproven']],
  ],
  [
    'map keys of type auto',
    ...plain({ kind: 'map', mapKey: 'auto' }, { kind: 'map', mapKey: 'auto' }),
    [['count.seen', 'unproven']],
  ],
  [
    'map keys of type auto that are our own',
    ...plain({ kind: 'map', mapKey: 'auto' }, { kind: 'map', mapKey: 'auto', ownMapKeys: true }),
    [['count.seen', 'kept', null]],
  ],
  [
    'positions and state without keys beside keys of type auto',
    snapshot([...AUTO, source('lines')], was('lines'), was('count.rules', { kind: 'operator-list' })),
    graph([...AUTO, source('lines')], is('lines'), is('count.rules', { kind: 'operator-list' })),
    [
      ['lines', 'kept'],
      ['count.rules', 'kept'],
    ],
  ],
  [
    'a state by its former name',
    snapshot(COUNT, was('count.seen')),
    graph(COUNT, is('count.total', { formerly: ['seen'] })),
    [['count.seen', 'moved', /^is count\.total now$/]],
  ],
  [
    'an operator by its former name',
    snapshot([operator('count')], was('count.seen')),
    graph([operator('sum', { formerly: ['count'] })], is('sum.seen')),
    [['count.seen', 'moved', /^is sum\.seen now$/]],
  ],
  [
    'a state that is there by its name goes to no other by a former one',
    snapshot(COUNT, was('count.seen')),
    graph(COUNT, is('count.seen'), is('count.total', { formerly: ['seen'] })),
    [
      ['count.seen', 'kept'],
      ['count.total', 'new', /starts empty/],
    ],
  ],
  ['a later version', ...plain({}, { schemaVersion: 3 }), [['count.seen', 'migrated', /^schema v1→v3$/]]],
  [
    'a later version under another name',
    snapshot(COUNT, was('count.seen')),
    graph(COUNT, is('count.total', { formerly: ['seen'], schemaVersion: 2, typed: false })),
    [['count.seen', 'migrated', /^is count\.total now, schema v1→v2$/]],
  ],
  [
    'an earlier version',
    ...plain({ schemaVersion: 3 }, {}),
    [['count.seen', 'impossible', /version 3, newer than 1/]],
  ],
  ['another codec', ...plain({}, { codec: JSON_1 }), [['count.seen', 'impossible', /value v1, not json v1/]]],
  [
    'another codec with a way across',
    ...plain({}, { codec: MINE(1), reads: [JSON_1, { id: 'value', version: 1 }] }),
    [['count.seen', 'migrated', /^codec value v1→mine v1$/]],
  ],
  [
    'a way across from an earlier version only',
    ...plain({ codec: MINE(3) }, { codec: JSON_1, reads: [MINE(2)] }),
    [['count.seen', 'impossible', /mine v3, not json v1/]],
  ],
  [
    'a later version of the codec',
    ...plain({ codec: MINE(1) }, { codec: MINE(2) }),
    [['count.seen', 'migrated', /mine v1→mine v2/]],
  ],
  [
    'an earlier version of the codec',
    ...plain({ codec: MINE(2) }, { codec: MINE(1) }),
    [['count.seen', 'impossible', /mine v2, not mine v1/]],
  ],
  [
    'another kind',
    ...plain({}, { kind: 'list' }),
    [['count.seen', 'impossible', /was a value and is a list now/]],
  ],
  [
    'another time of a timer',
    ...plain({ kind: 'timer' }, { kind: 'event-timer' }),
    [['count.seen', 'impossible', /was a timer and is a event-timer now/]],
  ],
  [
    'a timer and a state of one name are two',
    ...plain({ kind: 'timer' }, {}),
    [
      ['count.seen', 'impossible', /timer state seen \(10 entries\) is not declared any more/],
      ['count.seen', 'new'],
    ],
  ],
  [
    'other keys',
    snapshot(COUNT, was('count.seen'), was('count.all', { kind: 'broadcast', mapKey: 'string' })),
    graph(
      [operator('count', { keyType: 'long' })],
      is('count.seen'),
      is('count.all', { kind: 'broadcast', mapKey: 'string' }),
    ),
    [
      ['count.seen', 'impossible', /keys were string and are long now/],
      ['count.all', 'kept'],
    ],
  ],
  [
    'keys that are given a type, or lose it',
    snapshot(
      [...AUTO, operator('sum'), operator('pair', { keyType: 'tuple(auto,tuple(auto,string))' })],
      was('count.seen', { kind: 'timer' }),
      was('count.all', { kind: 'operator-list' }),
      was('sum.total'),
      was('pair.of'),
    ),
    graph(
      [
        ...COUNT,
        operator('sum', { keyType: 'auto' }),
        operator('pair', { keyType: 'tuple(long,tuple(int,string))' }),
      ],
      is('count.seen', { kind: 'timer' }),
      is('count.all', { kind: 'operator-list' }),
      is('sum.total'),
      is('pair.of'),
    ),
    [
      ['count.seen', 'migrated', /^keys auto→string$/],
      ['count.all', 'kept'],
      ['sum.total', 'migrated', /^keys string→auto$/],
      ['pair.of', 'migrated'],
    ],
  ],
  [
    'tuples of other places',
    snapshot(
      [
        operator('a', { keyType: 'tuple(string,string)' }),
        operator('b', { keyType: 'tuple(auto,long)' }),
        operator('c', { keyType: 'tuple(auto)' }),
      ],
      was('a.n'),
      was('b.n'),
      was('c.n'),
    ),
    graph(
      [
        operator('a', { keyType: 'tuple(string)' }),
        operator('b', { keyType: 'tuple(string,int)' }),
        operator('c', { keyType: 'tuple(string,int)' }),
      ],
      is('a.n'),
      is('b.n'),
      is('c.n'),
    ),
    [
      ['a.n', 'impossible', /keys were tuple\(string,string\) and are tuple\(string\) now/],
      ['b.n', 'impossible'],
      ['c.n', 'impossible'],
    ],
  ],
  [
    'other map keys',
    ...plain({ kind: 'map', mapKey: 'long' }, { kind: 'map', mapKey: 'string' }),
    [['count.seen', 'impossible', /map keys were long and are string now/]],
  ],
  [
    'map keys that are given a type',
    ...plain({ kind: 'map', mapKey: 'auto' }, { kind: 'map', mapKey: 'string' }),
    [['count.seen', 'migrated', /map keys auto→string/]],
  ],
  [
    'a state gone',
    snapshot(COUNT, was('count.seen')),
    graph(COUNT),
    [['count.seen', 'impossible', /not declared any more/]],
  ],
  [
    'an operator gone',
    snapshot([...COUNT, source('lines')], was('count.seen'), was('lines')),
    graph(COUNT, is('count.seen')),
    [
      ['count.seen', 'kept'],
      ['lines', 'impossible', /lines is not in the definition/],
    ],
  ],
  [
    'empty state gone, of another kind, of other keys',
    snapshot(
      COUNT,
      was('count.a', { entries: 0 }),
      was('count.b', { entries: 0 }),
      was('count.c', { entries: 0, schemaVersion: 2 }),
    ),
    graph(COUNT, is('count.b', { kind: 'list' }), is('count.c')),
    [
      ['count.a', 'dropped', /^held nothing$/],
      ['count.b', 'dropped', /^held nothing, and was a value/],
      ['count.c', 'dropped', /^held nothing, and has schema version 2/],
      ['count.b', 'new'],
      ['count.c', 'new'],
    ],
  ],
  [
    'event time is not used any more',
    snapshot(COUNT, was('count', { kind: 'watermark' })),
    graph(COUNT),
    [['count', 'dropped', /event time/]],
  ],
  [
    'event time is used now',
    snapshot(COUNT),
    graph(COUNT, is('count', { kind: 'watermark' }), is('out', { kind: 'transactions' })),
    [],
  ],
  [
    'two that would become one',
    snapshot(BOTH, was('a.n'), was('b.n')),
    graph([operator('b', { formerly: ['a'] })], is('b.n')),
    [
      ['a.n', 'impossible', /would become b\.n, as b\.n does/],
      ['b.n', 'kept'],
    ],
  ],
  [
    'two that would become one, of which one is empty',
    snapshot(BOTH, was('a.n'), was('b.n', { entries: 0 })),
    graph([operator('b', { formerly: ['a'] })], is('b.n')),
    [
      ['a.n', 'moved'],
      ['b.n', 'dropped', /held nothing/],
    ],
  ],
];

for (const [what, old, now, told] of CASES) {
  test(what, () => {
    const plans = planStates(old, now, NONE);
    assert.deepEqual(
      plans.map(({ name, action }) => [name, action]),
      told.map(([name, action]) => [name, action]),
    );
    for (const [place, [, , message]] of told.entries()) {
      if (message === null) assert.equal(plans[place]?.message, null);
      else if (message !== undefined) assert.match(plans[place]?.message ?? '', message);
    }
  });
}

const DAY: WindowRecord = { assign: { kind: 'tumbling', size: 86_400_000, offset: 0 } };
const SLIDING = (size: number, slide: number): WindowRecord => ({
  assign: { kind: 'sliding', size, slide, offset: 0 },
  slice: 5,
});
const SESSION = (gap: number | null): WindowRecord => ({ assign: { kind: 'session', gap } });
const GLOBAL: WindowRecord = { assign: { kind: 'global' }, trigger: 'count(5)' };

const WINDOWS: readonly (readonly [string, WindowRecord | undefined, WindowRecord | undefined, RegExp?])[] = [
  ['the same', DAY, DAY],
  ['another lateness', DAY, { ...DAY, lateness: 10 }],
  ['another gap of sessions', SESSION(5), SESSION(null)],
  [
    'another size',
    DAY,
    { assign: { ...DAY.assign, size: 1 } as never },
    /its windows were tumbling, size 86400000/,
  ],
  ['a trigger', DAY, { ...DAY, trigger: 'continuous(1m)' }, /trigger was eventTime, and is continuous/],
  ['no trigger any more', { ...DAY, trigger: 'continuous(1m)' }, DAY],
  ['another size of the same slices', SLIDING(10, 5), SLIDING(20, 5), /size 10, .* size 20/],
  ['another slide of the same slices', SLIDING(20, 5), SLIDING(20, 10), /slide 5, .* slide 10/],
  ['slices where there were none', { assign: SLIDING(10, 5).assign }, SLIDING(10, 5), /its windows were/],
  ['another offset', DAY, { assign: { ...DAY.assign, offset: 5 } as never }, /offset 0, .* offset 5/],
  ['sessions', DAY, SESSION(5), /are session, gap 5 now/],
  ['a count of what was of a time', DAY, GLOBAL, /are global now/],
  ['no window any more', DAY, undefined, /holds panes of windows \(tumbling/],
  ['a snapshot that does not tell', undefined, DAY],
];

for (const [what, before, now, refused] of WINDOWS) {
  test(`panes of a window: ${what}`, () => {
    const [plan] = planStates(
      snapshot(COUNT, was('count.panes', { kind: 'reducing', window: before })),
      graph(COUNT, is('count.panes', { kind: 'reducing', window: now })),
      NONE,
    );
    assert.equal(plan?.action, refused === undefined ? 'kept' : 'impossible');
    if (refused === undefined) return;
    assert.match(plan?.message ?? '', refused);
    assert.match(plan?.advice ?? '', /--drop count/);
  });
}

test('what triggers keep is taken by a trigger of the same kind', () => {
  const kept = (from: string, to: string) => {
    const of = (trigger: string) => ({ kind: 'value', window: { ...GLOBAL, trigger } });
    const old = snapshot(COUNT, was('count.panes', of(from)), was('count.trigger', of(from)));
    const now = graph(COUNT, is('count.panes', of(to)), is('count.trigger', of(to)));
    return planStates(old, now, NONE).map(({ action }) => action);
  };
  assert.deepEqual(kept('count(3)', 'count(5)'), ['kept', 'kept']);
  assert.deepEqual(kept('count(3)', 'purging(count(5))'), ['kept', 'kept']);
  assert.deepEqual(kept('purging(mine)', 'mine'), ['kept', 'kept']);
  assert.deepEqual(kept('count(3)', 'continuous(1m)'), ['impossible', 'impossible']);
  assert.deepEqual(kept('mine', 'yours'), ['impossible', 'impossible']);
});

test('the fields tell what the action does not', () => {
  const [plan] = planStates(
    snapshot(AUTO, was('count.seen', { kind: 'map', mapKey: 'auto', codec: MINE(1) })),
    graph(
      AUTO,
      is('count.total', {
        kind: 'map',
        mapKey: 'auto',
        codec: MINE(2),
        schemaVersion: 4,
        typed: false,
        formerly: ['seen'],
      }),
    ),
    NONE,
  );
  assert.deepEqual(plan, {
    name: 'count.seen',
    operator: 'count',
    state: 'seen',
    kind: 'map',
    entries: 10,
    bytes: 100,
    action: 'migrated',
    to: 'count.total',
    versions: { from: 1, to: 4 },
    codecs: { from: 'mine v1', to: 'mine v2' },
    proven: false,
    unproven: 'no schema, keys of type auto, map keys of type auto',
    missing: false,
    message: 'is count.total now, schema v1→v4, codec mine v1→mine v2',
    advice: null,
  });
});

test('what is missing may be left behind; what does not fit may not', () => {
  const old = snapshot(COUNT, was('count.gone'), was('count.kind'));
  const now = graph(COUNT, is('count.kind', { kind: 'list' }));
  const allowed = planStates(old, now, { allowMissing: true, drop: [] });
  assert.deepEqual(
    allowed.map(({ name, action, to }) => [name, action, to]),
    [
      ['count.gone', 'dropped', null],
      ['count.kind', 'impossible', null],
    ],
  );
  const [gone, kind] = planStates(old, now, NONE);
  assert.deepEqual([gone?.missing, kind?.missing], [true, false]);
});

test('what is named is left behind, fits it or not, and starts empty', () => {
  const old = snapshot(
    [...COUNT, source('lines')],
    was('count.seen'),
    was('count.kind'),
    was('count.shut', { kind: 'timer' }),
    was('count.shut'),
    was('lines'),
  );
  const now = graph(
    [...COUNT, source('lines')],
    is('count.seen'),
    is('count.kind', { kind: 'list' }),
    is('count.shut'),
    is('lines'),
  );
  const plan = (...drop: string[]) => planStates(old, now, { allowMissing: true, drop });
  const actions = (...drop: string[]) => plan(...drop).map(({ name, action }) => `${name} ${action}`);
  assert.deepEqual(actions('count.seen', 'count.kind'), [
    'count.seen dropped',
    'count.kind dropped',
    'count.shut dropped',
    'count.shut kept',
    'lines kept',
    'count.seen new',
    'count.kind new',
  ]);
  assert.deepEqual(actions('count').slice(0, 5), [
    'count.seen dropped',
    'count.kind dropped',
    'count.shut dropped',
    'count.shut dropped',
    'lines kept',
  ]);
  // Of the two called count.shut only the timer goes.
  assert.deepEqual(droppedKeys(plan('count.kind')), ['count.kind', 'count.shut (timer)']);
  assert.throws(() => plan('lines', 'count.no', 'nobody'), {
    code: 'STATE_NOT_FOUND',
    message:
      'nothing is called count.no, nobody in the snapshot; it has count, count.kind, count.seen, count.shut, lines',
  });
});

test('a long list of names is cut', () => {
  const many = Array.from({ length: 50 }, (_, at) => was(`count.s${at + 10}`));
  const old = snapshot(COUNT, ...many);
  assert.throws(() => planStates(old, graph(COUNT), { allowMissing: true, drop: ['x'] }), {
    message: /count\.s38, and 21 more$/,
  });
});

test('what --strict refuses is what is taken and not proven', () => {
  const states = planStates(
    snapshot(COUNT, was('count.a'), was('count.b'), was('count.c'), was('count.d', { entries: 0 })),
    graph(
      COUNT,
      is('count.a', { typed: false }),
      is('count.bb', { typed: false, formerly: ['b'], schemaVersion: 2 }),
      is('count.d', { typed: false }),
      is('count.e', { typed: false }),
    ),
    { allowMissing: true, drop: [] },
  );
  assert.deepEqual(
    unprovenStates(states).map(({ name }) => name),
    ['count.a', 'count.b', 'count.d'],
  );
  assert.deepEqual(states.filter(isTaken).length, 3);
});

/** What a snapshot's manifest allows, cell by cell of the table in the README. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Asked, type CapableSnapshot, incapabilities } from '../../src/restore/capable.js';
import { graphChanges, type SameGraph, type SameTable } from '../../src/restore/graph-change.js';
import fc from '../helpers/property.js';

const COUNT: SameTable = {
  id: 0,
  operator: 'count',
  name: 'seen',
  kind: 'number',
  codec: { id: 'number', version: 1 },
  schemaVersion: 1,
  mapKey: null,
};
const DAYS: SameTable = { ...COUNT, id: 1, name: 'days', kind: 'map', mapKey: 'string' };
const SPLITS: SameTable = { ...COUNT, id: 2, operator: 'lines', name: '', kind: 'splits' };
const GRAPH: SameGraph = {
  operators: [
    { uid: 'lines', kind: 'source', keyType: null },
    { uid: 'count', kind: 'process', keyType: 'string' },
    { uid: 'out', kind: 'sink', keyType: null },
  ],
  tables: [COUNT, DAYS, SPLITS],
};

const CAN = { rescale: true, changeGraph: true, changeBackend: true };
const CANNOT = { rescale: false, changeGraph: false, changeBackend: false };
type Layout = 'savepoint' | 'full' | 'incremental';

function snapshot(layout: Layout, backend: 'memory' | 'disk'): CapableSnapshot {
  return {
    ...GRAPH,
    parallelism: 2,
    mode: layout === 'incremental' ? 'incremental' : 'full',
    backend: layout === 'savepoint' ? null : backend,
    capabilities: layout === 'incremental' ? CANNOT : CAN,
  };
}

function table(...tables: readonly SameTable[]): SameGraph {
  return { ...GRAPH, tables };
}

const OTHER = { memory: 'disk', disk: 'memory' } as const;
const CHANGES: readonly (readonly [
  what: string,
  change: (asked: Asked) => Partial<Asked>,
  code: string | undefined,
])[] = [
  ['nothing', () => ({}), undefined],
  ['the parallelism', () => ({ parallelism: 3 }), 'RESCALE_REFUSED'],
  ['the backend', ({ backend }) => ({ backend: OTHER[backend] }), 'BACKEND_CHANGED'],
  ['a state', () => ({ graph: table(COUNT, SPLITS) }), 'GRAPH_CHANGED'],
  ['a schema', () => ({ graph: table({ ...COUNT, schemaVersion: 2 }, DAYS, SPLITS) }), 'GRAPH_CHANGED'],
];

for (const backend of ['memory', 'disk'] as const) {
  for (const layout of ['savepoint', 'full', 'incremental'] as const) {
    for (const [what, change, code] of CHANGES) {
      const refused = layout === 'incremental' && code !== undefined;
      test(`${layout} of ${backend}, another of ${what}: ${refused ? code : 'restored'}`, () => {
        const same: Asked = { parallelism: 2, backend, graph: GRAPH };
        const found = incapabilities('a.tar', snapshot(layout, backend), { ...same, ...change(same) });
        assert.deepEqual(
          found.map((one) => one.code),
          refused ? [code] : [],
        );
        for (const { message } of found) assert.match(message, /^a\.tar: .*; an incremental .* only$/);
      });
    }
  }
}

test('each capability is asked for by itself, and all refusals are told', () => {
  const asked: Asked = { parallelism: 5, backend: 'memory', graph: table(COUNT) };
  const codes = (can: Partial<typeof CAN>) =>
    incapabilities('x', { ...snapshot('incremental', 'disk'), capabilities: { ...CANNOT, ...can } }, asked)
      .map(({ code }) => code)
      .join(' ');
  assert.equal(codes({}), 'RESCALE_REFUSED GRAPH_CHANGED BACKEND_CHANGED');
  assert.equal(codes({ rescale: true }), 'GRAPH_CHANGED BACKEND_CHANGED');
  assert.equal(codes({ changeGraph: true }), 'RESCALE_REFUSED BACKEND_CHANGED');
  assert.equal(codes({ changeBackend: true }), 'RESCALE_REFUSED GRAPH_CHANGED');
});

test('a graph is another by uids, kinds, key types, codecs, versions and order, and each is named', () => {
  const operators = (...list: SameGraph['operators']) => ({ ...GRAPH, operators: list });
  const [lines, count, out] = GRAPH.operators;
  assert.ok(lines !== undefined && count !== undefined && out !== undefined);
  const cases: readonly (readonly [SameGraph, readonly string[]])[] = [
    [GRAPH, []],
    [operators(out, count, lines), []],
    [operators(lines, count), ['out is gone']],
    [operators(lines, count, out, { ...out, uid: 'more' }), ['more is new']],
    [
      { operators: [lines, { ...count, uid: 'sum' }, out], tables: [SPLITS, { ...COUNT, operator: 'sum' }] },
      ['count is gone', 'sum is new'],
    ],
    [
      operators(lines, { ...count, keyType: 'number' }, out),
      ['count had keys of type string and has number now'],
    ],
    [operators(lines, count, { ...out, kind: 'process' }), ['out was a sink and is a process now']],
    // What feeds an operator is compared where both sides say it.
    [operators(lines, { ...count, inputs: ['lines'] }, out), []],
    [table(COUNT, DAYS), ['lines (splits) is gone']],
    [table({ ...COUNT, kind: 'value' }, DAYS, SPLITS), ['count.seen was a number and is a value now']],
    [
      table({ ...COUNT, codec: { id: 'number', version: 2 } }, DAYS, SPLITS),
      ['count.seen had codec number v1 and has number v2 now'],
    ],
    [
      table(COUNT, { ...DAYS, mapKey: 'number' }, SPLITS),
      ['count.days had map keys of type string and has number now'],
    ],
    [table(COUNT, { ...DAYS, schemaVersion: 3 }, SPLITS), ['count.days had schema version 1 and has 3 now']],
    [
      table({ ...DAYS, id: 0 }, { ...COUNT, id: 1 }, SPLITS),
      ['operators or states are declared in another order'],
    ],
    [table(COUNT, DAYS, SPLITS, { ...COUNT, id: 3, name: 'more' }), ['count.more is new']],
  ];
  for (const [is, changes] of cases) assert.deepEqual(graphChanges(GRAPH, is), changes);
});

test('a graph is another by what feeds an operator', () => {
  const fed = (...inputs: string[]) => ({
    ...GRAPH,
    operators: GRAPH.operators.map((one) => (one.uid === 'out' ? { ...one, inputs } : one)),
  });
  assert.deepEqual(graphChanges(fed('count'), fed('count')), []);
  assert.deepEqual(graphChanges(fed('count'), fed('count', 'lines')), [
    'out was fed by count and is fed by count, lines now',
  ]);
  assert.deepEqual(graphChanges(fed('count'), fed('count.rare')), [
    'out was fed by count and is fed by count.rare now',
  ]);
});

test('what is the same in nothing but order of its lists is the same; whatever differs is found either way', () => {
  const tables = fc.uniqueArray(
    fc.record({
      operator: fc.constantFrom('lines', 'count'),
      name: fc.constantFrom('', 'a', 'b', 'c.d'),
      kind: fc.constantFrom('value', 'number', 'timer', 'splits'),
      schemaVersion: fc.integer({ min: 1, max: 2 }),
    }),
    {
      selector: ({ operator, name, kind }) => `${operator} ${name} ${name === '' ? kind : kind === 'timer'}`,
      maxLength: 5,
    },
  );
  const graphOf = (list: readonly Pick<SameTable, 'operator' | 'name' | 'kind' | 'schemaVersion'>[]) =>
    table(...list.map((one, id) => ({ ...COUNT, ...one, id })));
  fc.assert(
    fc.property(tables, tables, (a, b) => {
      const [was, is] = [graphOf(a), graphOf(b)];
      assert.deepEqual(graphChanges(was, { ...was, tables: was.tables.toReversed() }), []);
      const same = JSON.stringify(was) === JSON.stringify(is);
      assert.equal(graphChanges(was, is).length === 0, same);
      assert.equal(graphChanges(is, was).length === 0, same);
    }),
  );
});

test('a long list of changes is cut', () => {
  const many = Array.from({ length: 30 }, (_, id) => ({ ...COUNT, id, name: `s${id}` }));
  const asked: Asked = { parallelism: 2, backend: 'disk', graph: table(...many) };
  const [found] = incapabilities('x', snapshot('incremental', 'disk'), asked);
  assert.match(found?.message ?? '', /, and 23 more\); an/);
});

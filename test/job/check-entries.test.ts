import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Graph } from '../../src/graph/node.js';
import { EntryCheck } from '../../src/job/check-entries.js';
import type { Dataflow } from '../../src/runtime/dataflow.js';
import type { Table } from '../../src/runtime/tables.js';
import { Where } from '../../src/runtime/where.js';

test('each entry has the step timeout for itself, however many come at once', () => {
  const table: Table = {
    id: 0,
    operator: 'count',
    name: 'seen',
    kind: 'value',
    codec: { id: 'value', version: 1 },
    schemaVersion: 1,
    mapKey: null,
  };
  const where = new Where();
  const turns: string[] = [];
  const told = {
    at: (node: number, subtask: number) => where.at(node, subtask),
    enter: () => turns.push('enter'),
    leave: () => turns.push('leave'),
  };
  const dataflow = { tables: [table], restore: () => turns.push('taken') } as unknown as Dataflow;
  const check = new EntryCheck(dataflow, { nodes: [] } as unknown as Graph, told);
  const none = Buffer.alloc(0);
  const namespace = { kind: 'none' } as const;
  const entry = {
    table: 0,
    group: 0,
    key: none,
    namespace,
    mapKey: undefined,
    value: none,
    tombstone: false,
  };
  for (let i = 0; i < 2; i++) check.take({ ...entry, stamp: undefined }, [table]);
  assert.deepEqual(turns, ['leave', 'enter', 'taken', 'leave', 'enter', 'taken']);
});

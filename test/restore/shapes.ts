/** Snapshots and graphs to hold against each other. */
import type { NewGraph, NewOperator, NewTable } from '../../src/restore/compatible.js';
import type { SnapshotOperator, SnapshotShape, SnapshotTable } from '../../src/restore/shape.js';

/** A state with entries: `count.seen`, or `lines` for positions. */
export function was(name: string, over: Partial<SnapshotTable> = {}): SnapshotTable {
  return { ...named(name), schemaVersion: 1, mapKey: null, entries: 10, bytes: 100, ...over };
}

/** The same as a definition declares it, its type included. */
export function is(name: string, over: Partial<NewTable> = {}): NewTable {
  return { ...named(name), schemaVersion: 1, mapKey: null, formerly: [], typed: true, reads: [], ...over };
}

function named(name: string) {
  const [operator = '', state = ''] = name.split('.');
  const kind = state === '' ? 'splits' : 'value';
  return { operator, name: state, kind, codec: { id: 'value', version: 1 } };
}

export function operator(uid: string, over: Partial<NewOperator> = {}): NewOperator {
  return { uid, kind: 'process', keyType: 'string', formerly: [], ...over };
}

export function source(uid: string, over: Partial<NewOperator> = {}): NewOperator {
  return operator(uid, { kind: 'source', keyType: null, ...over });
}

export function snapshot(
  operators: readonly SnapshotOperator[],
  ...tables: readonly SnapshotTable[]
): SnapshotShape {
  return { operators, tables };
}

export function graph(operators: readonly NewOperator[], ...tables: readonly NewTable[]): NewGraph {
  return { operators, tables };
}

/** The tables of a snapshot: every kind of state of every operator, numbered in graph order. */
import { type Schema, unchecked } from '../codec/schema.js';
import { valueCodec } from '../codec/value.js';
import type { Graph, ProcessNode } from '../graph/node.js';

export type TableKind = 'value' | 'number' | 'list' | 'map' | 'timer' | 'splits' | 'transactions';

export interface Table {
  readonly id: number;
  /** The operator's uid. */
  readonly operator: string;
  /** State or timer name; empty for splits and transactions. */
  readonly name: string;
  readonly kind: TableKind;
  readonly codec: { readonly id: string; readonly version: number };
  readonly schemaVersion: number;
  /** Key type of map keys; null for other kinds. */
  readonly mapKey: string | null;
}

export function tablesOf(graph: Graph): readonly Table[] {
  const tables: Table[] = [];
  const add = (
    operator: string,
    name: string,
    kind: TableKind,
    schema?: Schema<unknown>,
    codec = valueCodec,
  ) => {
    const { id, version } = codec;
    tables.push({
      id: tables.length,
      operator,
      name,
      kind,
      codec: { id, version },
      schemaVersion: (schema ?? unchecked()).version,
      mapKey: kind === 'map' ? 'auto' : null,
    });
  };
  for (const node of graph.nodes) {
    if (node.kind === 'source') add(node.uid, '', 'splits', node.source.position);
    if (node.kind === 'process') addProcess(node, add);
    if (node.kind === 'sink' && node.sink.committer !== undefined) {
      add(node.uid, '', 'transactions', node.sink.transaction);
    }
  }
  return tables;
}

type Add = (
  operator: string,
  name: string,
  kind: TableKind,
  schema?: Schema<unknown>,
  codec?: typeof valueCodec,
) => void;

function addProcess(node: ProcessNode, add: Add): void {
  for (const [name, declared] of Object.entries(node.spec.state ?? {})) {
    add(node.uid, name, declared.kind, declared.schema, declared.codec);
  }
  for (const name of Object.keys(node.spec.timers ?? {})) add(node.uid, name, 'timer');
}

/** Names this table's state went by before. */
export function formerNames(graph: Graph, table: Table): readonly string[] {
  const node = graph.nodes.find(
    (candidate) => candidate.kind === 'process' && candidate.uid === table.operator,
  );
  if (node?.kind !== 'process' || table.kind === 'timer') return [];
  return node.spec.state?.[table.name]?.formerly ?? [];
}

/** The table that takes what a snapshot holds under `theirs`: by uid and name, else by former ones. */
export function matchTable(graph: Graph, tables: readonly Table[], theirs: Table): Table | undefined {
  const named = graph.nodes.filter((node) => 'uid' in node);
  const operator =
    named.find(({ uid }) => uid === theirs.operator) ??
    named.find(({ formerly }) => formerly.includes(theirs.operator));
  const candidates = tables.filter((table) => table.operator === operator?.uid && table.kind === theirs.kind);
  return (
    candidates.find(({ name }) => name === theirs.name) ??
    candidates.find((table) => formerNames(graph, table).includes(theirs.name))
  );
}

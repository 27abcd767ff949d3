/** The tables of a snapshot: every kind of state of every operator, numbered in graph order. */
import type { Codec } from '../codec/codec.js';
import { type Schema, unchecked } from '../codec/schema.js';
import { valueCodec } from '../codec/value.js';
import type { TableKind } from '../format/manifest.js';
import type { Graph, GraphNode, ProcessNode, WindowNode } from '../graph/node.js';
import { isUnkeyedState, unkeyedDeclarations } from './unkeyed.js';
import { reachedByAssign } from './watermarks.js';
import { PANES, windowTables } from './window/layout.js';

export interface Table {
  readonly id: number;
  /** The operator's uid. */
  readonly operator: string;
  /** State or timer name; empty for splits, watermarks and transactions. */
  readonly name: string;
  readonly kind: TableKind;
  readonly codec: { readonly id: string; readonly version: number };
  readonly schemaVersion: number;
  /** Key type of map keys; null for other kinds. */
  readonly mapKey: string | null;
  /** Of a snapshot's table: the type of its operator's keys, where that is told. */
  readonly keyType?: string | null;
}

export function tablesOf(graph: Graph): readonly Table[] {
  const tables: Table[] = [];
  const add = (
    operator: string,
    name: string,
    kind: TableKind,
    { schema = unchecked(), codec = valueCodec, mapKey = 'auto' }: Shape = {},
  ) => {
    const { id, version } = codec;
    tables.push({
      id: tables.length,
      operator,
      name,
      kind,
      codec: { id, version },
      schemaVersion: schema.version,
      mapKey: kind === 'map' || kind === 'broadcast' ? mapKey : null,
    });
  };
  const timestamped = reachedByAssign(graph);
  for (const node of graph.nodes) {
    if (node.kind === 'source') add(node.uid, '', 'splits', { schema: node.source.position });
    if (node.kind === 'process') addProcess(node, add);
    if (node.kind === 'window') addWindow(node, add);
    if ((node.kind === 'process' || node.kind === 'window') && timestamped.has(node.id))
      add(node.uid, '', 'watermark');
    if (node.kind === 'sink' && node.sink.committer !== undefined) {
      add(node.uid, '', 'transactions', { schema: node.sink.transaction });
    }
    if ('uid' in node) addUnkeyed(node, add);
  }
  return tables;
}

type NamedNode = Extract<GraphNode, { readonly uid: string }>;

/** How a table's values and map keys are kept, as far as that is declared. */
interface Shape {
  readonly schema?: Schema<unknown> | undefined;
  readonly codec?: Codec<unknown>;
  readonly mapKey?: string | undefined;
}

type Add = (operator: string, name: string, kind: TableKind, shape?: Shape) => void;

function addProcess(node: ProcessNode, add: Add): void {
  for (const [name, declared] of Object.entries(node.spec.state ?? {})) {
    add(node.uid, name, declared.kind, declared);
  }
  for (const [name, time] of Object.entries(node.spec.timers ?? {}))
    add(node.uid, name, time === 'event' ? 'event-timer' : 'timer');
}

function addWindow({ uid, spec }: WindowNode, add: Add): void {
  windowTables(spec).forEach(({ name, kind }, index) => {
    if (index === PANES) add(uid, name, kind, spec.keeps);
    else add(uid, name, kind);
  });
}

function addUnkeyed(node: NamedNode, add: Add): void {
  for (const [name, declared] of Object.entries(unkeyedDeclarations(node)))
    add(node.uid, name, declared.kind, declared);
}

/** Names this table's state went by before. */
export function formerNames(graph: Graph, table: Table): readonly string[] {
  const node = graph.nodes.find((candidate) => 'uid' in candidate && candidate.uid === table.operator);
  if (node === undefined || isTimer(table.kind)) return [];
  if (isUnkeyedState(table.kind)) return unkeyedDeclarations(node)[table.name]?.formerly ?? [];
  return node.kind === 'process' ? (node.spec.state?.[table.name]?.formerly ?? []) : [];
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

export function isTimer(kind: TableKind): boolean {
  return kind === 'timer' || kind === 'event-timer';
}

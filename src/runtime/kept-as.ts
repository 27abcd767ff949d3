/** How the definition keeps the values of a table: by which codec, held against which schema. */
import { type Codec, type CodecId, isTyped } from '../codec/codec.js';
import type { Schema } from '../codec/schema.js';
import { valueCodec } from '../codec/value.js';
import type { Graph } from '../graph/node.js';
import type { Table } from './tables.js';
import { isUnkeyedState, unkeyedDeclarations } from './unkeyed.js';

/** Of a list: how one element of it is kept. */
export interface KeptAs {
  readonly codec: Codec<unknown>;
  readonly schema: Schema<unknown> | undefined;
  /** Codecs besides its own whose bytes the state can be restored from. */
  readonly was: readonly Codec<unknown>[];
}

const OURS: KeptAs = { codec: valueCodec, schema: undefined, was: [] };

/** Tables that tidemark itself writes are kept by the value codec, without a schema; so are positions and transactions. */
export function keptAs(graph: Graph, table: Pick<Table, 'operator' | 'name' | 'kind'>): KeptAs {
  const { operator, name, kind } = table;
  const node = graph.nodes.find((one) => 'uid' in one && one.uid === operator);
  if (node === undefined) return OURS;
  if (isUnkeyedState(kind)) return declaredAs(unkeyedDeclarations(node)[name]);
  if (node.kind === 'window') return isPanes(kind) ? declaredAs(node.spec.keeps) : OURS;
  const isState = node.kind === 'process' && !OWN_KINDS.has(kind);
  return isState ? declaredAs(node.spec.state?.[name]) : OURS;
}

const OWN_KINDS: ReadonlySet<string> = new Set([
  'timer',
  'event-timer',
  'watermark',
  'splits',
  'transactions',
]);

/** Of a window operator; the state of a trigger is a value. */
function isPanes(kind: Table['kind']): boolean {
  return kind === 'reducing' || kind === 'aggregating' || kind === 'list';
}

interface Declaration {
  readonly codec: Codec<unknown>;
  readonly schema: Schema<unknown> | undefined;
  readonly was?: readonly Codec<unknown>[] | undefined;
}

function declaredAs(declared: Declaration | undefined): KeptAs {
  if (declared === undefined) return OURS;
  const { codec, schema, was = [] } = declared;
  return { codec, schema, was: [...(codec.reads ?? []), ...was] };
}

export interface TableTyping {
  /** The definition says what the values are, so that those of a snapshot can be held against it. */
  readonly typed: boolean;
  /** Its map keys are tidemark's own, whatever their type says. */
  readonly ownMapKeys?: true;
  /** Codecs besides the table's own whose bytes it can be restored from. */
  readonly reads: readonly CodecId[];
}

export function tableTyping(graph: Graph, table: Table): TableTyping {
  const { codec, schema, was } = keptAs(graph, table);
  return {
    typed: isOurs(graph, table) || schema !== undefined || isTyped(codec),
    ...(isOfJoin(graph, table) && table.kind === 'map' ? { ownMapKeys: true } : {}),
    reads: was.map(({ id, version }) => ({ id, version })),
  };
}

/** Whether what is kept has its type from tidemark: numbers, timers, watermarks; positions have their schema. */
function isOurs(graph: Graph, table: Table): boolean {
  const { operator, kind } = table;
  if (kind === 'number' || OWN_KINDS.has(kind)) return true;
  // What a join by interval keeps of its own; `left` and `right` hold elements.
  if (isOfJoin(graph, table)) return table.name !== 'left' && table.name !== 'right';
  const node = graph.nodes.find((one) => 'uid' in one && one.uid === operator);
  return node?.kind === 'window' && kind === 'value' && hasKnownState(node.spec.trigger);
}

function isOfJoin({ nodes }: Graph, { operator }: Table): boolean {
  return nodes.some((node) => node.kind === 'process' && node.uid === operator && node.join !== undefined);
}

/** Of a trigger: it keeps nothing, or is one of tidemark's, which keep numbers. */
function hasKnownState(trigger: { readonly initial?: unknown; readonly typed?: true } | undefined): boolean {
  return trigger?.initial === undefined || trigger.typed === true;
}

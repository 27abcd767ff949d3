/**
 * The dataflow as data: what a definition builds and the runtime compiles. Nodes stand in the order they were
 * made, so inputs always precede their users; `id` is the place in that order and is never stored.
 */
import type { KeyCodec } from '../codec/key.js';
import type { ProcessSpec } from './process.js';
import type { SinkSpec } from './sink.js';
import type { SourceSpec } from './source.js';

interface NodeBase {
  readonly id: number;
}

interface Named {
  /** The user's stable name for this operator; state is found by it. */
  readonly uid: string;
  readonly formerly: readonly string[];
}

export interface SourceNode extends NodeBase, Named {
  readonly kind: 'source';
  readonly source: SourceSpec<unknown, unknown>;
}

export interface MapNode extends NodeBase {
  readonly kind: 'map';
  readonly input: number;
  readonly apply: (value: unknown) => unknown;
}

export interface FilterNode extends NodeBase {
  readonly kind: 'filter';
  readonly input: number;
  readonly keep: (value: unknown) => boolean;
}

export interface FlatMapNode extends NodeBase {
  readonly kind: 'flatMap';
  readonly input: number;
  readonly apply: (value: unknown) => Iterable<unknown>;
}

export interface UnionNode extends NodeBase {
  readonly kind: 'union';
  readonly inputs: readonly number[];
}

/** Routes to the subtask that owns the key; its users are keyed operators. */
export interface KeyByNode extends NodeBase {
  readonly kind: 'keyBy';
  readonly input: number;
  readonly select: (value: unknown) => unknown;
  readonly codec: KeyCodec;
}

export interface ProcessNode extends NodeBase, Named {
  readonly kind: 'process';
  /** A `keyBy` node. */
  readonly input: number;
  readonly spec: ProcessSpec<unknown, unknown>;
}

/** A side output of a process node. */
export interface SideNode extends NodeBase {
  readonly kind: 'side';
  readonly input: number;
  readonly side: string;
}

export interface SinkNode extends NodeBase, Named {
  readonly kind: 'sink';
  readonly input: number;
  readonly sink: SinkSpec<unknown, unknown>;
}

export type GraphNode =
  | SourceNode
  | MapNode
  | FilterNode
  | FlatMapNode
  | UnionNode
  | KeyByNode
  | ProcessNode
  | SideNode
  | SinkNode;

export interface Graph {
  readonly nodes: readonly GraphNode[];
}

/** The nodes that feed this one; a union may name one twice. */
export function inputsOf(node: GraphNode): readonly number[] {
  if (node.kind === 'source') return [];
  return node.kind === 'union' ? node.inputs : [node.input];
}

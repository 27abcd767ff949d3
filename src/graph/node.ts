/**
 * The dataflow as data: what a definition builds and the runtime compiles. Nodes stand in the order they were
 * made, so inputs always precede their users; `id` is the place in that order and is never stored.
 */
import type { KeyCodec } from '../codec/key.js';
import type { AsyncMapSpec } from './async-map.js';
import type { JoinType } from './join.js';
import type { ProcessSpec } from './process.js';
import type { SinkSpec } from './sink.js';
import type { SourceSpec } from './source.js';
import type { WindowSpec } from './window.js';

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

/** Gives elements their timestamps, and says how far event time has come. Stands between sources and keyed operators. */
export interface AssignNode extends NodeBase {
  readonly kind: 'assign';
  readonly input: number;
  /** Milliseconds since 1970. */
  readonly timestamp: (value: unknown) => number;
  /** How much later than its successors an element may come, milliseconds. */
  readonly outOfOrderness: number;
  /** A split that gave nothing for this long does not hold event time back; undefined: it always does. Milliseconds. */
  readonly idle: number | undefined;
  /** Splits follow each other in time: one that waits for its turn does not hold event time back. */
  readonly inTurn: boolean;
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
  /** The stream that is broadcast to it; then the spec has `broadcast` and `onBroadcast`. */
  readonly broadcast?: number;
  /**
   * The second keyed stream, a `keyBy` node with the same type of keys, maybe `input` itself; then the spec has `onLeft`
   * and `onRight` in the place of `onElement`.
   */
  readonly right?: number;
  /** What the operator was made of, where it is more than a `process`: then both inputs need timestamps. */
  readonly join?: IntervalDescription;
}

/** Lengths are milliseconds. */
export interface IntervalDescription {
  readonly kind: 'interval';
  readonly type: JoinType;
  readonly lower: number;
  readonly upper: number;
}

/** Calls to what answers later; its elements in flight are state. */
export interface AsyncMapNode extends NodeBase, Named {
  readonly kind: 'asyncMap';
  readonly input: number;
  readonly spec: AsyncMapSpec<unknown, unknown>;
}

export interface WindowNode extends NodeBase, Named {
  readonly kind: 'window';
  /** A `keyBy` node. Its late output is a `side` node of the side `late`; of a join, there is one for each side. */
  readonly input: number;
  readonly spec: WindowSpec;
  /**
   * The second keyed stream of a join, as `ProcessNode.right`. Then the functions of the spec see elements of both as
   * `Tagged`: see join.ts.
   */
  readonly right?: number;
  readonly join?: { readonly type: JoinType };
}

/** A side output of a process or window node. */
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
  | AssignNode
  | UnionNode
  | KeyByNode
  | ProcessNode
  | AsyncMapNode
  | WindowNode
  | SideNode
  | SinkNode;

export interface Graph {
  readonly nodes: readonly GraphNode[];
}

/** The nodes that feed this one; a union may name one twice. */
export function inputsOf(node: GraphNode): readonly number[] {
  if (node.kind === 'source') return [];
  if (node.kind === 'union') return node.inputs;
  if (node.kind === 'process')
    return [node.input, node.broadcast, node.right].filter((id) => id !== undefined);
  if (node.kind === 'window' && node.right !== undefined) return [node.input, node.right];
  return [node.input];
}

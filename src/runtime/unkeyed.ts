/** State that belongs to no key: broadcast state of keyed operators, list and union state of sources and sinks, elements in flight. */
import type { Codec } from '../codec/codec.js';
import type { Schema } from '../codec/schema.js';
import type { Entry, EntryWriter } from '../format/entry.js';
import type { TableKind } from '../format/manifest.js';
import type { GraphNode } from '../graph/node.js';
import type { OperatorStateDeclaration } from '../graph/operator-state.js';
import type { BroadcastDeclaration, BroadcastDeclarations } from '../graph/process.js';

/** All that one operator keeps of it, of all its subtasks. */
export interface UnkeyedStates {
  /** Takes an entry of a snapshot, which is as the definition keeps it, into `table`. Before all else. */
  restore(entry: Entry, table: number): void;
  /** Writes all of it: at the barrier, synchronously. @throws TidemarkError VALUE_REFUSED */
  write(out: EntryWriter): void;
}

/** Kinds of table that hold such state. */
const KINDS: ReadonlySet<TableKind> = new Set(['broadcast', 'operator-list', 'operator-union', 'in-flight']);

export function isUnkeyedState(kind: TableKind): boolean {
  return KINDS.has(kind);
}

/** How elements in flight are kept; one without a name. */
interface InFlightDeclaration {
  readonly kind: 'in-flight';
  readonly codec: Codec<unknown>;
  readonly schema: Schema<unknown> | undefined;
  readonly was?: readonly Codec<unknown>[] | undefined;
  readonly formerly: readonly string[];
}

type UnkeyedDeclaration =
  | OperatorStateDeclaration
  | BroadcastDeclaration<never, unknown>
  | InFlightDeclaration;

/** What a node declares of it, by name. */
export function unkeyedDeclarations(node: GraphNode): Readonly<Record<string, UnkeyedDeclaration>> {
  if (node.kind === 'source') return node.source.state ?? {};
  if (node.kind === 'sink') return node.sink.state ?? {};
  if (node.kind === 'asyncMap') return { '': { kind: 'in-flight', formerly: [], ...node.spec.kept } };
  return broadcastDeclarations(node);
}

/** The broadcast states of a node; only those to which a stream is broadcast have any. */
export function broadcastDeclarations(node: GraphNode): BroadcastDeclarations {
  if (node.kind !== 'process' || node.broadcast === undefined) return {};
  return (node.spec as { readonly broadcast?: BroadcastDeclarations }).broadcast ?? {};
}

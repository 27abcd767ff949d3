/**
 * State of sinks and sources that belongs to no key: a list of elements per subtask (Flink's `ListState` and
 * `UnionListState` of an `OperatorStateStore`). Declared as `state: { pending: state.operatorList<Row>() }`.
 *
 *     operator-list     on a restore: all lists, in the order of the subtasks, dealt out in contiguous runs
 *     operator-union    on a restore: every subtask is given all lists, in the order of the subtasks
 *
 * A list is dealt without regard to splits: a source whose subtasks need more than a share of it declares a union. Of a
 * union, a subtask that changes it writes all it then holds, so that what two have is there twice at the next restore:
 * set it to the subtask's own part, or take it for a set. Subtasks that leave it as it was restored write one copy.
 */
import type { Codec } from '../codec/codec.js';
import type { Schema } from '../codec/schema.js';

export type OperatorStateKind = 'operator-list' | 'operator-union';

/** Made by `state.operatorList` and `state.operatorUnion`. */
export interface OperatorStateDeclaration<T = unknown> {
  readonly kind: OperatorStateKind;
  /** Of one element. */
  readonly codec: Codec<unknown>;
  readonly schema: Schema<unknown> | undefined;
  /** Codecs besides `codec` and what that reads whose bytes the state can be restored from. */
  readonly was?: readonly Codec<unknown>[] | undefined;
  readonly formerly: readonly string[];
  readonly holds?: T;
}

export type OperatorStateDeclarations = { readonly [name: string]: OperatorStateDeclaration };

/** The list of one subtask, in the order of addition. What it holds at the barrier is in the snapshot. */
export interface OperatorState<T> {
  /** What `get` gives is not changed by the caller; a later change may or may not show in it. */
  get(): readonly T[];
  set(elements: Iterable<T>): void;
  add(element: T): void;
  update(change: (elements: readonly T[]) => Iterable<T>): void;
  clear(): void;
  readonly size: number;
}

/** What one declaration holds, element by element. */
type Held<D> = D extends OperatorStateDeclaration<infer T> ? T : never;

/** What a sink's writer is given: a handle for each declared state. */
export type OperatorStates<S> = { readonly [N in keyof S]: OperatorState<Held<S[N]>> };

/** The elements of each declared state: what a source's subtask is given on reading. */
export type OperatorContents<S> = { readonly [N in keyof S]: readonly Held<S[N]>[] };

/** New contents for some of the declared states: what a source's batch may carry. A name left out stays as it is. */
export type OperatorChanges<S> = { readonly [N in keyof S]?: readonly Held<S[N]>[] };

/** True for what `state.operatorList` and `state.operatorUnion` made, of any copy of the library. */
export function isOperatorStateDeclaration(value: unknown): value is OperatorStateDeclaration {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    (value.kind === 'operator-list' || value.kind === 'operator-union') &&
    'codec' in value &&
    'formerly' in value
  );
}

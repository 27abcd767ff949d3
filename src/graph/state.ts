/** State declarations: what a definition says about a piece of keyed state, and what user code gets to hold. */
import type { Codec } from '../codec/codec.js';
import type { Schema } from '../codec/schema.js';
import type { Aggregate } from './window.js';

/** A value as `get()` hands it out: valid inside the callback, changed only through `set` or `update`. */
export type DeepReadonly<T> = unknown extends T
  ? T
  : T extends string | number | bigint | boolean | symbol | null | undefined | Date
    ? T
    : T extends (...args: never[]) => unknown
      ? T
      : T extends ReadonlyMap<infer K, infer V>
        ? ReadonlyMap<DeepReadonly<K>, DeepReadonly<V>>
        : T extends ReadonlySet<infer E>
          ? ReadonlySet<DeepReadonly<E>>
          : T extends ArrayBufferView
            ? T
            : { readonly [P in keyof T]: DeepReadonly<T[P]> };

/** One value per key. `G` is what `get` gives: `T`, or `T | undefined` where no initial value is declared. */
export interface ValueState<T, G = T | undefined> {
  get(): DeepReadonly<G>;
  set(value: T): void;
  update(change: (value: DeepReadonly<G>) => T): void;
  clear(): void;
}

/** One number per key. */
export interface NumberState {
  get(): number;
  set(value: number): void;
  add(amount: number): void;
  update(change: (value: number) => number): void;
  clear(): void;
}

/** A list per key, in the order of addition. An empty list and an absent one are the same. */
export interface ListState<T> {
  get(): readonly DeepReadonly<T>[];
  add(element: T): void;
  addAll(elements: Iterable<T>): void;
  set(elements: Iterable<T>): void;
  update(change: (elements: readonly DeepReadonly<T>[]) => Iterable<T>): void;
  clear(): void;
  readonly size: number;
}

/** A map per key. Map keys follow the rules of keys (`key.auto`). An empty map and an absent one are the same. */
export interface MapState<K, V> {
  get(key: K): DeepReadonly<V> | undefined;
  has(key: K): boolean;
  set(key: K, value: V): void;
  delete(key: K): boolean;
  entries(): IterableIterator<[K, DeepReadonly<V>]>;
  keys(): IterableIterator<K>;
  clear(): void;
  readonly size: number;
}

/** One value per key, into which each added one is folded. `get` is undefined before the first. */
export interface ReducingState<T> {
  get(): DeepReadonly<T> | undefined;
  add(value: T): void;
  clear(): void;
}

/** One accumulator per key; `get` gives its result, undefined before the first `add`. */
export interface AggregatingState<In, Out> {
  get(): Out | undefined;
  add(value: In): void;
  clear(): void;
}

export type StateKind = 'value' | 'number' | 'list' | 'map' | 'reducing' | 'aggregating';

/**
 * How long an entry (a value, a number, a whole list, one entry of a map) lives: `after` milliseconds of processing time
 * from when it was last set, or, with `refresh: 'read'`, also from when it was last read. What is expired is not seen
 * any more (Flink's `StateTtlConfig`, with its OnCreateAndWrite and OnReadAndWrite, and NeverReturnExpired).
 */
export interface Ttl {
  readonly after: number;
  readonly refresh: 'write' | 'read';
}

/** A declaration; `H` is the handle user code gets for it. Made by `state.value(…)` and its like. */
export interface StateDeclaration<H = unknown> {
  readonly kind: StateKind;
  readonly codec: Codec<unknown>;
  readonly schema: Schema<unknown> | undefined;
  /** Codecs besides `codec` and what that reads whose bytes the state can be restored from. */
  readonly was?: readonly Codec<unknown>[] | undefined;
  /** Of kind `map`: the id of the type of its keys; `auto` where there is none. */
  readonly mapKey?: string | undefined;
  /** What `get` gives where nothing was set; cloned by nobody, so it must not be changed. */
  readonly initial: unknown;
  readonly formerly: readonly string[];
  /** Absent: entries do not expire. */
  readonly ttl?: Ttl | undefined;
  /** Of kind `reducing`: folds a value into what is kept. Changes neither argument. */
  readonly reduce?: ((a: unknown, b: unknown) => unknown) | undefined;
  /** Of kind `aggregating`. */
  readonly aggregate?: Aggregate<unknown, unknown, unknown> | undefined;
  readonly handle?: H;
}

export type Handles<S> = { readonly [N in keyof S]: S[N] extends StateDeclaration<infer H> ? H : never };

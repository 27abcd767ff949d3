/** State declarations: what a definition says about a piece of keyed state, and what user code gets to hold. */
import type { Codec } from '../codec/codec.js';
import type { Schema } from '../codec/schema.js';

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

export type StateKind = 'value' | 'number' | 'list' | 'map';

/** A declaration; `H` is the handle user code gets for it. Made by `state.value(…)` and its like. */
export interface StateDeclaration<H = unknown> {
  readonly kind: StateKind;
  readonly codec: Codec<unknown>;
  readonly schema: Schema<unknown> | undefined;
  /** What `get` gives where nothing was set; cloned by nobody, so it must not be changed. */
  readonly initial: unknown;
  readonly formerly: readonly string[];
  readonly handle?: H;
}

export type Handles<S> = { readonly [N in keyof S]: S[N] extends StateDeclaration<infer H> ? H : never };

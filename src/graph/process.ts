/** The keyed `process` operator: what its definition says and what its callbacks are given. */
import type { Codec } from '../codec/codec.js';
import type { Schema } from '../codec/schema.js';
import type { DeepReadonly, Handles, StateDeclaration } from './state.js';
import type { TypeTag } from './type.js';

export type StateDeclarations = { readonly [name: string]: StateDeclaration };
/** By which time a timer falls due: `'event'`, the watermark, or `'processing'`, the wall clock. */
export type TimerTime = 'event' | 'processing';
export type TimerDeclarations = { readonly [name: string]: TimerTime };
export type SideDeclarations = { readonly [name: string]: TypeTag<unknown> };

/** A named timer of the current key. Unique by (key, name, time): setting the same twice is one timer. */
export interface Timer {
  /**
   * Fires once its time, processing time or the watermark, has reached `time`, whole milliseconds since 1970. Where it has
   * already, it fires before the next batch of elements.
   */
  set(time: number): void;
  delete(time: number): void;
  /** Deletes all of this name for the current key. */
  clear(): void;
}

/** Emits to the main output and to named side outputs. */
export type Sides<D> = {
  readonly [N in keyof D]: (value: D[N] extends TypeTag<infer T> ? T : never) => void;
};

/** What `open` is given, once per subtask and attempt, before the first element. */
export interface OpenContext {
  readonly uid: string;
  readonly subtask: number;
  readonly parallelism: number;
  /** A line for the job's log. */
  log(line: string): void;
}

/** What every callback is given. The same object each time; do not keep it. */
export interface ProcessContext<K, S, M, D, O> {
  readonly key: K;
  readonly state: Handles<S>;
  readonly timers: { readonly [N in keyof M]: Timer };
  readonly side: Sides<D>;
  readonly subtask: number;
  emit(value: O): void;
  /** Processing time, milliseconds since 1970; never goes back, also across a restore. */
  now(): number;
  /** Event time of the element, or of the timer in `onTimer`; undefined where there is none (see `assignTimestamps`). */
  readonly timestamp: number | undefined;
  /** How far event time has come at this operator: no element with a lower or equal timestamp is expected any more. −Infinity at first. */
  watermark(): number;
  log(line: string): void;
}

/** Broadcast state, as the side that is broadcast may change it. Every subtask sees the same. */
export interface BroadcastState<K, V> extends ReadonlyBroadcastState<K, V> {
  set(key: K, value: V): void;
  delete(key: K): boolean;
  clear(): void;
}

/** Broadcast state, as elements see it. In order of insertion, since the last restore. */
export interface ReadonlyBroadcastState<K, V> {
  get(key: K): DeepReadonly<V> | undefined;
  has(key: K): boolean;
  entries(): IterableIterator<[K, DeepReadonly<V>]>;
  keys(): IterableIterator<K>;
  readonly size: number;
}

/** A declaration of broadcast state, whatever it holds: no type is inferred from it. */
export interface AnyBroadcastDeclaration {
  readonly kind: 'broadcast';
  readonly codec: Codec<unknown>;
  readonly schema: Schema<unknown> | undefined;
  /** Codecs besides `codec` and what that reads whose bytes the state can be restored from. */
  readonly was?: readonly Codec<unknown>[] | undefined;
  /** The id of the type of its keys; `auto` where there is none. */
  readonly mapKey?: string | undefined;
  readonly formerly: readonly string[];
}

/** `state.broadcast<K, V>()`: a map that all subtasks of an operator share, small enough for memory. */
export interface BroadcastDeclaration<K = never, V = unknown> extends AnyBroadcastDeclaration {
  readonly holds?: (key: K) => V;
}

export type BroadcastDeclarations = { readonly [name: string]: AnyBroadcastDeclaration };
export type BroadcastHandles<B> = {
  readonly [N in keyof B]: B[N] extends BroadcastDeclaration<infer K, infer V> ? BroadcastState<K, V> : never;
};
export type ReadonlyBroadcastHandles<B> = {
  readonly [N in keyof B]: B[N] extends BroadcastDeclaration<infer K, infer V>
    ? ReadonlyBroadcastState<K, V>
    : never;
};

/** What `onBroadcast` is given: there is no current key. Runs once for each broadcast element, not once a subtask. */
export interface BroadcastContext<B, D, O> {
  readonly broadcast: BroadcastHandles<B>;
  readonly side: Sides<D>;
  readonly timestamp: number | undefined;
  emit(value: O): void;
  now(): number;
  watermark(): number;
  log(line: string): void;
}

/** A `process` operator that a broadcast stream reaches beside the keyed one (Flink's `KeyedBroadcastProcessFunction`). */
export interface BroadcastProcessSpec<
  T,
  R,
  K,
  B extends BroadcastDeclarations,
  S extends StateDeclarations = StateDeclarations,
  M extends TimerDeclarations = TimerDeclarations,
  D extends SideDeclarations = SideDeclarations,
  O = unknown,
> extends Omit<ProcessSpec<T, K, S, M, D, O>, 'onElement' | 'onTimer'> {
  readonly broadcast: B;
  onElement(
    element: T,
    context: ProcessContext<K, S, M, D, O> & { readonly broadcast: ReadonlyBroadcastHandles<NoInfer<B>> },
  ): void;
  onBroadcast(element: R, context: BroadcastContext<NoInfer<B>, D, O>): void;
  readonly onTimer?: {
    readonly [N in keyof NoInfer<M>]: (
      time: number,
      context: ProcessContext<K, S, M, D, O> & { readonly broadcast: ReadonlyBroadcastHandles<NoInfer<B>> },
    ) => void;
  };
}

/** An operator that two keyed streams reach (Flink's `KeyedCoProcessFunction`): both see the same state and timers of a key. */
export interface ConnectedProcessSpec<
  L,
  R,
  K,
  S extends StateDeclarations = StateDeclarations,
  M extends TimerDeclarations = TimerDeclarations,
  D extends SideDeclarations = SideDeclarations,
  O = unknown,
> extends Omit<ProcessSpec<L, K, S, M, D, O>, 'onElement'> {
  onLeft(element: L, context: ProcessContext<K, S, M, D, O>): void;
  onRight(element: R, context: ProcessContext<K, S, M, D, O>): void;
}

export interface ProcessSpec<
  T,
  K,
  S extends StateDeclarations = StateDeclarations,
  M extends TimerDeclarations = TimerDeclarations,
  D extends SideDeclarations = SideDeclarations,
  O = unknown,
> {
  readonly state?: S;
  readonly timers?: M;
  readonly sides?: D;
  readonly emits?: TypeTag<O>;
  readonly formerly?: readonly string[];
  open?(context: OpenContext): void | Promise<void>;
  onElement(element: T, context: ProcessContext<K, S, M, D, O>): void;
  readonly onTimer?: {
    readonly [N in keyof NoInfer<M>]: (time: number, context: ProcessContext<K, S, M, D, O>) => void;
  };
  close?(): void | Promise<void>;
}

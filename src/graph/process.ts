/** The keyed `process` operator: what its definition says and what its callbacks are given. */
import type { Handles, StateDeclaration } from './state.js';
import type { TypeTag } from './type.js';

export type StateDeclarations = { readonly [name: string]: StateDeclaration };
export type TimerDeclarations = { readonly [name: string]: 'processing' };
export type SideDeclarations = { readonly [name: string]: TypeTag<unknown> };

/** A named timer of the current key. Unique by (key, name, time): setting the same twice is one timer. */
export interface Timer {
  /** Fires once processing time reaches `time`, milliseconds since 1970. */
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
  log(line: string): void;
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

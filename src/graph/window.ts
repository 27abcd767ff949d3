/**
 * Windows on keyed streams: what a definition says about one (Flink's `WindowOperator`, with the names of its parts).
 *
 *     assign       which windows an element belongs to, by its timestamp
 *     trigger      when a pane (the window of one key) gives its result; default: once the watermark passes its end
 *     lateness     how long after that a pane is kept, and gives a new result for each late element
 *     reduce | aggregate | apply     what a pane keeps, and what result it gives
 *
 * Times are milliseconds of event time. A window holds the timestamps from `start` to before `end`.
 */
import type { Codec, CodecFor } from '../codec/codec.js';
import type { Schema } from '../codec/schema.js';
import type { AnySchema } from './schemas.js';
import type { DeepReadonly } from './state.js';

export interface TimeWindow {
  readonly start: number;
  readonly end: number;
}

/** The one window of `windows.global()`; it never ends. */
export const GLOBAL_WINDOW: TimeWindow = { start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY };

/**
 * A function of an element. Written as a method, so that a stream of a narrower type may stand for one of a wider, as
 * streams may that have no windows: what is unrelated is refused all the same.
 */
type Of<T, R> = { of(element: T): R }['of'];

/** The window of a key, as results are made of it. */
export interface WindowOf<K> extends TimeWindow {
  readonly key: K;
}

/** Made by `windows.…`; lengths are whole positive milliseconds, offsets may be negative. */
export type WindowAssigner<T = unknown> =
  | TumblingWindows
  | SlidingWindows
  | SessionWindows<T>
  | GlobalWindows;

export interface TumblingWindows {
  readonly kind: 'tumbling';
  readonly size: number;
  readonly offset: number;
}

export interface SlidingWindows {
  readonly kind: 'sliding';
  readonly size: number;
  /** From the start of one to the start of the next; where it is more than `size`, there are gaps. */
  readonly slide: number;
  readonly offset: number;
}

export interface SessionWindows<T = unknown> {
  readonly kind: 'session';
  readonly gap: number | Of<T, number>;
}

export interface GlobalWindows {
  readonly kind: 'global';
}

/** What a trigger decides: whether the pane gives its result now, and whether what it keeps is dropped. */
export type TriggerResult = 'continue' | 'fire' | 'purge' | 'fire-and-purge';

/** What a trigger is given, of one pane. The same object each time; do not keep it. */
export interface PaneContext<S = unknown> {
  readonly key: unknown;
  readonly window: TimeWindow;
  /** Of the element, in `onElement`; else the time of the timer. */
  readonly timestamp: number;
  /** Event time so far; −Infinity before there is any. */
  watermark(): number;
  /** Processing time, milliseconds since 1970. */
  now(): number;
  /** What the trigger keeps for this pane; `initial` where nothing was set. Goes with the pane. */
  readonly state: { get(): S; set(value: S): void };
  readonly eventTimer: { set(time: number): void; delete(time: number): void };
  readonly processingTimer: { set(time: number): void; delete(time: number): void };
}

/**
 * When a pane gives its result (Flink's `Trigger`). All functions are pure but for what they do to `pane`. On merging
 * of sessions, states are merged by `merge`, timers are those of all (one for `window.end - 1` goes to the new end), and
 * then `onMerge` is asked.
 */
export interface Trigger<T = unknown, S = unknown> {
  /** What `plan` calls it: `count(100)`. */
  readonly kind: string;
  readonly initial?: S;
  /** What it keeps is always of one type: that of a trigger of tidemark's own. */
  readonly typed?: true;
  onElement(element: T, pane: PaneContext<S>): TriggerResult;
  onEventTime?(time: number, pane: PaneContext<S>): TriggerResult;
  onProcessingTime?(time: number, pane: PaneContext<S>): TriggerResult;
  merge?(a: S, b: S): S;
  onMerge?(pane: PaneContext<S>): void;
}

declare const sees: unique symbol;

/** A trigger for elements of `T`, whatever it keeps. Made by `triggers.…` and `defineTrigger`. */
export interface AnyTrigger<T = never> {
  readonly kind: string;
  readonly [sees]?: Of<T, void>;
}

interface CommonWindow<T> {
  readonly assign: WindowAssigner<T>;
  /** `'10m'` or milliseconds; 0 by default. */
  readonly lateness?: string | number;
  readonly trigger?: AnyTrigger<T>;
  readonly formerly?: readonly string[];
}

/** What a pane keeps becomes bytes by this. */
export interface Keeping<A> {
  readonly schema?: AnySchema<A>;
  readonly codec?: CodecFor<A>;
  /** Other codecs that may have kept it before: see `SharedStateOptions`. */
  readonly was?: readonly CodecFor<unknown>[];
}

/** One value per pane, of the type of the elements; results are that value, or what `result` makes of it. */
export interface ReduceWindow<T, K, O = T> extends CommonWindow<T>, Keeping<T> {
  readonly aggregate?: never;
  readonly apply?: never;
  /** Associative, and not caring for order; changes neither argument. */
  reduce(a: T, b: T): T;
  result?(value: T, window: WindowOf<K>): O;
}

/** Flink's `AggregateFunction`. */
export interface Aggregate<T, A, O> {
  /** Of a key, or a pane, that has seen no element. Its type is that of the accumulator. */
  init(): A;
  /** Returns the new accumulator; changes no argument. */
  add(accumulator: NoInfer<DeepReadonly<A>>, element: T): NoInfer<A | DeepReadonly<A>>;
  /** Two into one; changes neither. With it, sliding windows are kept in slices; sessions need it. */
  merge?(a: NoInfer<DeepReadonly<A>>, b: NoInfer<DeepReadonly<A>>): NoInfer<A | DeepReadonly<A>>;
  result(accumulator: NoInfer<DeepReadonly<A>>): O;
}

export interface WindowAggregate<T, K, A, O> extends Omit<Aggregate<T, A, O>, 'result'> {
  result(accumulator: NoInfer<DeepReadonly<A>>, window: WindowOf<K>): O;
}

/** One accumulator per pane. */
export interface AggregateWindow<T, K, A, O> extends CommonWindow<T>, Keeping<A> {
  readonly aggregate: WindowAggregate<T, K, A, O>;
  readonly reduce?: never;
  readonly result?: never;
  readonly apply?: never;
}

/** All elements of a pane, in the order they came; results are what `apply` yields for them. */
export interface ApplyWindow<T, K, O> extends CommonWindow<T>, Keeping<T> {
  readonly reduce?: never;
  readonly result?: never;
  readonly aggregate?: never;
  apply(elements: readonly T[], window: WindowOf<K>): Iterable<O>;
}

/** A window as the runtime has it: durations parsed, one of the three functions. Made by `KeyedStream.window`. */
export interface WindowSpec {
  readonly assign: WindowAssigner;
  /** Milliseconds. */
  readonly lateness: number;
  /** Undefined: the default, event time. */
  readonly trigger: Trigger<unknown, unknown> | undefined;
  readonly keeps: WindowKeeps;
}

/** What a pane keeps. `codec` is of the value, the accumulator, or one element of the list. */
export type WindowKeeps = {
  readonly codec: Codec<unknown>;
  readonly schema: Schema<unknown> | undefined;
  readonly was?: readonly Codec<unknown>[] | undefined;
} & (
  | {
      readonly kind: 'reducing';
      reduce(a: unknown, b: unknown): unknown;
      result?(value: unknown, window: WindowOf<unknown>): unknown;
    }
  | { readonly kind: 'aggregating'; readonly aggregate: WindowAggregate<unknown, unknown, unknown, unknown> }
  | {
      readonly kind: 'list';
      apply(elements: readonly unknown[], window: WindowOf<unknown>): Iterable<unknown>;
    }
);

/**
 * True where windows are kept in slices, of the greatest length that divides both size and slide: then an element
 * changes one slice, however many panes it is in.
 */
export function isSliced({ assign, trigger, keeps }: WindowSpec): boolean {
  if (assign.kind !== 'sliding' || trigger !== undefined) return false;
  return keeps.kind === 'reducing' || (keeps.kind === 'aggregating' && keeps.aggregate.merge !== undefined);
}

/** The length of the slices of such windows, milliseconds. */
export function sliceLength({ size, slide }: SlidingWindows): number {
  let [a, b] = [size, slide];
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/**
 * `state.value(…)` and its like: how a definition declares state.
 *
 * A declaration is plain data; the runtime makes the handle. Values are kept by `valueCodec` unless `codec` says
 * otherwise. With a schema, what was written under an older version of it is upgraded when it is restored.
 */
import type { CodecFor } from '../codec/codec.js';
import type { Key } from '../codec/key.js';
import type { KeyType } from '../codec/key-type.js';
import { aggregateFindings, isBag } from './bag.js';
import { graphInvalid } from './graph-invalid.js';
import { show } from './names.js';
import type { OperatorStateDeclaration } from './operator-state.js';
import type { AnyBroadcastDeclaration, BroadcastDeclaration } from './process.js';
import { invalid, type OptionName, readDeclaration, type TtlOption } from './read-declaration.js';
import { type AnySchema, readSchema } from './schemas.js';
import type {
  AggregatingState,
  DeepReadonly,
  ListState,
  MapState,
  NumberState,
  ReducingState,
  StateDeclaration,
  StateKind,
  ValueState,
} from './state.js';
import type { Aggregate } from './window.js';

/** Of broadcast state, and of the state of sinks and sources. */
export interface SharedStateOptions<T> {
  /** Names this state had before; what is stored under them is found on restore. */
  readonly formerly?: readonly string[];
  /** How values (list elements, map values, accumulators) become bytes. Default: `codec.value`. */
  readonly codec?: CodecFor<T>;
  /**
   * Other codecs that may have kept this state before, as they are found in what is restored: the way across for a state
   * whose codec has changed. What they read is a value of the version of the schema that it was written under.
   */
  readonly was?: readonly CodecFor<unknown>[];
}

interface KeysOption<K> {
  /** What map keys are; others are refused when they are set. Default `key.auto`, which takes keys of every type. */
  readonly keys?: KeyType<K>;
}

/** Of keyed state. */
export interface StateOptions<T> extends SharedStateOptions<T> {
  /**
   * How long an entry (a value, a number, a whole list, one entry of a map) lives after it was last set, in processing
   * time: `'1h'`, milliseconds, or `{ after: '1h', refresh: 'read' }` for what is kept alive by reading, too. What has
   * expired is never seen again and leaves memory and snapshots (Flink's `StateTtlConfig`). At most 100 years.
   */
  readonly ttl?: TtlOption;
}

export interface InitialOptions<T> extends StateOptions<T> {
  /** What `get` gives where nothing was set. Shared by all keys, so it must not be changed. */
  readonly initial: T;
}

/** Of `state.map`. */
export interface MapOptions<K, V> extends StateOptions<V>, KeysOption<K> {}

/** Of `state.broadcast`. */
export interface BroadcastOptions<K, V> extends SharedStateOptions<V>, KeysOption<K> {}

const SHARED: readonly OptionName[] = ['formerly', 'codec', 'was'];
const KEYED: readonly OptionName[] = [...SHARED, 'ttl'];

function value<T>(
  schema: AnySchema<T>,
  options: InitialOptions<NoInfer<T>>,
): StateDeclaration<ValueState<T, T>>;
function value<T>(schema: AnySchema<T>, options?: StateOptions<NoInfer<T>>): StateDeclaration<ValueState<T>>;
function value<T>(options: InitialOptions<T>): StateDeclaration<ValueState<T, T>>;
function value<T>(options?: StateOptions<T>): StateDeclaration<ValueState<T>>;
function value(first?: unknown, second?: unknown): StateDeclaration<ValueState<unknown>> {
  return keyed('value', ['initial', ...KEYED], first, second);
}

function number(initial = 0, options: Pick<StateOptions<number>, 'formerly' | 'ttl'> = {}) {
  return { ...keyed<NumberState>('number', ['formerly', 'ttl'], options, undefined), initial };
}

function list<T>(schema: AnySchema<T>, options?: StateOptions<NoInfer<T>>): StateDeclaration<ListState<T>>;
function list<T>(options?: StateOptions<T>): StateDeclaration<ListState<T>>;
function list(first?: unknown, second?: unknown): StateDeclaration<ListState<unknown>> {
  return keyed('list', KEYED, first, second);
}

function map<K extends Key = string, V = unknown>(
  schema: AnySchema<V>,
  options?: MapOptions<K, NoInfer<V>>,
): StateDeclaration<MapState<K, V>>;
function map<K extends Key = string, V = unknown>(
  options?: MapOptions<K, V>,
): StateDeclaration<MapState<K, V>>;
function map(first?: unknown, second?: unknown): StateDeclaration<MapState<Key, unknown>> {
  return keyed('map', ['keys', ...KEYED], first, second);
}

/** Two values into one: associative, and changes neither. */
export type Reduce<T> = (a: DeepReadonly<T>, b: DeepReadonly<T>) => T | DeepReadonly<T>;

function reducing<T>(
  schema: AnySchema<T>,
  reduce: Reduce<NoInfer<T>>,
  options?: StateOptions<NoInfer<T>>,
): StateDeclaration<ReducingState<T>>;
function reducing<T>(reduce: Reduce<T>, options?: StateOptions<T>): StateDeclaration<ReducingState<T>>;
function reducing(...given: readonly unknown[]): StateDeclaration<ReducingState<unknown>> {
  const { body, first, second } = split(given);
  if (typeof body !== 'function') throw invalid('reducing', `expected a function, found ${show(body)}`);
  return { ...keyed('reducing', KEYED, first, second), reduce: body as Reduce<unknown> };
}

function aggregating<In, A, Out>(
  schema: AnySchema<A>,
  aggregate: Aggregate<In, A, Out>,
  options?: StateOptions<NoInfer<A>>,
): StateDeclaration<AggregatingState<In, Out>>;
function aggregating<In, A, Out>(
  aggregate: Aggregate<In, A, Out>,
  options?: StateOptions<NoInfer<A>>,
): StateDeclaration<AggregatingState<In, Out>>;
function aggregating(...given: readonly unknown[]): StateDeclaration<AggregatingState<unknown, unknown>> {
  const { body, first, second } = split(given);
  const findings = aggregateFindings(body);
  if (findings.length > 0) throw graphInvalid('state.aggregating', findings);
  const aggregate = body as Aggregate<unknown, unknown, unknown>;
  return { ...keyed('aggregating', KEYED, first, second), aggregate };
}

function broadcast<K extends Key = string, V = unknown>(
  schema: AnySchema<V>,
  options?: BroadcastOptions<K, NoInfer<V>>,
): BroadcastDeclaration<K, V>;
function broadcast<K extends Key = string, V = unknown>(
  options?: BroadcastOptions<K, V>,
): BroadcastDeclaration<K, V>;
function broadcast(first?: unknown, second?: unknown): BroadcastDeclaration<Key, unknown> {
  return { kind: 'broadcast', ...readDeclaration('broadcast', ['keys', ...SHARED], first, second) };
}

function operatorList<T>(
  schema: AnySchema<T>,
  options?: SharedStateOptions<NoInfer<T>>,
): OperatorStateDeclaration<T>;
function operatorList<T>(options?: SharedStateOptions<T>): OperatorStateDeclaration<T>;
function operatorList(first?: unknown, second?: unknown): OperatorStateDeclaration {
  return { kind: 'operator-list', ...readDeclaration('operatorList', SHARED, first, second) };
}

function operatorUnion<T>(
  schema: AnySchema<T>,
  options?: SharedStateOptions<NoInfer<T>>,
): OperatorStateDeclaration<T>;
function operatorUnion<T>(options?: SharedStateOptions<T>): OperatorStateDeclaration<T>;
function operatorUnion(first?: unknown, second?: unknown): OperatorStateDeclaration {
  return { kind: 'operator-union', ...readDeclaration('operatorUnion', SHARED, first, second) };
}

/**
 * Declares state. Each name is unique in its operator and finds the state again after an upgrade; a state that is renamed
 * says `formerly: ['old']`. All but `number` take a schema first, or none.
 *
 * Of a keyed operator (`state: { … }`), per key; each takes `ttl`, how long an entry lives after it was last set:
 * - `value<T>()`: one value; with `initial`, `get()` is never undefined.
 * - `number(initial = 0)`: one number, with `add`.
 * - `list<T>()`: a list, in the order of addition.
 * - `map<K, V>()`: a map; only the entries that change are written.
 * - `reducing<T>(reduce)`: one value, into which each added one is folded (Flink's `ReducingState`).
 * - `aggregating({ init, add, result })`: an accumulator of another type than what is added (`AggregatingState`).
 *
 * Of a keyed operator that a broadcast stream reaches (`broadcast: { … }`):
 * - `broadcast<K, V>()`: a map that all its subtasks share (Flink's `BroadcastState`).
 *
 * Of sinks and sources (`state: { … }` in `defineSink` and `defineSource`), per subtask:
 * - `operatorList<T>()`: a list; a restore deals all elements out anew (Flink's `ListState` of an operator).
 * - `operatorUnion<T>()`: a list; a restore gives all elements to every subtask (Flink's `UnionListState`).
 *
 * @throws TidemarkError GRAPH_INVALID for options that cannot be meant.
 * @example
 * state: {
 *   seen: state.number(0),
 *   last: state.value<Flight>({ ttl: '1h' }),
 *   name: state.value({ initial: 'nobody' }),
 *   balance: state.value(schema(z.number()), { initial: 0, formerly: ['total'] }),
 *   recent: state.list<number>(),
 *   byDay: state.map<string, Flight>({ ttl: { after: '7d', refresh: 'read' } }),
 *   fares: state.map(schema(z.number()), { keys: key.string, codec: codec.number, was: [codec.value] }),
 *   slowest: state.reducing<Flight>((a, b) => (a.delay > b.delay ? a : b)),
 *   delay: state.aggregating({
 *     init: () => ({ n: 0, sum: 0 }),
 *     add: (a, delay: number) => ({ n: a.n + 1, sum: a.sum + delay }),
 *     result: (a) => a.sum / a.n,
 *   }),
 * }
 */
export const state = {
  value,
  number,
  list,
  map,
  reducing,
  aggregating,
  broadcast,
  operatorList,
  operatorUnion,
} as const;

const KINDS: readonly unknown[] = [
  'value',
  'number',
  'list',
  'map',
  'reducing',
  'aggregating',
] satisfies readonly StateKind[];

/** True for what `state.…` made for keyed state, of any copy of the library. */
export function isStateDeclaration(value: unknown): value is StateDeclaration {
  return isBag(value) && KINDS.includes(value['kind']) && 'codec' in value && 'formerly' in value;
}

/** True for what `state.broadcast` made, of any copy of the library. */
export function isBroadcastDeclaration(value: unknown): value is AnyBroadcastDeclaration {
  return isBag(value) && value['kind'] === 'broadcast' && 'codec' in value && 'formerly' in value;
}

function keyed<H>(
  kind: StateKind,
  known: readonly OptionName[],
  first: unknown,
  second: unknown,
): StateDeclaration<H> {
  return { kind, initial: undefined, ...readDeclaration(kind, known, first, second) };
}

/** A function, or an aggregate, stands first or behind a schema. */
function split([first, second, third]: readonly unknown[]) {
  return readSchema(first) === undefined
    ? { body: first, first: second, second: undefined }
    : { body: second, first, second: third };
}

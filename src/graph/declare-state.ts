/**
 * `state.value(…)`, `state.number(…)`, `state.list(…)`, `state.map(…)`: how a definition declares keyed state.
 *
 * A declaration is plain data; the runtime makes the handle. Values are kept by `valueCodec` unless `codec` says
 * otherwise. With a schema, what was written under an older version of it is upgraded when it is restored.
 */
import type { Codec } from '../codec/codec.js';
import type { Key } from '../codec/key.js';
import { type Schema, type StandardSchema, schema } from '../codec/schema.js';
import { valueCodec } from '../codec/value.js';
import { graphInvalid } from './graph-invalid.js';
import { show } from './names.js';
import type { ListState, MapState, NumberState, StateDeclaration, StateKind, ValueState } from './state.js';

export interface StateOptions<T> {
  /** Names this state had before; what is stored under them is found on restore. */
  readonly formerly?: readonly string[];
  /** How values (list elements, map values) become bytes. Default: tidemark's own value codec. */
  readonly codec?: Codec<T>;
}

export interface InitialOptions<T> extends StateOptions<T> {
  /** What `get` gives where nothing was set. Shared by all keys, so it must not be changed. */
  readonly initial: T;
}

/** A schema in versions, made by `schema(…)`, or a Standard Schema (zod, valibot, arktype) as its version 1. */
export type AnySchema<T> = Schema<T> | StandardSchema<T>;

function value<T>(
  schema: AnySchema<T>,
  options: InitialOptions<NoInfer<T>>,
): StateDeclaration<ValueState<T, T>>;
function value<T>(schema: AnySchema<T>, options?: StateOptions<NoInfer<T>>): StateDeclaration<ValueState<T>>;
function value<T>(options: InitialOptions<T>): StateDeclaration<ValueState<T, T>>;
function value<T>(options?: StateOptions<T>): StateDeclaration<ValueState<T>>;
function value(first?: unknown, second?: unknown): StateDeclaration<ValueState<unknown>> {
  return declare('value', ['initial', 'formerly', 'codec'], first, second);
}

function number(initial = 0, options: Pick<StateOptions<number>, 'formerly'> = {}) {
  return declare<NumberState>('number', ['formerly'], options, undefined, initial);
}

function list<T>(schema: AnySchema<T>, options?: StateOptions<NoInfer<T>>): StateDeclaration<ListState<T>>;
function list<T>(options?: StateOptions<T>): StateDeclaration<ListState<T>>;
function list(first?: unknown, second?: unknown): StateDeclaration<ListState<unknown>> {
  return declare('list', ['formerly', 'codec'], first, second);
}

function map<K extends Key = string, V = unknown>(
  schema: AnySchema<V>,
  options?: StateOptions<NoInfer<V>>,
): StateDeclaration<MapState<K, V>>;
function map<K extends Key = string, V = unknown>(
  options?: StateOptions<V>,
): StateDeclaration<MapState<K, V>>;
function map(first?: unknown, second?: unknown): StateDeclaration<MapState<Key, unknown>> {
  return declare('map', ['formerly', 'codec'], first, second);
}

/**
 * Declares keyed state of a `process` operator. Each name is unique in its operator and finds the state again
 * after an upgrade; a state that is renamed says `formerly: ['old']`.
 *
 * - `value<T>()`: one value per key; with `initial`, `get()` is never undefined.
 * - `number(initial = 0)`: one number per key, with `add`.
 * - `list<T>()`: a list per key, in the order of addition.
 * - `map<K, V>()`: a map per key; only the entries that change are written.
 *
 * @example
 * state: {
 *   seen: state.number(0),
 *   last: state.value<Flight>(),
 *   name: state.value({ initial: 'nobody' }),
 *   balance: state.value(schema(z.number()), { initial: 0, formerly: ['total'] }),
 *   recent: state.list<number>(),
 *   byDay: state.map<string, Flight>(),
 * }
 */
export const state = { value, number, list, map } as const;

/** True for what `state.…` made, of any copy of the library. */
export function isStateDeclaration(value: unknown): value is StateDeclaration {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    (value.kind === 'value' || value.kind === 'number' || value.kind === 'list' || value.kind === 'map') &&
    'codec' in value &&
    'formerly' in value
  );
}

/** True for a schema in versions, as `schema(…)` makes it. */
export function isSchema(value: unknown): value is Schema<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'upgrade' in value &&
    typeof value.upgrade === 'function' &&
    'check' in value &&
    typeof value.check === 'function'
  );
}

/** True for a Standard Schema; arktype's are functions. */
export function isStandardSchema(value: unknown): value is StandardSchema<unknown> {
  const carrier = typeof value === 'function' || (typeof value === 'object' && value !== null);
  return carrier && '~standard' in value;
}

interface LooseOptions {
  readonly initial?: unknown;
  readonly formerly?: readonly string[];
  readonly codec?: Codec<unknown>;
}

/** Tells a schema from options, which plain JavaScript may mix up. */
function declare<H>(
  kind: StateKind,
  known: readonly string[],
  first: unknown,
  second: unknown,
  initial?: unknown,
): StateDeclaration<H> {
  const shape = isSchema(first) ? first : isStandardSchema(first) ? schema(first) : undefined;
  const options = looseOptions(kind, known, shape === undefined ? first : second);
  return {
    kind,
    codec: options.codec ?? valueCodec,
    schema: shape,
    initial: kind === 'number' ? initial : options.initial,
    formerly: options.formerly ?? [],
  };
}

function looseOptions(kind: StateKind, known: readonly string[], given: unknown): LooseOptions {
  if (given === undefined) return {};
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw graphInvalid(`state.${kind}`, [`expected a schema or options, found ${show(given)}`]);
  }
  const unknown = Object.keys(given).filter((name) => !known.includes(name));
  if (unknown.length === 0) return given;
  throw graphInvalid(`state.${kind}`, [
    `no option ${unknown.map(show).join(', ')}; expected one of: ${known.join(', ')}`,
  ]);
}

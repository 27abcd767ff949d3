/**
 * From declared states to what a backend keeps, and back to the handles user code holds. A backend knows values, numbers,
 * lists and maps, and lets values and maps expire; what else there is stands on a value:
 *
 *     declared                     kept as           by
 *     value, map                   themselves
 *     number, list                 themselves        with a ttl: a value, NumberOfValue and ListOfValue
 *     reducing, aggregating        a value           Reducing, Aggregating
 */
import { ValueRefused } from '../codec/codec.js';
import { keyCodecById } from '../codec/keys.js';
import { listCodec } from '../codec/list.js';
import type { StateDeclaration } from '../graph/state.js';
import type { Aggregate } from '../graph/window.js';
import type { ListHandle, NumberHandle, StateHandle, StateTable, ValueHandle } from '../state/backend.js';
import { isPromise } from './operator.js';
import type { Table } from './tables.js';

type Declared = Omit<StateDeclaration, 'handle'>;

/** What the backend is asked to keep for a declared state. */
export function stateTableOf(declared: Declared, table: Pick<Table, 'id' | 'name' | 'mapKey'>): StateTable {
  const { kind, codec, initial, ttl } = declared;
  const { id, name, mapKey } = table;
  const base = { table: id, name, codec, initial, ttl };
  if (kind === 'map') return { ...base, kind, mapKeys: keyCodecById(mapKey ?? 'auto') };
  if (kind === 'value' || (ttl === undefined && (kind === 'number' || kind === 'list')))
    return { ...base, kind };
  return { ...base, kind: 'value', codec: kind === 'list' ? listCodec(codec) : codec, initial: undefined };
}

/** The handle for user code, over the one of the backend. */
export function handleOf(declared: Declared, kept: StateHandle): unknown {
  const { kind, ttl, initial, reduce, aggregate } = declared;
  if (kind === 'reducing' && reduce !== undefined) return new Reducing(kept as ValueHandle, reduce);
  if (kind === 'aggregating' && aggregate !== undefined)
    return new Aggregating(kept as ValueHandle, aggregate);
  if (ttl !== undefined && kind === 'number')
    return new NumberOfValue(
      kept as ValueHandle<number | undefined>,
      typeof initial === 'number' ? initial : 0,
    );
  if (ttl !== undefined && kind === 'list')
    return new ListOfValue(kept as ValueHandle<unknown[] | undefined>);
  return kept;
}

/** What a user's function gave, to be kept: one that forgets to return would begin anew each time. */
function result(value: unknown, what: string): unknown {
  if (value === undefined) throw new TypeError(`${what} undefined, which is as good as nothing: use null`);
  if (isPromise(value)) throw new TypeError(`${what} a promise; state is changed synchronously`);
  return value;
}

class Reducing {
  readonly #kept: ValueHandle;
  readonly #reduce: (a: unknown, b: unknown) => unknown;

  constructor(kept: ValueHandle, reduce: (a: unknown, b: unknown) => unknown) {
    this.#kept = kept;
    this.#reduce = reduce;
  }

  get(): unknown {
    return this.#kept.get();
  }

  add(value: unknown): void {
    const before = this.#kept.get();
    const reduced = before === undefined ? value : this.#reduce(before, value);
    this.#kept.set(result(reduced, before === undefined ? 'add of reducing was given' : 'reduce returned'));
  }

  clear(): void {
    this.#kept.clear();
  }
}

class Aggregating {
  readonly #kept: ValueHandle;
  readonly #aggregate: Aggregate<unknown, unknown, unknown>;

  constructor(kept: ValueHandle, aggregate: Aggregate<unknown, unknown, unknown>) {
    this.#kept = kept;
    this.#aggregate = aggregate;
  }

  get(): unknown {
    const accumulator = this.#kept.get();
    return accumulator === undefined ? undefined : this.#aggregate.result(accumulator as never);
  }

  add(value: unknown): void {
    const kept = this.#kept.get();
    const before = kept === undefined ? result(this.#aggregate.init(), 'init returned') : kept;
    this.#kept.set(result(this.#aggregate.add(before as never, value), 'add returned'));
  }

  clear(): void {
    this.#kept.clear();
  }
}

class NumberOfValue implements NumberHandle {
  readonly #kept: ValueHandle<number | undefined>;
  readonly #initial: number;

  constructor(kept: ValueHandle<number | undefined>, initial: number) {
    this.#kept = kept;
    this.#initial = initial;
  }

  get(): number {
    return this.#kept.get() ?? this.#initial;
  }

  set(value: number): void {
    if (typeof value !== 'number') throw new ValueRefused(`expected a number, found ${typeof value}`);
    this.#kept.set(value);
  }

  add(amount: number): void {
    this.set(this.get() + amount);
  }

  update(change: (value: number) => number): void {
    this.set(change(this.get()));
  }

  clear(): void {
    this.#kept.clear();
  }
}

/** A whole list expires at once, and lives on with each addition. */
class ListOfValue implements ListHandle {
  readonly #kept: ValueHandle<unknown[] | undefined>;

  constructor(kept: ValueHandle<unknown[] | undefined>) {
    this.#kept = kept;
  }

  get(): readonly unknown[] {
    return this.#kept.get() ?? [];
  }

  add(element: unknown): void {
    // The backend gave it out as something that may change, and is told that it did.
    const list = this.#kept.get() ?? [];
    list.push(element);
    this.#kept.set(list);
  }

  addAll(elements: Iterable<unknown>): void {
    const added = [...elements];
    if (added.length > 0) this.#put([...this.get(), ...added]);
  }

  set(elements: Iterable<unknown>): void {
    this.#put([...elements]);
  }

  update(change: (elements: readonly unknown[]) => Iterable<unknown>): void {
    this.set(change(this.get()));
  }

  clear(): void {
    this.#kept.clear();
  }

  get size(): number {
    return this.get().length;
  }

  #put(list: unknown[]): void {
    if (list.length === 0) this.#kept.clear();
    else this.#kept.set(list);
  }
}

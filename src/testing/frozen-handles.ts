/** The handles of state as user code holds them in a test: what goes out, and what was put in, is deeply read-only. */
import type { AggregatingState, ListState, MapState, StateKind, ValueState } from '../graph/state.js';
import { deepFreeze, frozenList } from './freeze.js';

/** `operator`: list and union state of sinks; `broadcast`: broadcast state. */
export type HandleKind = StateKind | 'operator' | 'broadcast';

/** A handle over another of this kind. */
export function frozenHandle(kind: HandleKind, handle: unknown): unknown {
  switch (kind) {
    case 'number':
      return handle;
    case 'value':
      return new FrozenValue(handle as ValueState<unknown>);
    case 'list':
    case 'operator':
      return new FrozenListState(handle as ListState<unknown>);
    case 'map':
    case 'broadcast':
      return new FrozenMap(handle as MapState<unknown, unknown>);
    case 'reducing':
    case 'aggregating':
      return new FrozenFold(handle as AggregatingState<unknown, unknown>);
  }
}

class FrozenValue implements ValueState<unknown> {
  readonly #handle: ValueState<unknown>;

  constructor(handle: ValueState<unknown>) {
    this.#handle = handle;
  }

  get(): unknown {
    return deepFreeze(this.#handle.get());
  }

  set(value: unknown): void {
    this.#handle.set(deepFreeze(value));
  }

  update(change: (value: unknown) => unknown): void {
    this.#handle.update((value) => deepFreeze(change(deepFreeze(value))));
  }

  clear(): void {
    this.#handle.clear();
  }
}

class FrozenFold implements AggregatingState<unknown, unknown> {
  readonly #handle: AggregatingState<unknown, unknown>;

  constructor(handle: AggregatingState<unknown, unknown>) {
    this.#handle = handle;
  }

  get(): unknown {
    return deepFreeze(this.#handle.get());
  }

  add(value: unknown): void {
    this.#handle.add(deepFreeze(value));
  }

  clear(): void {
    this.#handle.clear();
  }
}

/** The list itself grows while the runtime holds it, so user code gets a copy that cannot. */
class FrozenListState implements ListState<unknown> {
  readonly #handle: ListState<unknown>;

  constructor(handle: ListState<unknown>) {
    this.#handle = handle;
  }

  get(): readonly unknown[] {
    return frozenList(this.#handle.get());
  }

  add(element: unknown): void {
    this.#handle.add(deepFreeze(element));
  }

  addAll(elements: Iterable<unknown>): void {
    this.#handle.addAll(frozenList([...elements]));
  }

  set(elements: Iterable<unknown>): void {
    this.#handle.set(frozenList([...elements]));
  }

  update(change: (elements: readonly unknown[]) => Iterable<unknown>): void {
    this.set(change(this.get()));
  }

  clear(): void {
    this.#handle.clear();
  }

  get size(): number {
    return this.#handle.size;
  }
}

class FrozenMap implements MapState<unknown, unknown> {
  readonly #handle: MapState<unknown, unknown>;

  constructor(handle: MapState<unknown, unknown>) {
    this.#handle = handle;
  }

  get(key: unknown): unknown {
    return deepFreeze(this.#handle.get(key));
  }

  has(key: unknown): boolean {
    return this.#handle.has(key);
  }

  set(key: unknown, value: unknown): void {
    this.#handle.set(key, deepFreeze(value));
  }

  delete(key: unknown): boolean {
    return this.#handle.delete(key);
  }

  *entries(): Generator<[unknown, unknown], undefined> {
    for (const [key, value] of this.#handle.entries()) yield [deepFreeze(key), deepFreeze(value)];
    return undefined;
  }

  *keys(): Generator<unknown, undefined> {
    for (const key of this.#handle.keys()) yield deepFreeze(key);
    return undefined;
  }

  clear(): void {
    this.#handle.clear();
  }

  get size(): number {
    return this.#handle.size;
  }
}

/** Values of any type, one per key. */
import type { StateTable, ValueHandle } from '../backend.js';
import { described, EntryColumn } from './column.js';
import type { Store } from './store.js';

/** Stands for `undefined` where that was set: in `values`, undefined is absent. */
const SET_UNDEFINED = Symbol('set to undefined');

export class ValueColumn extends EntryColumn implements ValueHandle {
  readonly initial: unknown;

  constructor(store: Store, state: StateTable) {
    super(store, state.table, described('state', state.name), state.codec);
    this.initial = state.initial;
  }

  get(): unknown {
    const { store } = this;
    const { bucket, row } = store;
    if (row < 0) return this.initial;
    const value = (this.values[bucket] as unknown[])[row];
    if (typeof value !== 'object' || value === null) {
      if (value === undefined) return this.initial;
      return value === SET_UNDEFINED ? undefined : value;
    }
    // An object that is handed out may be changed by who gets it, allowed or not.
    if (store.floor > 0) this.secure(bucket, row);
    return value;
  }

  set(value: unknown): void {
    const row = this.admit();
    (this.values[this.store.bucket] as unknown[])[row] = value === undefined ? SET_UNDEFINED : value;
  }

  update(change: (value: unknown) => unknown): void {
    this.set(change(this.get()));
  }

  clear(): void {
    this.remove();
  }

  protected content(value: unknown): unknown {
    return value === SET_UNDEFINED ? undefined : value;
  }

  protected restoreValue(value: unknown): void {
    this.set(value);
  }
}

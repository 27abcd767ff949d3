/** Values of any type, one per key. */
import type { EntryWriter } from '../../format/entry.js';
import type { StateTable, ValueHandle } from '../backend.js';
import type { Place } from './column.js';
import { EntryColumn } from './entry-column.js';
import type { Store } from './store.js';

/** Stands for `undefined` where that was set: in the records, undefined is absent. */
export const SET_UNDEFINED = Symbol('set to undefined');

export class ValueColumn extends EntryColumn implements ValueHandle {
  readonly initial: unknown;

  constructor(store: Store, place: Place, state: StateTable) {
    super(store, place, state.codec);
    this.initial = state.initial;
  }

  get(): unknown {
    const { store } = this;
    if (store.row < 0) return this.initial;
    const value = store.bucket.records[store.row + this.offset];
    if (typeof value !== 'object' || value === null) {
      if (value === undefined) return this.initial;
      return value === SET_UNDEFINED ? undefined : value;
    }
    // An object that is handed out may be changed by who gets it, allowed or not.
    if (store.floor > 0) this.secure(store.bucket, store.row);
    return value;
  }

  set(value: unknown): void {
    this.put(value === undefined ? SET_UNDEFINED : value);
  }

  update(change: (value: unknown) => unknown): void {
    this.set(change(this.get()));
  }

  clear(): void {
    this.remove();
  }

  protected override write(out: EntryWriter, value: unknown): void {
    out.value(this.codec, value === SET_UNDEFINED ? undefined : value);
  }

  protected restored(value: unknown): unknown {
    return value === undefined ? SET_UNDEFINED : value;
  }
}

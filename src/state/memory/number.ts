/** Numbers, one per key. */
import { BytesDamaged, ValueRefused } from '../../codec/codec.js';
import type { NumberHandle, StateTable } from '../backend.js';
import type { Place } from './column.js';
import { EntryColumn } from './entry-column.js';
import type { Store } from './store.js';

export class NumberColumn extends EntryColumn implements NumberHandle {
  readonly initial: number;

  constructor(store: Store, place: Place, state: StateTable) {
    super(store, place, state.codec);
    this.initial = typeof state.initial === 'number' ? state.initial : 0;
  }

  // A number cannot be changed from outside, so handing out a pending one is safe.
  get(): number {
    const { store } = this;
    if (store.row < 0) return this.initial;
    const value = store.bucket.records[store.row + this.offset];
    return value === undefined ? this.initial : (value as number);
  }

  set(value: number): void {
    if (typeof value !== 'number') this.#refuse(value);
    const { store } = this;
    if (store.row >= 0) {
      const { bucket } = store;
      const at = store.row + this.offset;
      if (bucket.records[at] !== undefined && (!store.marking || bucket.isListed(at, store.changed))) {
        bucket.records[at] = value;
        return;
      }
    }
    this.put(value);
  }

  add(amount: number): void {
    this.set(this.get() + amount);
  }

  update(change: (value: number) => number): void {
    this.set(change(this.get()));
  }

  clear(): void {
    this.remove();
  }

  protected restored(value: unknown): unknown {
    if (typeof value !== 'number') throw new BytesDamaged(`${this.what} holds a ${typeof value}`, 0);
    return value;
  }

  #refuse(value: unknown): never {
    throw this.refused(new ValueRefused(`expected a number, found ${typeof value}`), this.store.key);
  }
}

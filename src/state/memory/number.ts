/** Numbers, one per key. */
import { BytesDamaged, ValueRefused } from '../../codec/codec.js';
import type { NumberHandle, StateTable } from '../backend.js';
import { refused } from '../refused.js';
import { described, EntryColumn } from './column.js';
import type { Store } from './store.js';

export class NumberColumn extends EntryColumn implements NumberHandle {
  readonly initial: number;

  constructor(store: Store, state: StateTable) {
    super(store, state.table, described('state', state.name), state.codec);
    this.initial = typeof state.initial === 'number' ? state.initial : 0;
  }

  // A number cannot be changed from outside, so handing out a pending one is safe.
  get(): number {
    const { store } = this;
    if (store.row < 0) return this.initial;
    const value = (this.values[store.bucket] as unknown[])[store.row];
    return value === undefined ? this.initial : (value as number);
  }

  set(value: number): void {
    const { store } = this;
    if (typeof value !== 'number') this.#refuse(value);
    const { row } = store;
    if (row >= 0 && store.floor === 0) {
      const values = this.values[store.bucket] as unknown[];
      if (values[row] !== undefined) {
        values[row] = value;
        return;
      }
    }
    const admitted = this.admit();
    (this.values[store.bucket] as unknown[])[admitted] = value;
  }

  add(amount: number): void {
    this.set(this.get() + amount);
  }

  clear(): void {
    this.remove();
  }

  protected content(value: unknown): unknown {
    return value;
  }

  protected restoreValue(value: unknown): void {
    if (typeof value !== 'number') throw new BytesDamaged(`${this.what} holds a ${typeof value}`, 0);
    this.set(value);
  }

  #refuse(value: unknown): never {
    throw refused(new ValueRefused(`expected a number, found ${typeof value}`), this.what, this.store.key);
  }
}

/** Lists, one per key, each an entry of its own. */
import { BytesDamaged } from '../../codec/codec.js';
import { listCodec } from '../../codec/list.js';
import type { ListHandle, StateTable } from '../backend.js';
import type { Place } from './column.js';
import { EntryColumn } from './entry-column.js';
import type { Store } from './store.js';

/** What `get` gives where there is none. Frozen, so that a push to it does not reach other keys. */
const EMPTY: readonly unknown[] = Object.freeze([]);

export class ListColumn extends EntryColumn implements ListHandle {
  constructor(store: Store, place: Place, state: StateTable) {
    super(store, place, listCodec(state.codec));
  }

  get(): readonly unknown[] {
    const list = this.#current();
    if (list === undefined) return EMPTY;
    const { store } = this;
    if (store.floor > 0) this.secure(store.bucket, store.row);
    return list;
  }

  get size(): number {
    return this.#current()?.length ?? 0;
  }

  add(element: unknown): void {
    this.#append([element]);
  }

  // Elements are collected first: what they come from may be this list, or code that changes it.
  addAll(elements: Iterable<unknown>): void {
    this.#append(Array.from(elements));
  }

  set(elements: Iterable<unknown>): void {
    const list = Array.from(elements);
    if (list.length === 0) this.remove();
    else this.put(list);
  }

  update(change: (elements: readonly unknown[]) => Iterable<unknown>): void {
    this.set(change(this.get()));
  }

  clear(): void {
    this.remove();
  }

  protected restored(value: unknown): unknown {
    const list = value as unknown[];
    if (list.length === 0) throw new BytesDamaged(`${this.what} holds an empty list`, 0);
    return list;
  }

  /** Takes the array over where there is no list yet. */
  #append(added: unknown[]): void {
    if (added.length === 0) return;
    const list = this.#current();
    if (list === undefined) return this.put(added);
    if (this.store.marking) this.touch();
    for (const element of added) list.push(element);
  }

  #current(): unknown[] | undefined {
    return this.currentValue() as unknown[] | undefined;
  }
}

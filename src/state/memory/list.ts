/** Lists, one per key, each an entry of its own. */
import { BytesDamaged } from '../../codec/codec.js';
import { listCodec } from '../../codec/list.js';
import type { ListHandle, StateTable } from '../backend.js';
import { described, EntryColumn } from './column.js';
import type { Store } from './store.js';

/** What `get` gives where there is none. Frozen, so that a push to it does not reach other keys. */
const EMPTY: readonly unknown[] = Object.freeze([]);

export class ListColumn extends EntryColumn implements ListHandle {
  constructor(store: Store, state: StateTable) {
    super(store, state.table, described('state', state.name), listCodec(state.codec));
  }

  get(): readonly unknown[] {
    const list = this.#current();
    if (list === undefined) return EMPTY;
    if (this.store.floor > 0) this.secure(this.store.bucket, this.store.row);
    return list;
  }

  get size(): number {
    return this.#current()?.length ?? 0;
  }

  add(element: unknown): void {
    const list = this.#current();
    if (list === undefined) return this.#put([element]);
    this.admit();
    list.push(element);
  }

  // Elements are collected first: what they come from may be this list, or code that changes it.
  addAll(elements: Iterable<unknown>): void {
    const added = Array.from(elements);
    if (added.length === 0) return;
    const list = this.#current();
    if (list === undefined) return this.#put(added);
    this.admit();
    for (const element of added) list.push(element);
  }

  set(elements: Iterable<unknown>): void {
    const list = Array.from(elements);
    if (list.length === 0) this.remove();
    else this.#put(list);
  }

  update(change: (elements: readonly unknown[]) => Iterable<unknown>): void {
    this.set(change(this.get()));
  }

  clear(): void {
    this.remove();
  }

  protected content(value: unknown): unknown {
    return value;
  }

  protected restoreValue(value: unknown): void {
    const list = value as unknown[];
    if (list.length === 0) throw new BytesDamaged(`${this.what} holds an empty list`, 0);
    this.#put(list);
  }

  #current(): unknown[] | undefined {
    const { bucket, row } = this.store;
    if (row < 0) return undefined;
    return (this.values[bucket] as unknown[])[row] as unknown[] | undefined;
  }

  #put(list: unknown[]): void {
    const row = this.admit();
    (this.values[this.store.bucket] as unknown[])[row] = list;
  }
}

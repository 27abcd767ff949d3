/** Lists, one per key, each an entry of its own. */
import { BytesDamaged } from '../../codec/codec.js';
import { listCodec } from '../../codec/list.js';
import type { ListHandle, StateTable } from '../backend.js';
import type { Place } from '../memory/column.js';
import { EntryColumn } from './column.js';
import type { Rows } from './rows.js';
import { sizeOf } from './size.js';

/** What `get` gives where there is none. Frozen, so that a push to it does not reach other keys. */
const EMPTY: readonly unknown[] = Object.freeze([]);

export class ListColumn extends EntryColumn implements ListHandle {
  constructor(rows: Rows, place: Place, state: StateTable) {
    super(rows, place, listCodec(state.codec));
  }

  get(): readonly unknown[] {
    const cell = this.current();
    if (cell?.value === undefined) return EMPTY;
    this.changes.secure(cell);
    return cell.value as unknown[];
  }

  get size(): number {
    return (this.current()?.value as unknown[] | undefined)?.length ?? 0;
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

  protected accept(value: unknown): unknown {
    if ((value as unknown[]).length === 0) throw new BytesDamaged(`${this.what} holds an empty list`, 0);
    return value;
  }

  /** Takes the array over where there is no list yet. */
  #append(added: unknown[]): void {
    if (added.length === 0) return;
    const cell = this.current();
    if (cell?.value === undefined) return this.put(added);
    const list = cell.value as unknown[];
    const grown = sizeOf(added);
    this.changes.secure(cell);
    for (const element of added) list.push(element);
    this.rows.changed(cell, cell.size + grown);
  }
}

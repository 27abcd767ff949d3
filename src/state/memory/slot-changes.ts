/**
 * What changed in a column of slots, under `changes`: cells that were set, and tombs of those that were taken out and
 * may be in a kept drain.
 */
import type { Key, KeyIdentity } from '../../codec/key.js';
import { ChangeList } from './change-list.js';
import { Graves } from './graves.js';
import { KEPT } from './marks.js';
import type { Pace } from './pace.js';
import type { SlotCell, SlotTomb } from './slot-cell.js';
import type { Store } from './store.js';

/** Of one key: most have one. By the ids of what lies in it. */
type Grave<T> = T | Map<number | string, T>;

/** Writes what is pending, and marks it as written. */
export interface SlotWriter<C, T> {
  secure(cell: C): void;
  writeTombstone(tomb: T): void;
  tombOf(cell: C, key: Key): T;
}

export class SlotChanges<C extends SlotCell, T extends SlotTomb> {
  readonly #store: Store;
  readonly #writer: SlotWriter<C, T>;
  readonly #list = new ChangeList<C>((cell) => cell.live);
  readonly #graves = new Graves<Grave<T>>(joined);

  constructor(store: Store, writer: SlotWriter<C, T>) {
    this.#store = store;
    this.#writer = writer;
  }

  /** A cell was put into the current key. */
  added(cell: C): void {
    cell.mark = this.#store.changed;
    if (!this.#graves.empty) cell.mark |= this.#exhume(this.#store.identity(), cell.id);
    this.#list.now.push(cell);
  }

  /** A cell, not pending, is about to change for the first time in this epoch. */
  changed(cell: C): void {
    cell.mark = this.#store.changed | (cell.mark & KEPT);
    this.#list.now.push(cell);
  }

  /** A cell, not pending, was taken out of its key, which may be any. */
  removed(cell: C, key: Key): void {
    const { options, changed } = this.#store;
    if ((cell.mark & KEPT) !== 0) {
      const { now } = this.#graves;
      const identity = options.keys.identity(key);
      const tomb = this.#writer.tombOf(cell, key);
      const grave = now.get(identity);
      now.set(identity, grave === undefined ? tomb : joined<T>(grave, tomb));
    }
    if (cell.mark >= changed) this.#list.bury(1);
  }

  *sweep(pace: Pace): Generator<void, void> {
    for (const cell of this.#list.frozen) {
      if (cell.live) this.#writer.secure(cell);
      if (pace.due()) yield;
    }
    for (const grave of this.#graves.frozen.values()) {
      for (const tomb of tombsOf<T>(grave)) {
        this.#secureTomb(tomb);
        if (pace.due()) yield;
      }
    }
  }

  freeze(): void {
    this.#list.freeze();
    this.#graves.freeze();
  }

  settle(kept: boolean): void {
    const { changed } = this.#store;
    this.#list.settle(kept, (cell) => cell.mark >= changed);
    this.#graves.settle(kept);
  }

  /** Takes the tomb of an entry away, and says whether there was one: KEPT or 0. */
  #exhume(identity: KeyIdentity, id: number | string): number {
    for (const graves of [this.#graves.now, this.#graves.frozen]) {
      const grave = graves.get(identity);
      const tomb = grave === undefined ? undefined : tombOf<T>(grave, id);
      if (grave === undefined || tomb === undefined) continue;
      if (graves === this.#graves.frozen) this.#secureTomb(tomb);
      if (grave instanceof Map) grave.delete(id);
      if (!(grave instanceof Map) || grave.size === 0) graves.delete(identity);
      return KEPT;
    }
    return 0;
  }

  /** Writes the tombstone of a frozen grave if it is pending. */
  #secureTomb(tomb: T): void {
    if (tomb.mark < this.#store.floor) this.#writer.writeTombstone(tomb);
  }
}

function tombsOf<T extends SlotTomb>(grave: Grave<T>): Iterable<T> {
  return grave instanceof Map ? grave.values() : [grave];
}

function tombOf<T extends SlotTomb>(grave: Grave<T>, id: number | string): T | undefined {
  if (grave instanceof Map) return grave.get(id);
  return grave.id === id ? grave : undefined;
}

/** The smaller goes into the larger. */
function joined<T extends SlotTomb>(a: Grave<T>, b: Grave<T>): Grave<T> {
  const [into, from] = sizeOf(a) < sizeOf(b) ? [b, a] : [a, b];
  const tombs = into instanceof Map ? into : new Map([[into.id, into]]);
  for (const tomb of tombsOf<T>(from)) tombs.set(tomb.id, tomb);
  return tombs;
}

function sizeOf<T extends SlotTomb>(grave: Grave<T>): number {
  return grave instanceof Map ? grave.size : 1;
}

/**
 * A column that tells the entries of a key apart by a number, each with its own mark: timers and panes. A row has the
 * only cell of its key, or a Map of them by that number; it goes back to one when all others are gone, for a million
 * keys with one pane each must be cheap also after they had two for a while.
 */
import type { Key } from '../../codec/key.js';
import { Column, type Extent, type Place } from './column.js';
import { KEPT } from './marks.js';
import type { Pace } from './pace.js';
import { type SlotCell, type SlotTomb, slotOf } from './slot-cell.js';
import { SlotChanges } from './slot-changes.js';
import type { Store } from './store.js';

/** By `slotOf` of what tells them apart. */
export class Cells<C> extends Map<number | string, C> {
  /** The one that was put in or found last, which is mostly the next to be looked for. It may be gone. */
  recent: C | undefined = undefined;
}

export type Slots<C> = C | Cells<C> | undefined;

export abstract class SlotColumn<C extends SlotCell, T extends SlotTomb> extends Column {
  protected readonly changes: SlotChanges<C, T>;

  constructor(store: Store, place: Place) {
    super(store, place);
    this.changes = new SlotChanges<C, T>(store, {
      secure: (cell) => this.secure(cell),
      writeTombstone: (tomb) => this.#writeTombstone(tomb),
      tombOf: (cell, key) => this.tombOf(cell, key),
    });
  }

  /** Takes a live cell out, of whichever key. */
  remove(cell: C): void {
    this.secure(cell);
    const { bucket, row } = cell;
    const { store, offset } = this;
    cell.live = false;
    this.live--;
    if (store.tracking) this.changes.removed(cell, bucket.keyOf(row));
    const { records } = bucket;
    const cells = records[row + offset] as Slots<C>;
    if (cells instanceof Cells) {
      cells.delete(slotOf(cell.at));
      // A sweep may be in the Map: what is left stays in there, too.
      if (cells.size === 1) for (const last of cells.values()) records[row + offset] = last;
      return;
    }
    records[row + offset] = undefined;
    store.release(bucket, row);
  }

  *sweep({ bucket, limit }: Extent, pace: Pace): Generator<void, void> {
    const { records, stride } = bucket;
    for (let row = 0; row < limit; row += stride) {
      const cells = records[row + this.offset] as Slots<C>;
      if (cells instanceof Cells) yield* this.#sweepMap(cells, pace);
      else if (cells !== undefined) this.secure(cells);
      if (pace.due()) yield;
    }
  }

  *#sweepMap(cells: Cells<C>, pace: Pace): Generator<void, void> {
    // Cells added from here on come last and are not pending, so this many are enough.
    let left = cells.size;
    for (const cell of cells.values()) {
      this.secure(cell);
      if (--left === 0) return;
      if (pace.due()) yield;
    }
  }

  sweepChanges(pace: Pace): Generator<void, void> {
    return this.changes.sweep(pace);
  }

  freezeChanges(): void {
    this.changes.freeze();
  }

  settle(kept: boolean): void {
    this.changes.settle(kept);
  }

  /** What is written after the key and what tells the entry apart: its value. */
  protected abstract writeValue(cell: C): void;

  /** Writes what tells an entry apart. */
  protected abstract writeSlot(of: C | T): void;

  protected abstract tombOf(cell: C, key: Key): T;

  /** The current key's cells. */
  protected cells(): Slots<C> {
    return this.currentValue() as Slots<C>;
  }

  /** That of the current key at a number. */
  protected find(at: number): C | undefined {
    const cells = this.cells();
    if (cells instanceof Cells) return cells.get(slotOf(at));
    return cells !== undefined && cells.at === at ? cells : undefined;
  }

  /** The current key's row, for a cell that is put in at once. */
  protected row(): number {
    const { store } = this;
    return store.row < 0 ? store.addRow() : store.row;
  }

  /** Puts a cell into its row, which has none at its number. */
  protected insert(cell: C): void {
    const { records } = cell.bucket;
    const index = cell.row + this.offset;
    const cells = records[index] as Slots<C>;
    if (cells instanceof Cells) {
      cells.set(slotOf(cell.at), cell);
      cells.recent = cell;
    } else records[index] = cells === undefined ? cell : both(cells, cell);
    this.live++;
  }

  /** Puts a restored cell into its row: as a change, or as kept already and, unless `clean`, changed since. */
  protected insertRestored(cell: C, kept: boolean, clean: boolean): void {
    this.insert(cell);
    if (!this.store.tracking) return;
    if (!clean) this.changes.added(cell);
    else cell.mark = KEPT;
    if (kept) cell.mark |= KEPT;
  }

  /** Writes the cell if it is pending. */
  protected secure(cell: C): void {
    const { store } = this;
    if (cell.mark >= store.floor || cell.mark < store.clean) return;
    const { out, options } = store;
    const { bucket, row } = cell;
    out.begin(this.table, bucket.group);
    out.key(options.keys, bucket.keyOf(row));
    this.writeSlot(cell);
    this.writeValue(cell);
    cell.mark = store.floor | KEPT;
  }

  #writeTombstone(tomb: T): void {
    const { out, options, floor } = this.store;
    out.begin(this.table, tomb.group);
    out.key(options.keys, tomb.key);
    this.writeSlot(tomb);
    out.tombstone();
    tomb.mark = floor;
  }
}

function both<C extends SlotCell>(a: C, b: C): Cells<C> {
  const cells = new Cells<C>();
  cells.set(slotOf(a.at), a).set(slotOf(b.at), b);
  cells.recent = b;
  return cells;
}

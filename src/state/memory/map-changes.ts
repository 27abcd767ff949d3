/**
 * What changed in the maps of one column, under `changes`: cells that were set, and graves of those that were taken
 * out and may be in a kept drain. In a grave the cells themselves are the tombs, by the identity of their map key.
 */
import type { KeyIdentity } from '../../codec/key.js';
import { type Cell, Cells, GONE, joined, livedAt, lives } from './cells.js';
import { ChangeList } from './change-list.js';
import { Graves } from './graves.js';
import { KEPT } from './marks.js';
import type { Pace } from './pace.js';
import type { Store } from './store.js';

/** Writes a cell, or its tombstone, and marks it as written. */
export interface CellWriter {
  write(cell: Cell): void;
  writeTombstone(cell: Cell): void;
}

export class MapChanges {
  readonly #store: Store;
  readonly #writer: CellWriter;
  readonly #list = new ChangeList<Cell>(lives);
  readonly #graves = new Graves<Cells>(joined);

  constructor(store: Store, writer: CellWriter) {
    this.#store = store;
    this.#writer = writer;
  }

  /** A cell was put into the current key's map, where there was none. */
  added(mapIdentity: KeyIdentity, cell: Cell): void {
    cell.mark = this.#store.changed;
    const before = this.#graves.empty ? undefined : this.#exhume(mapIdentity);
    if (before !== undefined) {
      cell.mark |= KEPT;
      cell.follows(before);
    }
    this.#list.now.push(cell);
  }

  /** A cell is about to change for the first time in this epoch. */
  changed(cell: Cell): void {
    cell.mark = this.#store.changed | (cell.mark & KEPT);
    this.#list.now.push(cell);
  }

  /** A cell, not pending, was taken out of the current key's map. */
  deleted(mapIdentity: KeyIdentity, cell: Cell): void {
    cell.value = GONE;
    if ((cell.mark & KEPT) !== 0) this.#grave(cell.owner).set(mapIdentity, cell);
    if (cell.mark >= this.#store.changed) this.#list.bury(1);
  }

  /** The current key's map was replaced by an empty one. Pending cells are still written as they are. */
  cleared(cells: Cells): void {
    this.#list.bury(cells.size);
    let needed = 0;
    for (const cell of cells.values()) if (this.#needsTomb(cell)) needed++;
    if (needed === 0) return;
    const { now } = this.#graves;
    const identity = this.#store.identity();
    const grave = now.get(identity);
    // Putting a million cells into another Map takes as long as all else together.
    if (needed * 2 >= cells.size && cells.size >= (grave?.size ?? 0)) {
      now.set(identity, grave === undefined ? cells : joined(cells, grave));
      return;
    }
    const into = this.#grave(cells);
    for (const [mapIdentity, cell] of cells) if (this.#needsTomb(cell)) into.set(mapIdentity, cell);
  }

  *sweep(pace: Pace): Generator<void, void> {
    const { floor } = this.#store;
    for (const cell of this.#list.frozen) {
      if (this.#isPending(cell) && livedAt(floor, cell)) this.#writer.write(cell);
      if (pace.due()) yield;
    }
    for (const grave of this.#graves.frozen.values()) {
      for (const cell of grave.values()) {
        this.#secureTomb(cell);
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

  #isPending({ mark }: Cell): boolean {
    return mark < this.#store.floor && mark >= this.#store.clean;
  }

  /** Of a cell taken out since the freeze: whether a kept drain may hold it, or the one that runs will. */
  #needsTomb(cell: Cell): boolean {
    return (cell.mark & KEPT) !== 0 || this.#isPending(cell);
  }

  /** The present grave of the current key, whose map has the cells given. */
  #grave({ group, key }: Cells): Cells {
    const identity = this.#store.identity();
    const { now } = this.#graves;
    const grave = now.get(identity) ?? new Cells(group, key);
    now.set(identity, grave);
    return grave;
  }

  /** Takes the tomb of a map key of the current key away, and gives it where it was needed. */
  #exhume(mapIdentity: KeyIdentity): Cell | undefined {
    const { now, frozen } = this.#graves;
    const recent = takeOut(now, this.#store.identity(), mapIdentity);
    if (recent !== undefined) return this.#needsTomb(recent) ? recent : undefined;
    const older = takeOut(frozen, this.#store.identity(), mapIdentity);
    if (older === undefined) return undefined;
    this.#secureTomb(older);
    return (older.mark & KEPT) === 0 ? undefined : older;
  }

  /** Writes the tombstone of a frozen grave if it is pending. */
  #secureTomb(cell: Cell): void {
    if (cell.mark < this.#store.floor && (cell.mark & KEPT) !== 0) this.#writer.writeTombstone(cell);
  }
}

/** Takes a cell out of the grave of a key, if it is there. */
function takeOut(
  graves: Map<KeyIdentity, Cells>,
  identity: KeyIdentity,
  mapIdentity: KeyIdentity,
): Cell | undefined {
  const grave = graves.get(identity);
  const cell = grave?.get(mapIdentity);
  grave?.delete(mapIdentity);
  if (grave?.size === 0) graves.delete(identity);
  return cell;
}

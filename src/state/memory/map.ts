/**
 * Maps, one per key, each user key an entry of its own with its own mark: a map of a million entries is drained in
 * slices, and changing one entry writes only that one early. cells.ts has the map of one key.
 *
 * A map that becomes empty leaves its row, yet stays at hand as long as its key is current, so that an iteration
 * begun on it sees what comes next. One that is cleared goes as it is: what is pending in it is written from there.
 */
import { present } from '../../base/assert.js';
import { BytesDamaged, type Codec } from '../../codec/codec.js';
import type { Key, KeyCodec, KeyIdentity } from '../../codec/key.js';
import type { Entry } from '../../format/entry.js';
import type { MapHandle, StateTable } from '../backend.js';
import { refused, shownKey } from '../refused.js';
import { Cell, CellCursor, Cells } from './cells.js';
import { Column, decode, type Extent, mapKeyOf, type Place } from './column.js';
import { MapChanges } from './map-changes.js';
import { KEPT } from './marks.js';
import type { Pace } from './pace.js';
import type { Store } from './store.js';

const NO_GROUP = -1;
/** Stands where nothing is at hand. */
const NO_CELLS = new Cells(NO_GROUP, '');

export class MapColumn extends Column implements MapHandle {
  readonly #codec: Codec<unknown>;
  protected readonly mapKeys: KeyCodec;
  readonly #changes: MapChanges;
  /** Cleared while a drain of everything ran, before all in them was written. */
  #detached: Cells[] = [];
  #spare = NO_CELLS;
  #spareIdentity: KeyIdentity = '';

  constructor(store: Store, place: Place, state: StateTable) {
    super(store, place);
    this.#codec = state.codec;
    this.mapKeys = present(state.mapKeys, `the codec of the map keys of ${this.what}`);
    this.#changes = new MapChanges(store, {
      write: (cell) => this.#write(cell),
      writeTombstone: (cell) => this.#writeTombstone(cell),
    });
  }

  get(key: unknown): unknown {
    const cell = this.find(key);
    return cell === undefined ? undefined : this.handOut(cell);
  }

  has(key: unknown): boolean {
    return this.find(key) !== undefined;
  }

  set(key: unknown, value: unknown): void {
    const identity = this.identify(key);
    const { store } = this;
    const cells = this.current() ?? this.#attach();
    const cell = cells.get(identity);
    if (cell === undefined) {
      const added = this.newCell(this.mapKeys.normalise(key), value, cells);
      cells.set(identity, added);
      this.live++;
      if (store.tracking) this.#changes.added(identity, added);
      return;
    }
    this.touch(cell);
    cell.value = value;
  }

  delete(key: unknown): boolean {
    const identity = this.identify(key);
    const cells = this.current();
    const cell = cells?.get(identity);
    if (cells === undefined || cell === undefined) return false;
    this.take(cells, identity, cell);
    return true;
  }

  clear(): void {
    const { store } = this;
    const cells = this.current();
    if (cells === undefined) return;
    this.live -= cells.size;
    const fresh = cells.replace(store.changed);
    if (store.tracking) this.#changes.cleared(cells);
    else if (store.floor > 0) this.#detached.push(cells);
    this.#leave(fresh);
  }

  get size(): number {
    return this.current()?.size ?? 0;
  }

  keys(): IterableIterator<unknown> {
    return eachKey(this.current() ?? this.#spareOfKey());
  }

  entries(): IterableIterator<[unknown, unknown]> {
    return this.#each(this.current() ?? this.#spareOfKey());
  }

  *#each(cells: Cells): Generator<[unknown, unknown], void> {
    const cursor = new CellCursor(cells);
    for (let cell = cursor.next(); cell !== undefined; cell = cursor.next()) {
      yield [cell.key, this.handOut(cell)];
    }
  }

  *sweep({ bucket, limit }: Extent, pace: Pace): Generator<void, void> {
    const { records, stride } = bucket;
    for (let row = 0; row < limit; row += stride) {
      const cells = records[row + this.offset] as Cells | undefined;
      if (cells !== undefined) yield* this.#sweepCells(cells, pace);
      if (pace.due()) yield;
    }
  }

  *#sweepCells(cells: Cells, pace: Pace): Generator<void, void> {
    // Cells added from here on come last and are not pending, so this many are enough.
    let left = cells.size;
    for (const cell of cells.values()) {
      this.secure(cell);
      if (--left === 0) return;
      if (pace.due()) yield;
    }
  }

  override *sweepDetached(pace: Pace): Generator<void, void> {
    for (const cells of this.#detached) yield* this.#sweepCells(cells, pace);
  }

  override dropDetached(): void {
    this.#detached = [];
  }

  sweepChanges(pace: Pace): Generator<void, void> {
    return this.#changes.sweep(pace);
  }

  freezeChanges(): void {
    this.#changes.freeze();
  }

  settle(kept: boolean): void {
    this.#changes.settle(kept);
  }

  restore(entry: Entry, kept: boolean, clean: boolean): void {
    const key = decode(this.mapKeys, mapKeyOf(entry));
    const identity = this.mapKeys.identity(key);
    const current = this.current();
    if (current?.has(identity)) throw new BytesDamaged(`${this.what} has a map key twice`, 0);
    const value = decode(this.#codec, entry.value);
    const cells = current ?? this.#attach();
    const plain = new Cell(key, value, clean ? KEPT : this.store.changed, cells);
    const cell = this.restoredCell(plain, entry, kept);
    cells.set(identity, cell);
    this.live++;
    if (!this.store.tracking) return;
    if (!clean) this.#changes.added(identity, cell);
    if (kept) cell.mark |= KEPT;
  }

  protected newCell(key: Key, value: unknown, owner: Cells): Cell {
    return new Cell(key, value, this.store.changed, owner);
  }

  /** What is put into a map for a cell that is restored. */
  protected restoredCell(cell: Cell, _entry: Entry, _kept: boolean): Cell {
    return cell;
  }

  /** To be called before a cell changes. */
  protected touch(cell: Cell): void {
    const { store } = this;
    if (!store.marking || cell.mark >= store.changed) return;
    this.secure(cell);
    if (store.tracking) this.#changes.changed(cell);
  }

  /** Takes a cell out of the current key's map. */
  protected take(cells: Cells, identity: KeyIdentity, cell: Cell): void {
    this.secure(cell);
    cells.delete(identity);
    this.live--;
    if (this.store.tracking) this.#changes.deleted(identity, cell);
    if (cells.size === 0) this.#leave(cells);
  }

  protected writeValue(cell: Cell): void {
    this.store.out.value(this.#codec, cell.value);
  }

  /** The Map identity of a user's map key, checked. */
  protected identify(key: unknown): KeyIdentity {
    try {
      this.mapKeys.hash(key);
    } catch (error) {
      throw refused(error, `map key of ${this.what}`, this.store.key);
    }
    return this.mapKeys.identity(key);
  }

  protected find(key: unknown): Cell | undefined {
    const identity = this.identify(key);
    return this.current()?.get(identity);
  }

  protected current(): Cells | undefined {
    return this.currentValue() as Cells | undefined;
  }

  /** Gives the current key, which has no map, the one that was kept for it. */
  #attach(): Cells {
    const { store } = this;
    const cells = this.#spareOfKey();
    const row = store.row < 0 ? store.addRow() : store.row;
    store.bucket.records[row + this.offset] = cells;
    this.#spare = NO_CELLS;
    return cells;
  }

  /** Takes the current key's map, which is empty or was cleared, out of its row. `cells` is kept for it. */
  #leave(cells: Cells): void {
    const { bucket, row } = this.store;
    this.#keepSpare(cells);
    bucket.records[row + this.offset] = undefined;
    this.store.release(bucket, row);
  }

  #spareOfKey(): Cells {
    const { store } = this;
    const { group } = store;
    if (this.#spare.group !== group || this.#spareIdentity !== store.identity())
      this.#keepSpare(new Cells(group, store.current()));
    return this.#spare;
  }

  #keepSpare(cells: Cells): void {
    this.#spare = cells;
    this.#spareIdentity = this.store.identity();
  }

  /** A cell's value for user code, which may change it, allowed or not, if it is an object. */
  protected handOut(cell: Cell): unknown {
    const { value } = cell;
    if (typeof value === 'object' && value !== null) this.secure(cell);
    return value;
  }

  /** Writes the cell if it is pending. */
  protected secure(cell: Cell): void {
    const { store } = this;
    if (cell.mark < store.floor && cell.mark >= store.clean) this.#write(cell);
  }

  #write(cell: Cell): void {
    const { out, options, floor } = this.store;
    const { group, key } = cell.owner;
    out.begin(this.table, group);
    try {
      out.key(options.keys, key);
      out.mapKey(this.mapKeys, cell.key);
      this.writeValue(cell);
    } catch (error) {
      throw refused(error, `${this.what}, map key ${shownKey(cell.key)},`, key);
    }
    cell.mark = floor | KEPT;
  }

  #writeTombstone(cell: Cell): void {
    const { out, options, floor } = this.store;
    const { group, key } = cell.owner;
    out.begin(this.table, group);
    out.key(options.keys, key);
    out.mapKey(this.mapKeys, cell.key);
    out.tombstone();
    cell.mark = floor | KEPT;
  }
}

function* eachKey(cells: Cells): Generator<Key, void> {
  const cursor = new CellCursor(cells);
  for (let cell = cursor.next(); cell !== undefined; cell = cursor.next()) yield cell.key;
}

/**
 * Maps, one per key, each user key an entry of its own with its own mark: a map of a million entries is drained in
 * slices, and changing one entry writes only that one early.
 *
 * A JavaScript Map holds the cells of one key. Its live iterators carry both user code and a drain over whatever
 * changes meanwhile. A map that becomes empty leaves its row, yet stays at hand as long as its key is current, so
 * that an iteration begun on it sees what comes next.
 */
import { present } from '../../base/assert.js';
import { BytesDamaged, type Codec } from '../../codec/codec.js';
import type { Key, KeyCodec, KeyIdentity } from '../../codec/key.js';
import type { Entry } from '../../format/entry.js';
import type { MapHandle, StateTable } from '../backend.js';
import { refused, shownKey } from '../refused.js';
import { Column, decode, mapKeyOf, type Place } from './column.js';
import type { Pace } from './pace.js';
import type { Extent, Store } from './store.js';

class Cell {
  readonly key: Key;
  value: unknown;
  /** The mark: see store.ts. */
  epoch: number;

  constructor(key: Key, value: unknown, epoch: number) {
    this.key = key;
    this.value = value;
    this.epoch = epoch;
  }
}

const NO_GROUP = -1;

type Cells = Map<KeyIdentity, Cell>;

/** Pending cells that `clear` took out of their map before they were written. */
interface Detached {
  readonly group: number;
  readonly key: Key;
  readonly cells: readonly Cell[];
}

export class MapColumn extends Column implements MapHandle {
  readonly #codec: Codec<unknown>;
  readonly #mapKeys: KeyCodec;
  #detached: Detached[] = [];
  #spare: Cells = new Map();
  #spareGroup = NO_GROUP;
  #spareIdentity: KeyIdentity = '';

  constructor(store: Store, place: Place, state: StateTable) {
    super(store, place);
    this.#codec = state.codec;
    this.#mapKeys = present(state.mapKeys, `the codec of the map keys of ${this.what}`);
  }

  get(key: unknown): unknown {
    const cell = this.#find(key);
    if (cell === undefined) return undefined;
    return this.#handOut(cell, this.store.group, this.store.current());
  }

  has(key: unknown): boolean {
    return this.#find(key) !== undefined;
  }

  set(key: unknown, value: unknown): void {
    const identity = this.#identify(key);
    const { store } = this;
    const cells = this.#current() ?? this.#attach();
    const cell = cells.get(identity);
    if (cell === undefined) {
      cells.set(identity, new Cell(this.#mapKeys.normalise(key), value, store.epoch));
      this.live++;
      return;
    }
    this.#secure(cell, store.group, store.current());
    cell.value = value;
  }

  delete(key: unknown): boolean {
    const identity = this.#identify(key);
    const cells = this.#current();
    const cell = cells?.get(identity);
    if (cells === undefined || cell === undefined) return false;
    this.#secure(cell, this.store.group, this.store.current());
    cells.delete(identity);
    this.live--;
    if (cells.size === 0) this.#detach(cells);
    return true;
  }

  clear(): void {
    const cells = this.#current();
    if (cells === undefined) return;
    if (this.store.floor > 0) this.#keepPending(cells);
    this.live -= cells.size;
    cells.clear();
    this.#detach(cells);
  }

  get size(): number {
    return this.#current()?.size ?? 0;
  }

  keys(): IterableIterator<unknown> {
    return eachKey(this.#current() ?? this.#spareOfKey());
  }

  entries(): IterableIterator<[unknown, unknown]> {
    const cells = this.#current() ?? this.#spareOfKey();
    return this.#each(cells, this.store.group, this.store.current());
  }

  *#each(cells: Cells, group: number, key: Key): Generator<[unknown, unknown], void> {
    for (const cell of cells.values()) yield [cell.key, this.#handOut(cell, group, key)];
  }

  *sweep({ bucket, limit }: Extent, pace: Pace): Generator<void, void> {
    const { records, stride, group } = bucket;
    for (let row = 0; row < limit; row += stride) {
      const cells = records[row + this.offset] as Cells | undefined;
      if (cells !== undefined) yield* this.#sweepCells(cells, group, bucket.keyOf(row), pace);
      if (pace.due()) yield;
    }
  }

  *#sweepCells(cells: Cells, group: number, key: Key, pace: Pace): Generator<void, void> {
    // Cells added from here on come last and are not pending, so this many are enough.
    let left = cells.size;
    for (const cell of cells.values()) {
      this.#secure(cell, group, key);
      if (--left === 0) return;
      if (pace.due()) yield;
    }
  }

  override *sweepDetached(pace: Pace): Generator<void, void> {
    for (const { group, key, cells } of this.#detached) {
      for (const cell of cells) {
        this.#write(cell, group, key);
        if (pace.due()) yield;
      }
    }
  }

  override dropDetached(): void {
    this.#detached = [];
  }

  restore(entry: Entry): void {
    const key = decode(this.#mapKeys, mapKeyOf(entry));
    const identity = this.#mapKeys.identity(key);
    const cells = this.#current();
    if (cells?.has(identity)) throw new BytesDamaged(`${this.what} has a map key twice`, 0);
    const cell = new Cell(key, decode(this.#codec, entry.value), this.store.epoch);
    (cells ?? this.#attach()).set(identity, cell);
    this.live++;
  }

  /** The Map identity of a user's map key, checked. */
  #identify(key: unknown): KeyIdentity {
    try {
      this.#mapKeys.hash(key);
    } catch (error) {
      throw refused(error, `map key of ${this.what}`, this.store.key);
    }
    return this.#mapKeys.identity(key);
  }

  #find(key: unknown): Cell | undefined {
    const identity = this.#identify(key);
    return this.#current()?.get(identity);
  }

  #current(): Cells | undefined {
    return this.currentValue() as Cells | undefined;
  }

  /** Gives the current key, which has no map, the one that was kept for it. */
  #attach(): Cells {
    const { store } = this;
    const cells = this.#spareOfKey();
    const row = store.row < 0 ? store.addRow() : store.row;
    store.bucket.records[row + this.offset] = cells;
    this.#spareGroup = NO_GROUP;
    return cells;
  }

  /** Takes the current key's map, now empty, out of its row. */
  #detach(cells: Cells): void {
    const { bucket, row } = this.store;
    this.#keepSpare(cells);
    bucket.records[row + this.offset] = undefined;
    this.store.release(bucket, row);
  }

  #spareOfKey(): Cells {
    const { group } = this.store;
    if (this.#spareGroup !== group || this.#spareIdentity !== this.store.identity())
      this.#keepSpare(new Map());
    return this.#spare;
  }

  #keepSpare(cells: Cells): void {
    this.#spare = cells;
    this.#spareGroup = this.store.group;
    this.#spareIdentity = this.store.identity();
  }

  /** A cell's value for user code, which may change it, allowed or not, if it is an object. */
  #handOut(cell: Cell, group: number, key: Key): unknown {
    const { value } = cell;
    if (typeof value === 'object' && value !== null) this.#secure(cell, group, key);
    return value;
  }

  /** Writes the cell if it is pending. */
  #secure(cell: Cell, group: number, key: Key): void {
    if (cell.epoch < this.store.floor) this.#write(cell, group, key);
  }

  #write(cell: Cell, group: number, key: Key): void {
    const { out, options, epoch } = this.store;
    out.begin(this.table, group);
    try {
      out.key(options.keys, key);
      out.mapKey(this.#mapKeys, cell.key);
      out.value(this.#codec, cell.value);
    } catch (error) {
      throw refused(error, `${this.what}, map key ${shownKey(cell.key)},`, key);
    }
    cell.epoch = epoch;
  }

  /** A large map is cleared in one step, too large a one to write: what is pending in it is written later. */
  #keepPending(cells: Cells): void {
    const { floor, group } = this.store;
    const pending = [...cells.values()].filter((cell) => cell.epoch < floor);
    if (pending.length === 0) return;
    this.#detached.push({ group, key: this.store.current(), cells: pending });
  }
}

function* eachKey(cells: Cells): Generator<Key, void> {
  for (const cell of cells.values()) yield cell.key;
}

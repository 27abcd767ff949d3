/**
 * The rows of one backend: a cache of what the store holds, and what it does not hold yet (changes.ts). A row is loaded
 * whole when a handle first touches its key; `select` only looks into the table of the key group, which is that of the
 * memory backend, and keeps nothing.
 *
 * Invariants
 * - A row is in its bucket and on the clock exactly while it has a cell.
 * - A row that is current, or dirty, is not evicted; one that is, is as the store has it.
 */
import { assert, present } from '../../base/assert.js';
import type { Key, KeyIdentity } from '../../codec/key.js';
import type { BackendOptions } from '../backend.js';
import { Bucket, NO_ROW } from '../memory/bucket.js';
import type { Budget } from './budget.js';
import { Changes } from './changes.js';
import type { Column } from './column.js';
import { Probe } from './probe.js';
import { type Cell, ROW_AT, ROW_BYTES, Row, SLOTS_AT, type Slot, USED_AT } from './row.js';
import type { SegmentStore } from './segment-store.js';
import { sizeOf } from './size.js';

const NO_GROUP = -1;
/** Of a row whose slots are in its bucket. */
const NO_SLOTS: Slot[] = [];

export class Rows {
  readonly options: BackendOptions;
  readonly changes: Changes;
  columns: readonly Column[] = [];
  readonly store: SegmentStore;
  readonly #budget: Budget;

  /** The current key; its row once a handle has touched it, or if it was in memory. Plain fields, for the hot path. */
  key: Key | undefined = undefined;
  row: Row | undefined = undefined;
  /** The row's slots are `records[base]` and on; NO_ROW as long as it is not known. */
  records: unknown[] = [];
  base = NO_ROW;
  group = NO_GROUP;
  identity: KeyIdentity = '';
  hash = 0;
  bucket: Bucket;

  readonly #first: number;
  /** Stands where a key group has no row. */
  readonly #none = new Bucket(NO_GROUP, 0);
  readonly #buckets: Bucket[];
  readonly #probe = new Probe();
  #emptyBytes = ROW_BYTES;
  /** Cells of the row being loaded that are to be written with another stamp than they have. */
  #restamped: { readonly cell: Cell; readonly from: number; readonly to: number }[] = [];

  constructor(options: BackendOptions, store: SegmentStore, budget: Budget) {
    const { start, end } = options.range;
    this.options = options;
    this.changes = new Changes(options.keys, budget, options.time);
    this.store = store;
    this.#budget = budget;
    this.#first = start;
    this.#buckets = Array.from({ length: Math.max(0, end - start + 1) }, () => this.#none);
    this.bucket = this.#none;
  }

  /** To be called once, before anything else. */
  setColumns(columns: readonly Column[]): void {
    this.columns = columns;
    this.#emptyBytes = columns.reduce((sum, { slotBytes }) => sum + slotBytes, ROW_BYTES);
  }

  select(key: Key, identity: KeyIdentity, group: number, hash: number): void {
    const bucket = this.#buckets[group - this.#first] ?? this.#none;
    this.key = key;
    this.identity = identity;
    this.group = group;
    this.hash = hash;
    this.bucket = bucket;
    const at = bucket.find(identity, hash);
    if (at < 0) {
      this.row = undefined;
      this.base = NO_ROW;
      return;
    }
    const { records } = bucket;
    this.records = records;
    this.base = at + SLOTS_AT;
    this.row = records[at + ROW_AT] as Row;
    records[at + USED_AT] = true;
  }

  /** The current key, where there must be one. */
  current(): Key {
    return present(this.key, 'a current key');
  }

  /** Gives the current key its row, from the store if it has anything of it. */
  load(): Row {
    const key = this.current();
    this.#restamped = [];
    const slots = new Array<Slot>(this.columns.length).fill(undefined);
    const row = new Row(this, this.#none, slots, this.#emptyBytes + sizeOf(key));
    if (!this.store.empty) {
      this.#probe.set(this.options.keys, key, this.group);
      for (const column of this.columns) column.load(row, this.#probe);
    }
    this.row = row;
    if (row.count > 0) this.#attach(row);
    else this.#stand(slots, 0);
    if (this.#restamped.length > 0) this.#markRestamped();
    return row;
  }

  /** Takes a cell of the row being loaded for changed, once that is there: it expires at another time than it is stored with. */
  restamped(cell: Cell, from: number, to: number): void {
    this.#restamped.push({ cell, from, to });
  }

  /** Counts a new cell of the current row. */
  added(cell: Cell): void {
    const { row } = cell;
    row.count++;
    if (row.at === NO_ROW) {
      row.size += cell.size;
      this.#attach(row);
    } else this.#resize(row, cell.size);
  }

  /** Notes that a cell has changed, and what it takes now. */
  changed(cell: Cell, size: number): void {
    const grown = size - cell.size;
    if (grown !== 0) {
      cell.size = size;
      this.#resize(cell.row, grown);
    }
    this.changes.mark(cell);
  }

  /** Forgets a cell that was taken out of its slot, and does not outlive that. */
  dropped(cell: Cell): void {
    const { row } = cell;
    this.changes.forget(cell);
    row.count--;
    this.#resize(row, -cell.size);
    if (row.count > 0) return;
    this.changes.discharge(row);
    this.evict(row);
  }

  /** Forgets a cell that has no value and none in the store, if it is in a row still. */
  bury(cell: Cell): void {
    if (cell.row.at !== NO_ROW && cell.column.release(cell)) this.dropped(cell);
  }

  mayEvict(row: Row): boolean {
    return row !== this.row && this.changes.isClean(row);
  }

  /** Takes a row out of memory. If it is current, it stays at hand, with the maps that are iterated. */
  evict(row: Row): void {
    const { at, bucket } = row;
    const { records } = bucket;
    const end = at + SLOTS_AT + this.columns.length;
    if (row === this.row) {
      row.slots = records.slice(at + SLOTS_AT, end) as Slot[];
      this.#stand(row.slots, 0);
    }
    records.fill(undefined, at + ROW_AT, end);
    bucket.remove(at);
    row.at = NO_ROW;
    this.#budget.remove(row);
  }

  #markRestamped(): void {
    for (const { cell, from, to } of this.#restamped) {
      cell.column.census.move(from, to);
      this.changes.mark(cell);
    }
    this.#restamped = [];
  }

  #attach(row: Row): void {
    const index = this.group - this.#first;
    assert(index >= 0 && index < this.#buckets.length, `key group ${this.group} is not of this subtask`);
    if (this.bucket === this.#none) {
      this.bucket = new Bucket(this.group, SLOTS_AT - ROW_AT + this.columns.length);
      this.#buckets[index] = this.bucket;
    }
    const { records } = this.bucket;
    const at = this.bucket.add(this.current(), this.identity, this.hash);
    records[at + ROW_AT] = row;
    records[at + USED_AT] = true;
    for (let i = 0; i < row.slots.length; i++) records[at + SLOTS_AT + i] = row.slots[i];
    row.bucket = this.bucket;
    row.at = at;
    row.slots = NO_SLOTS;
    this.#stand(records, at + SLOTS_AT);
    this.#budget.add(row);
    this.#budget.evict();
  }

  /** Says where the slots of the current row are. */
  #stand(records: unknown[], base: number): void {
    this.records = records;
    this.base = base;
  }

  #resize(row: Row, grown: number): void {
    row.size += grown;
    this.#budget.rowBytes += grown;
    if (grown > 0) this.#budget.evict();
  }
}

/**
 * What is in memory of one key: a row, with a slot per declared state. A slot holds the cell of a value, number or list,
 * or the cells of a map or of panes. The slots lie in the records of the key group's bucket, so that a key that is found leads
 * straight to its cells; only a row that is in no bucket has them itself.
 *
 *     records   identity, row, used, slot per state │ identity, …          used: since the clock's hand last passed
 *
 * A cell is one entry: what it is now, and what the store knows of it.
 *
 *     changed   the epoch of the last change; 0 since it was loaded         rows.ts says when a cell is dirty
 *     written   the epoch of the freeze whose drain wrote it last           0 once `stored` says what came of it
 *     wrote     whether that was a value; else a tombstone, or nothing
 *     stored    whether the kept runs hold a value of it                    true when loaded
 *
 * A cell without a value stays in its row as long as the store may hold one, for its tombstone is still to be written
 * or to be kept.
 *
 * A cell of a table with a TTL has a `life`: when what it is now expires, and what the store knows of. One that has
 * expired stays with its value until it is set, its row goes, or its map comes by it; nobody is shown it.
 */
import type { Key, KeyIdentity } from '../../codec/key.js';
import type { PaneWindow } from '../backend.js';
import { type Bucket, NO_ROW } from '../memory/bucket.js';
import { NEVER } from './census.js';
import type { Column } from './column.js';
import type { Rows } from './rows.js';

/** Stands for `undefined` where that was set: a cell without a value has undefined. */
export const SET_UNDEFINED = Symbol('set to undefined');

/** What a cell takes on the heap beside its value. All are measured, and rather too much: see disk-state.ts. */
export const CELL_BYTES = 112;
/** What a row without cells takes, with its places in the table of its key group and in the clock. */
export const ROW_BYTES = 176;
/** What a slot takes, what the map of one key takes, and what a cell of a map. */
export const SLOT_BYTES = 8;
export const MAP_BYTES = 192;
export const MAP_CELL_BYTES = CELL_BYTES + 48;
export const LIFE_BYTES = 88;

/** What tells an entry of a key from the key's others: a map key, or a window. */
export type Part = Key | PaneWindow;

/** When values expire, milliseconds of processing time: `until` that of the cell now; the others go with its fields. */
export class Life {
  until: number;
  stored = NEVER;
  wrote = NEVER;

  constructor(until: number) {
    this.until = until;
  }
}

export class Cell {
  // These are looked at for each element: side by side.
  value: unknown = undefined;
  life: Life | undefined = undefined;
  changed = 0;
  written = 0;
  wrote = false;
  stored: boolean;
  readonly row: Row;
  readonly column: Column;
  /** Of a cell of a map, or of panes. */
  readonly part: Part | undefined;
  /** Where it stands in the list of dirty cells, while `changed` is the current epoch. */
  at = 0;
  /** About what it takes on the heap, value included. */
  size: number;

  constructor(row: Row, column: Column, part: Part | undefined, stored: boolean, size: number) {
    this.row = row;
    this.column = column;
    this.part = part;
    this.stored = stored;
    this.size = size;
  }
}

/** The cells of one map, or the panes of one key. Iterators of `live` carry user code over whatever changes meanwhile. */
export class MapCells {
  readonly live = new Map<KeyIdentity, Cell>();
  /** Without a value, and not to be forgotten yet; by identity of the entry. */
  gone: Map<KeyIdentity, Cell> | undefined = undefined;
  /** Of panes: the one used last. It is live as long as it has a value. */
  last: Cell | undefined = undefined;
  /** None of them expires before. */
  earliest = NEVER;
  /** Where the look for expired ones stands. */
  sweep: Iterator<Cell> | undefined = undefined;
}

export type Slot = Cell | MapCells | undefined;

/** Where the parts of a row lie in the records of a bucket, counted from the identity. */
export const ROW_AT = 1;
export const USED_AT = 2;
export const SLOTS_AT = 3;

export class Row {
  readonly owner: Rows;
  /** Its row in the bucket; NO_ROW while it has no cell and nothing leads to it but being current. */
  bucket: Bucket;
  at = NO_ROW;
  /** Its slots while it is in no bucket. */
  slots: Slot[];
  /** How many cells it has. */
  count = 0;
  size: number;
  /** The epoch of the last change of a cell, and what it was charged to the dirty bytes of that epoch. */
  changed = 0;
  charged = 0;
  /** Where it stands on the clock. */
  place = 0;

  constructor(owner: Rows, bucket: Bucket, slots: Slot[], size: number) {
    this.owner = owner;
    this.bucket = bucket;
    this.slots = slots;
    this.size = size;
  }

  slot(index: number): Slot {
    if (this.at === NO_ROW) return this.slots[index];
    return this.bucket.records[this.at + SLOTS_AT + index] as Slot;
  }

  setSlot(index: number, slot: Slot): void {
    if (this.at === NO_ROW) this.slots[index] = slot;
    else this.bucket.records[this.at + SLOTS_AT + index] = slot;
  }
}

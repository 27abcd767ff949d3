/**
 * What changed in a backend's rows and is not kept: which cells are dirty, what a freeze holds, what a drain writes.
 *
 * Epochs count freezes. A cell is *dirty* when it changed in an epoch after `kept`, the last whose freeze was kept;
 * *pending* when it changed in that of the freeze being drained, or before, and was not written since. So freezing and
 * settling touch no cell: they move lists and numbers.
 *
 *     epoch      ──── 3 ────▶│◀──── 4 ────▶│◀──── 5 ────
 *                          freeze        freeze              frozen = 4 while that is drained, until it is settled
 *     a cell that changed in 3 is clean (kept = 3), in 4 pending until it is written, in 5 dirty for the next freeze
 *
 * What was not kept is dirty still: its list waits for the next freeze. A cell may then be in two lists; it is written
 * once, for `written` says so.
 *
 * What has expired at the time of a freeze is no value to its drain. Of a cell that the store has a value of, which has
 * expired too, no tombstone is needed: time does not go back, so nobody will read that one.
 *
 * Invariants
 * - Every dirty cell is in `#dirty` or in one of `#lists`; one that lost its value is forgotten only if neither the store
 *   nor a drain that may be kept has a value of it.
 * - A pending cell is written before it changes or is handed out as an object; the value of one that was cleared away
 *   may wait in `#held`.
 */
import { assert, present } from '../../base/assert.js';
import type { Key, KeyCodec } from '../../codec/key.js';
import type { EntryWriter } from '../../format/entry.js';
import type { StepTime } from '../backend.js';
import type { Pace } from '../memory/pace.js';
import type { Budget } from './budget.js';
import { NEVER } from './census.js';
import type { Cell, Row } from './row.js';

const NONE = 0;
/** How many cells that the store has forgotten, too, are taken out of memory with each change. */
const BURIED_A_CHANGE = 2;

/** The value of a cell, and when it expires. */
interface Held {
  readonly value: unknown;
  readonly until: number;
}

export class Changes {
  /** Of changes from now on. Plain fields, for the hot path. */
  epoch = 1;
  /** Changes of this epoch and before are kept. */
  kept = NONE;
  /** The epoch of the freeze that is not settled. */
  frozen = NONE;
  draining = false;
  readonly #keys: KeyCodec;
  readonly #budget: Budget;
  readonly #time: StepTime;
  /** The time of the freeze that is being drained. */
  #frozenAt = 0;
  #out: EntryWriter | undefined = undefined;

  #dirty: Cell[] = [];
  /** Of the freezes since the last that was kept. */
  #lists: Cell[][] = [];
  #dirtyBytes = 0;
  #frozenBytes = 0;
  /** What is pending of cells that have lost it. */
  readonly #held = new Map<Cell, Held>();
  /** Cells without a value that the drain came by; those of the last kept one can be forgotten. */
  #graves: Cell[] = [];
  #buriable: Cell[] = [];

  constructor(keys: KeyCodec, budget: Budget, time: StepTime) {
    this.#keys = keys;
    this.#budget = budget;
    this.#time = time;
  }

  /** Notes that a cell has changed. Before that, it was secured or held. */
  mark(cell: Cell): void {
    if (cell.changed !== this.epoch) {
      cell.changed = this.epoch;
      cell.at = this.#dirty.length;
      this.#dirty.push(cell);
      this.#budget.evict();
    }
    this.charge(cell.row);
    if (this.#buriable.length > 0) this.#buryFew();
  }

  /** Whether a cell that lost its value must stay, for a tombstone that is, or may come to be, needed. */
  outlives(cell: Cell): boolean {
    if (this.#stored(cell, this.#time.now)) return true;
    return this.frozen !== NONE && (cell.written === this.frozen || this.#held.has(cell));
  }

  /** Takes a cell that does not outlive its value out of the list of dirty cells. */
  forget(cell: Cell): void {
    if (cell.changed !== this.epoch) return;
    const last = present(this.#dirty.pop(), 'a dirty cell');
    if (last !== cell) {
      this.#dirty[cell.at] = last;
      last.at = cell.at;
    }
  }

  /** Writes the cell if it is pending. */
  secure(cell: Cell): void {
    if (this.draining && this.#pending(cell)) this.#write(cell);
  }

  /** Keeps the value of a cell for the drain if it is pending: the cell is about to lose it. */
  hold(cell: Cell): void {
    if (!this.draining || !this.#pending(cell) || this.#held.has(cell)) return;
    this.#held.set(cell, { value: cell.value, until: cell.life?.until ?? NEVER });
  }

  /** Whether all of a row is in the store. */
  isClean(row: Row): boolean {
    return row.changed <= this.kept;
  }

  /** Counts a row, of which a cell changed, as dirty in its present size. */
  charge(row: Row): void {
    const before = row.changed === this.epoch ? row.charged : 0;
    row.changed = this.epoch;
    row.charged = Math.min(row.size, this.#budget.largestCharge);
    this.#dirtyBytes += row.charged - before;
    this.#budget.dirty += row.charged - before;
  }

  /** Counts a row without cells no longer. */
  discharge(row: Row): void {
    if (row.changed !== this.epoch) return;
    this.#dirtyBytes -= row.charged;
    this.#budget.dirty -= row.charged;
    row.charged = 0;
  }

  freeze(out: EntryWriter): void {
    assert(this.frozen === NONE, 'frozen before the last freeze was settled');
    this.frozen = this.epoch++;
    this.#frozenAt = this.#time.now;
    this.draining = true;
    this.#out = out;
    if (this.#dirty.length > 0) this.#lists.push(this.#dirty);
    this.#dirty = [];
    this.#frozenBytes = this.#dirtyBytes;
    this.#dirtyBytes = 0;
    this.#budget.dirty -= this.#frozenBytes;
    this.#budget.frozen += this.#frozenBytes;
  }

  /** Writes what was frozen, and yields now and then so that the drain may stop there. */
  *sweep(pace: Pace): Generator<void, void> {
    while (this.#buriable.length > 0) {
      this.#buryFew();
      if (pace.due()) yield;
    }
    for (const list of this.#lists) {
      for (const cell of list) {
        // One that was written has changed since, or is in two lists.
        if (cell.written !== this.frozen) this.#write(cell);
        if (pace.due()) yield;
      }
    }
  }

  endDrain(): void {
    this.draining = false;
    this.#out = undefined;
    this.#held.clear();
  }

  settle(kept: boolean): void {
    assert(this.frozen !== NONE && !this.draining, 'settled without a drain that is over');
    this.#budget.frozen -= this.#frozenBytes;
    if (kept) {
      this.kept = this.frozen;
      this.#lists = [];
      this.#buriable = this.#graves;
    } else {
      this.#dirtyBytes += this.#frozenBytes;
      this.#budget.dirty += this.#frozenBytes;
    }
    this.frozen = NONE;
    this.#frozenBytes = 0;
    this.#graves = [];
    if (kept) this.#budget.evictMore();
  }

  #pending(cell: Cell): boolean {
    const { changed } = cell;
    return changed > this.kept && changed <= this.frozen && cell.written !== this.frozen;
  }

  /** Whether the kept runs have a value of the cell that expires after `at`. What a drain wrote counts once that is kept. */
  #stored(cell: Cell, at: number): boolean {
    const { life } = cell;
    if (cell.written !== NONE && cell.written <= this.kept) {
      cell.stored = cell.wrote;
      if (life !== undefined) life.stored = life.wrote;
      cell.written = NONE;
    }
    return cell.stored && (life === undefined || life.stored > at);
  }

  #write(cell: Cell): void {
    const { life } = cell;
    const stored = this.#stored(cell, this.#frozenAt);
    const held = this.#held.get(cell);
    const until = held?.until ?? life?.until ?? NEVER;
    let value = held === undefined ? cell.value : held.value;
    if (until <= this.#frozenAt) value = undefined;
    if (value !== undefined || stored) this.#writeEntry(cell, value, until);
    if (cell.value === undefined) this.#graves.push(cell);
    this.#held.delete(cell);
    cell.wrote = value !== undefined;
    if (life !== undefined) life.wrote = until;
    cell.written = this.frozen;
  }

  #writeEntry({ row, column, part }: Cell, value: unknown, until: number): void {
    const out = present(this.#out, 'the writer of a drain');
    const { bucket } = row;
    const key: Key = bucket.keyOf(row.at);
    out.begin(column.table, bucket.group);
    out.key(this.#keys, key);
    column.write(out, key, part, value, until);
  }

  /** Forgets some of the cells that have no value, neither here nor in the store. */
  #buryFew(): void {
    const { now } = this.#time;
    for (let i = 0; i < BURIED_A_CHANGE; i++) {
      const cell = this.#buriable.pop();
      if (cell === undefined) return;
      const { row } = cell;
      if (cell.value === undefined && cell.changed <= this.kept && !this.#stored(cell, now))
        row.owner.bury(cell);
    }
  }
}

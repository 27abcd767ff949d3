/**
 * What the rows of a data thread may take, over all its backends, and which of them go: CLOCK, which asks only whether a
 * row was selected since the hand last passed.
 *
 *     cacheBytes ├── blocks 1/4 ──┤├───────────── rows 3/4 ──────────────┤
 *                                  ├ dirty 1/4 ┤ flush ├ 2/4 ┤ full
 *
 * Dirty rows stay, as do those of a freeze that is not settled; they count here as a freeze would find them. One row
 * counts with at most a sixteenth of the dirty share, so that a key with a huge map, changed at one place, does not ask
 * for a flush after each element.
 *
 * Invariant: `rowBytes` is the sum of the sizes of the rows on the clock.
 */
import { type Row, USED_AT } from './row.js';

/** Parts of cacheBytes: of blocks and indexes; of rows; of rows that are dirty, before a flush is wanted. */
export const BLOCK_SHARE = 1 / 4;
const ROW_SHARE = 3 / 4;
const DIRTY_SHARE = 1 / 4;
const FULL_FACTOR = 2;
/** The part of the dirty share that one row may be charged. */
const LARGEST_CHARGE = 1 / 16;
/** How many rows the hand passes with each change or load, more than come in by it; and once much has become clean. */
const FEW_STEPS = 64;
const MOST_STEPS = 8192;

export class Budget {
  readonly largestCharge: number;
  rowBytes = 0;
  /** Charged to rows that changed since their last freeze, and to freezes that are not settled. */
  dirty = 0;
  frozen = 0;
  readonly #most: number;
  readonly #mostDirty: number;
  readonly #clock: Row[] = [];
  #hand = 0;

  constructor(cacheBytes: number) {
    this.#most = cacheBytes * ROW_SHARE;
    this.#mostDirty = cacheBytes * DIRTY_SHARE;
    this.largestCharge = this.#mostDirty * LARGEST_CHARGE;
  }

  get rows(): number {
    return this.#clock.length;
  }

  get wantsFlush(): boolean {
    return this.dirty > this.#mostDirty;
  }

  get full(): boolean {
    return this.dirty + this.frozen > this.#mostDirty * FULL_FACTOR;
  }

  add(row: Row): void {
    row.place = this.#clock.length;
    this.#clock.push(row);
    this.rowBytes += row.size;
  }

  remove(row: Row): void {
    this.rowBytes -= row.size;
    const last = this.#clock.pop();
    if (last === undefined || last === row) return;
    this.#clock[row.place] = last;
    last.place = row.place;
  }

  /** Lets a few rows go, if there are too many. */
  evict(): void {
    if (this.rowBytes > this.#most) this.#pass(FEW_STEPS);
  }

  /** Lets more go, in about a millisecond. */
  evictMore(): void {
    this.#pass(MOST_STEPS);
  }

  #pass(steps: number): void {
    for (let step = 0; step < steps && this.rowBytes > this.#most; step++) {
      if (this.#hand >= this.#clock.length) this.#hand = 0;
      const row = this.#clock[this.#hand];
      if (row === undefined) return;
      const { records } = row.bucket;
      if (!row.owner.mayEvict(row)) this.#hand++;
      else if (records[row.at + USED_AT] === true) {
        records[row.at + USED_AT] = false;
        this.#hand++;
      } else row.owner.evict(row);
    }
  }
}

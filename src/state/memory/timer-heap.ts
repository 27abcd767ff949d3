/**
 * Timers by time: a binary heap, earliest first, among equals the one set first. A timer that is taken out elsewhere
 * is only marked; it leaves when it comes to the top, or when more than half of the heap is such.
 */
import type { Bucket } from './bucket.js';
import { SlotCell } from './slot-cell.js';
import type { TimerColumn } from './timers.js';

/** Below this many, dead timers are not worth clearing away. */
const LEAST_COMPACTED = 64;

export class TimerCell extends SlotCell {
  /** Counts settings, so that equal times have an order. */
  readonly sequence: number;
  readonly column: TimerColumn;

  constructor(
    column: TimerColumn,
    bucket: Bucket,
    row: number,
    time: number,
    sequence: number,
    mark: number,
  ) {
    super(time, bucket, row, mark);
    this.column = column;
    this.sequence = sequence;
  }
}

export class TimerHeap {
  #cells: TimerCell[] = [];
  #dead = 0;
  #sequence = 0;

  nextSequence(): number {
    return this.#sequence++;
  }

  push(cell: TimerCell): void {
    this.#cells.push(cell);
    this.#rise(this.#cells.length - 1);
  }

  /** The earliest live timer. */
  peek(): TimerCell | undefined {
    for (;;) {
      const top = this.#cells[0];
      if (top === undefined || top.live) return top;
      this.#removeTop();
      this.#dead--;
    }
  }

  /** All live timers, in no order. */
  live(): TimerCell[] {
    return this.#cells.filter((cell) => cell.live);
  }

  /** To be called once for each timer in the heap that is live no more. */
  bury(): void {
    if (++this.#dead * 2 > this.#cells.length && this.#cells.length >= LEAST_COMPACTED) this.#compact();
  }

  #compact(): void {
    this.#cells = this.live();
    this.#dead = 0;
    for (let at = (this.#cells.length >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  #removeTop(): void {
    const last = this.#cells.pop();
    if (last === undefined || this.#cells.length === 0) return;
    this.#cells[0] = last;
    this.#sink(0);
  }

  #rise(from: number): void {
    const cells = this.#cells;
    const cell = cells[from] as TimerCell;
    let at = from;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = cells[up] as TimerCell;
      if (!before(cell, parent)) break;
      cells[at] = parent;
      at = up;
    }
    cells[at] = cell;
  }

  #sink(from: number): void {
    const cells = this.#cells;
    const cell = cells[from] as TimerCell;
    const { length } = cells;
    let at = from;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= length) break;
      if (down + 1 < length && before(cells[down + 1] as TimerCell, cells[down] as TimerCell)) down++;
      const child = cells[down] as TimerCell;
      if (!before(child, cell)) break;
      cells[at] = child;
      at = down;
    }
    cells[at] = cell;
  }
}

function before(a: TimerCell, b: TimerCell): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

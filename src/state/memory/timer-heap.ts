/**
 * Timers by time: a binary heap, earliest first, among equals the one set first. A timer that is taken out elsewhere
 * is only marked; it leaves when it comes to the top, or when more than half of them are such.
 *
 *     heads    a heap of chains by (time, sequence)        [59:59 #1] ─▶ #4 ─▶ #7    [60:59 #2] ─▶ #3    [61:00 #5]
 *     tails    by hash of the time: where a timer for that time was set last, if its chain is still here
 *
 * Many timers have one time, as those of windows do: they are put behind each other, and only the first is in the heap.
 * A time whose tail was displaced gets another chain; what is in the older one was set before all of the newer, so that the
 * heads alone keep the order.
 */
import type { Bucket } from './bucket.js';
import { SlotCell } from './slot-cell.js';
import type { TimerColumn } from './timers.js';

/** Below this many, dead timers are not worth clearing away. */
const LEAST_COMPACTED = 64;
const TAIL_BITS = 6;
const TAILS = 1 << TAIL_BITS;
/** 2^32 / golden ratio (Knuth's multiplicative hashing). */
const SPREAD = 0x9e37_79b1;

export class TimerCell extends SlotCell {
  /** Counts settings, so that equal times have an order. */
  readonly sequence: number;
  readonly column: TimerColumn;
  /** Behind it in its chain. */
  next: TimerCell | undefined = undefined;
  queued = false;

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
  #heads: TimerCell[] = [];
  readonly #tails = new Array<TimerCell | undefined>(TAILS).fill(undefined);
  #size = 0;
  #dead = 0;
  #sequence = 0;

  nextSequence(): number {
    return this.#sequence++;
  }

  push(cell: TimerCell): void {
    const slot = tailOf(cell.at);
    const tail = this.#tails[slot];
    this.#tails[slot] = cell;
    this.#size++;
    cell.queued = true;
    if (tail?.queued === true && tail.at === cell.at) {
      tail.next = cell;
      return;
    }
    this.#heads.push(cell);
    this.#rise(this.#heads.length - 1);
  }

  /** The earliest live timer. */
  peek(): TimerCell | undefined {
    for (;;) {
      const top = this.#heads[0];
      if (top === undefined || top.live) return top;
      this.#removeTop(top);
      this.#dead--;
    }
  }

  /** All live timers, in no order. */
  live(): TimerCell[] {
    const cells: TimerCell[] = [];
    for (const head of this.#heads) {
      for (let cell: TimerCell | undefined = head; cell !== undefined; cell = cell.next)
        if (cell.live) cells.push(cell);
    }
    return cells;
  }

  /** To be called once for each timer in the heap that is live no more. */
  bury(): void {
    if (++this.#dead * 2 > this.#size && this.#size >= LEAST_COMPACTED) this.#compact();
  }

  #compact(): void {
    this.#heads = this.#heads.flatMap((head) => compacted(head) ?? []);
    this.#tails.fill(undefined);
    this.#size -= this.#dead;
    this.#dead = 0;
    for (let at = (this.#heads.length >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  #removeTop(top: TimerCell): void {
    const { next } = top;
    top.next = undefined;
    top.queued = false;
    this.#size--;
    if (next !== undefined) {
      this.#heads[0] = next;
      return;
    }
    const last = this.#heads.pop();
    if (last === undefined || this.#heads.length === 0) return;
    this.#heads[0] = last;
    this.#sink(0);
  }

  #rise(from: number): void {
    const cells = this.#heads;
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
    const cells = this.#heads;
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

/** What is live of a chain, as a chain; undefined for nothing. */
function compacted(head: TimerCell): TimerCell | undefined {
  let first: TimerCell | undefined;
  let last: TimerCell | undefined;
  for (let cell: TimerCell | undefined = head; cell !== undefined; ) {
    const { next }: TimerCell = cell;
    cell.next = undefined;
    if (!cell.live) cell.queued = false;
    else if (last === undefined) first = cell;
    else last.next = cell;
    if (cell.live) last = cell;
    cell = next;
  }
  return first;
}

/** Spreads times over the tails: most differ in some of their lower 32 bits. */
function tailOf(time: number): number {
  return Math.imul(time | 0, SPREAD) >>> (32 - TAIL_BITS);
}

function before(a: TimerCell, b: TimerCell): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

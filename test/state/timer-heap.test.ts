/** The order of timers, against a list that is sorted: whatever is set, taken out and fired between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bucket } from '../../src/state/memory/bucket.js';
import { slotOf } from '../../src/state/memory/slot-cell.js';
import { TimerCell, TimerHeap } from '../../src/state/memory/timer-heap.js';
import type { TimerColumn } from '../../src/state/memory/timers.js';
import fc from '../helpers/property.js';

/** Neither is looked at here. */
const COLUMN = undefined as unknown as TimerColumn;
const BUCKET = undefined as unknown as Bucket;

type Step = { readonly set: number } | { readonly remove: number } | { readonly fire: number };

/** Few times, so that chains grow; some far apart, so that tails are displaced. */
const time = fc.oneof(
  fc.integer({ min: 0, max: 5 }),
  fc.integer({ min: 0, max: 1000 }).map((n) => n * 3_600_000 - 1),
  fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: time.map((set) => ({ set })) },
  { weight: 2, arbitrary: fc.nat().map((remove) => ({ remove })) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 6 }).map((fire) => ({ fire })) },
);

class Both {
  readonly #heap = new TimerHeap();
  /** In the order they were set. */
  #live: TimerCell[] = [];

  take(one: Step): void {
    if ('set' in one) this.#set(one.set);
    else if ('remove' in one) this.#remove(this.#live[one.remove % Math.max(1, this.#live.length)]);
    else for (let i = 0; i < one.fire; i++) this.#fire();
    assert.equal(this.#heap.live().length, this.#live.length);
  }

  end(): void {
    while (this.#live.length > 0) this.#fire();
    assert.equal(this.#heap.peek(), undefined);
  }

  #set(at: number): void {
    const cell = new TimerCell(COLUMN, BUCKET, 0, at, this.#heap.nextSequence(), 0);
    this.#heap.push(cell);
    this.#live.push(cell);
  }

  #remove(cell: TimerCell | undefined): void {
    if (cell === undefined) return;
    this.#live = this.#live.filter((one) => one !== cell);
    cell.live = false;
    this.#heap.bury();
  }

  /** The earliest; of equals the one set first. */
  #fire(): void {
    const first = this.#live.reduce<TimerCell | undefined>(
      (least, cell) => (least === undefined || cell.at < least.at ? cell : least),
      undefined,
    );
    assert.equal(this.#heap.peek(), first);
    this.#remove(first);
  }
}

test('timers come in the order of their times, and of equal ones as they were set', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
      const both = new Both();
      for (const one of steps) both.take(one);
      both.end();
    }),
    { numRuns: 100 },
  );
});

test('no two numbers are in one slot', () => {
  const near = fc
    .tuple(fc.maxSafeInteger(), fc.integer({ min: -3, max: 3 }))
    .map(([n, by]) => [n, n + by] as const);
  const scaled = fc.integer().map((n) => [n, n * 1000] as const);
  fc.assert(
    fc.property(fc.oneof(near, scaled, fc.tuple(fc.maxSafeInteger(), fc.maxSafeInteger())), ([a, b]) => {
      fc.pre(Number.isSafeInteger(b));
      assert.equal(slotOf(a) === slotOf(b), a === b);
    }),
    { numRuns: 2000 },
  );
});

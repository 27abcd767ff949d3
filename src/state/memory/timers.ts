/**
 * Timers of one name. A row has its only timer, or a Map of them by time; the heap that all names of a backend share
 * has them in the order they fire.
 */
import { BytesDamaged, ValueRefused } from '../../codec/codec.js';
import type { Entry } from '../../format/entry.js';
import { emptyValue, timerKey } from '../../format/timer-key.js';
import type { TimerHandle } from '../backend.js';
import { refused } from '../refused.js';
import { Column, decode, mapKeyOf, type Place } from './column.js';
import type { Pace } from './pace.js';
import type { Extent, Store } from './store.js';
import { TimerCell, type TimerHeap } from './timer-heap.js';

type Timers = TimerCell | Map<number, TimerCell> | undefined;

export class TimerColumn extends Column implements TimerHandle {
  /** Which of the backend's timer tables this is. */
  readonly index: number;
  readonly #heap: TimerHeap;

  constructor(store: Store, place: Place, index: number, heap: TimerHeap) {
    super(store, place);
    this.index = index;
    this.#heap = heap;
  }

  set(time: number): void {
    if (!Number.isSafeInteger(time)) this.#refuse(time);
    const timers = this.#current();
    if (find(timers, time) !== undefined) return;
    const { store } = this;
    const row = store.row < 0 ? store.addRow() : store.row;
    const cell = new TimerCell(this, store.bucket, row, time + 0, this.#heap.nextSequence(), store.epoch);
    store.bucket.records[row + this.offset] = timers === undefined ? cell : added(timers, cell);
    this.#heap.push(cell);
    this.live++;
  }

  delete(time: number): void {
    const cell = find(this.#current(), time);
    if (cell !== undefined) this.remove(cell);
  }

  clear(): void {
    const timers = this.#current();
    if (timers instanceof TimerCell) this.remove(timers);
    else if (timers !== undefined) for (const cell of timers.values()) this.remove(cell);
  }

  /** Takes a live timer out, of whichever key. */
  remove(cell: TimerCell): void {
    this.#secure(cell);
    const { bucket, row } = cell;
    const timers = bucket.records[row + this.offset] as Timers;
    if (timers instanceof Map) timers.delete(cell.time);
    this.#heap.bury(cell);
    this.live--;
    if (timers instanceof Map && timers.size > 0) return;
    bucket.records[row + this.offset] = undefined;
    this.store.release(bucket, row);
  }

  *sweep({ bucket, limit }: Extent, pace: Pace): Generator<void, void> {
    const { records, stride } = bucket;
    for (let row = 0; row < limit; row += stride) {
      const timers = records[row + this.offset] as Timers;
      if (timers instanceof TimerCell) this.#secure(timers);
      else if (timers !== undefined) yield* this.#sweepMap(timers, pace);
      if (pace.due()) yield;
    }
  }

  *#sweepMap(timers: Map<number, TimerCell>, pace: Pace): Generator<void, void> {
    // Timers added from here on come last and are not pending, so this many are enough.
    let left = timers.size;
    for (const cell of timers.values()) {
      this.#secure(cell);
      if (--left === 0) return;
      if (pace.due()) yield;
    }
  }

  restore(entry: Entry): void {
    const time = decode(timerKey, mapKeyOf(entry));
    if (entry.value.length > 0) throw new BytesDamaged('a timer with a value', 0);
    if (find(this.#current(), time) !== undefined) throw new BytesDamaged(`${this.what} is set twice`, 0);
    this.set(time);
  }

  #current(): Timers {
    return this.currentValue() as Timers;
  }

  /** Writes the timer if it is pending. */
  #secure(cell: TimerCell): void {
    const { store } = this;
    if (cell.epoch >= store.floor) return;
    const { out } = store;
    out.begin(this.table, cell.bucket.group);
    out.key(store.options.keys, cell.bucket.keyOf(cell.row));
    out.mapKey(timerKey, cell.time);
    out.value(emptyValue, undefined);
    cell.epoch = store.epoch;
  }

  #refuse(time: unknown): never {
    const shown = typeof time === 'number' ? String(time) : typeof time;
    const reason = `expected a time in whole milliseconds since 1970, found ${shown}`;
    throw refused(new ValueRefused(reason), this.what, this.store.key);
  }
}

function find(timers: Timers, time: number): TimerCell | undefined {
  if (timers instanceof TimerCell) return timers.time === time ? timers : undefined;
  return timers?.get(time);
}

function added(timers: TimerCell | Map<number, TimerCell>, cell: TimerCell): Map<number, TimerCell> {
  const map = timers instanceof Map ? timers : new Map([[timers.time, timers]]);
  return map.set(cell.time, cell);
}

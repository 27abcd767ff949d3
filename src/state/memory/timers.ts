/**
 * Timers of one name. A row has its only timer, or a Map of them by time; the heap that all names of a backend share
 * has them in the order they fire.
 */
import { BytesDamaged, ValueRefused } from '../../codec/codec.js';
import type { Entry } from '../../format/entry.js';
import { emptyValue, timerKey } from '../../format/timer-key.js';
import type { TimerHandle, TimerTable } from '../backend.js';
import { refused } from '../refused.js';
import { Column, decode, described, mapKeyOf } from './column.js';
import type { Pace } from './pace.js';
import type { Store } from './store.js';
import { TimerCell, type TimerHeap } from './timer-heap.js';

type Timers = TimerCell | Map<number, TimerCell> | undefined;

export class TimerColumn extends Column implements TimerHandle {
  /** Which of the backend's timer tables this is. */
  readonly index: number;
  readonly #heap: TimerHeap;

  constructor(store: Store, timer: TimerTable, index: number, heap: TimerHeap) {
    super(store, timer.table, described('timer', timer.name));
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
    (this.values[store.bucket] as Timers[])[row] = timers === undefined ? cell : added(timers, cell);
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
    const values = this.values[cell.bucket] as Timers[];
    const timers = values[cell.row];
    if (timers instanceof Map) timers.delete(cell.time);
    this.#heap.bury(cell);
    this.live--;
    if (timers instanceof Map && timers.size > 0) return;
    values[cell.row] = undefined;
    this.store.release(cell.bucket, cell.row);
  }

  *sweep(bucket: number, pace: Pace): Generator<void, void> {
    const rows = this.values[bucket] as Timers[] | undefined;
    const limit = rows?.length ?? 0;
    for (let row = 0; row < limit; row++) {
      const timers = rows?.[row];
      if (timers instanceof TimerCell) this.#secure(timers);
      else if (timers !== undefined) {
        // Timers added from here on come last and are not pending, so this many are enough.
        let left = timers.size;
        for (const cell of timers.values()) {
          this.#secure(cell);
          if (--left === 0) break;
          if (pace.due()) yield;
        }
      }
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
    const { bucket, row } = this.store;
    return row < 0 ? undefined : (this.values[bucket] as Timers[])[row];
  }

  /** Writes the timer if it is pending. */
  #secure(cell: TimerCell): void {
    const { store } = this;
    if (cell.epoch >= store.floor) return;
    const { out } = store;
    out.begin(this.table, store.groupOf(cell.bucket));
    out.key(store.options.keys, store.keyOf(cell.bucket, cell.row));
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

/**
 * Timers of one name. A row has its only timer, or a Map of them by time; the heap that all names of one order share
 * has them in the order they fire.
 */
import { BytesDamaged, ValueRefused } from '../../codec/codec.js';
import type { Key } from '../../codec/key.js';
import type { Entry } from '../../format/entry.js';
import { emptyValue, timerKey } from '../../format/timer-key.js';
import type { TimerHandle } from '../backend.js';
import { refused } from '../refused.js';
import { Column, decode, type Extent, mapKeyOf, type Place } from './column.js';
import { KEPT } from './marks.js';
import type { Pace } from './pace.js';
import type { Store } from './store.js';
import { TimerChanges, type TimerTomb } from './timer-changes.js';
import { TimerCell, type TimerHeap } from './timer-heap.js';

type Timers = TimerCell | Map<number, TimerCell> | undefined;

export class TimerColumn extends Column implements TimerHandle {
  /** Which of the backend's timer tables this is. */
  readonly index: number;
  readonly #heap: TimerHeap;
  readonly #changes: TimerChanges;

  constructor(store: Store, place: Place, index: number, heap: TimerHeap) {
    super(store, place);
    this.index = index;
    this.#heap = heap;
    this.#changes = new TimerChanges(store, {
      secure: (cell) => this.#secure(cell),
      writeTombstone: (tomb) => this.#writeTombstone(tomb),
    });
  }

  set(time: number): void {
    if (!Number.isSafeInteger(time)) this.#refuse(time);
    if (find(this.#current(), time) !== undefined) return;
    const cell = this.#add(time);
    if (this.store.tracking) this.#changes.added(cell);
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
    const { store } = this;
    const timers = bucket.records[row + this.offset] as Timers;
    if (timers instanceof Map) timers.delete(cell.time);
    this.#heap.bury(cell);
    this.live--;
    if (store.tracking) this.#changes.removed(cell, bucket.keyOf(row));
    if (timers instanceof Map && timers.size > 0) return;
    bucket.records[row + this.offset] = undefined;
    store.release(bucket, row);
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

  sweepChanges(pace: Pace): Generator<void, void> {
    return this.#changes.sweep(pace);
  }

  freezeChanges(): void {
    this.#changes.freeze();
  }

  settle(kept: boolean): void {
    this.#changes.settle(kept);
  }

  restore(entry: Entry, kept: boolean): void {
    const time = decode(timerKey, mapKeyOf(entry));
    if (entry.value.length > 0) throw new BytesDamaged('a timer with a value', 0);
    if (find(this.#current(), time) !== undefined) throw new BytesDamaged(`${this.what} is set twice`, 0);
    const cell = this.#add(time);
    if (kept) cell.mark = KEPT;
    else if (this.store.tracking) this.#changes.added(cell);
  }

  /** Gives the current key a timer that it does not have. */
  #add(time: number): TimerCell {
    const { store } = this;
    const row = store.row < 0 ? store.addRow() : store.row;
    const { bucket } = store;
    const timers = bucket.records[row + this.offset] as Timers;
    const cell = new TimerCell(this, bucket, row, time + 0, this.#heap.nextSequence(), store.changed);
    bucket.records[row + this.offset] = timers === undefined ? cell : added(timers, cell);
    this.#heap.push(cell);
    this.live++;
    return cell;
  }

  #current(): Timers {
    return this.currentValue() as Timers;
  }

  /** Writes the timer if it is pending. */
  #secure(cell: TimerCell): void {
    const { store } = this;
    if (cell.mark >= store.floor || cell.mark < store.clean) return;
    const { out } = store;
    this.#begin(cell.bucket.group, cell.bucket.keyOf(cell.row), cell.time);
    out.value(emptyValue, undefined);
    cell.mark = store.floor | KEPT;
  }

  #writeTombstone(tomb: TimerTomb): void {
    const { out, floor } = this.store;
    this.#begin(tomb.group, tomb.key, tomb.time);
    out.tombstone();
    tomb.mark = floor;
  }

  #begin(group: number, key: Key, time: number): void {
    const { out, options } = this.store;
    out.begin(this.table, group);
    out.key(options.keys, key);
    out.mapKey(timerKey, time);
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

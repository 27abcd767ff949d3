/**
 * Timers of one name, told apart by their times; the heap that all names of one order share has them in the order they
 * fire.
 */
import { TidemarkError } from '../../base/errors.js';
import { BytesDamaged } from '../../codec/codec.js';
import type { Key } from '../../codec/key.js';
import type { Entry } from '../../format/entry.js';
import { emptyValue, timerKey } from '../../format/timer-key.js';
import type { TimerHandle } from '../backend.js';
import { shownKey } from '../refused.js';
import { decode, mapKeyOf, type Place } from './column.js';
import { SlotTomb } from './slot-cell.js';
import { Cells, SlotColumn } from './slot-column.js';
import type { Store } from './store.js';
import { TimerCell, type TimerHeap } from './timer-heap.js';

export class TimerColumn extends SlotColumn<TimerCell, SlotTomb> implements TimerHandle {
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
    if (this.find(time) !== undefined) return;
    const cell = this.#timer(time);
    this.insert(cell);
    if (this.store.tracking) this.changes.added(cell);
  }

  delete(time: number): void {
    const cell = this.find(time);
    if (cell !== undefined) this.remove(cell);
  }

  clear(): void {
    const timers = this.cells();
    if (timers instanceof Cells) for (const cell of [...timers.values()]) this.remove(cell);
    else if (timers !== undefined) this.remove(timers);
  }

  override remove(cell: TimerCell): void {
    super.remove(cell);
    this.#heap.bury();
  }

  restore(entry: Entry, kept: boolean, clean: boolean): void {
    const time = decode(timerKey, mapKeyOf(entry));
    if (entry.value.length > 0 || entry.stamp !== undefined) {
      throw new BytesDamaged('a timer with a value or a stamp', 0);
    }
    if (this.find(time) !== undefined) throw new BytesDamaged(`${this.what} is set twice`, 0);
    this.insertRestored(this.#timer(time), kept, clean);
  }

  protected writeSlot({ at }: TimerCell | SlotTomb): void {
    this.store.out.mapKey(timerKey, at);
  }

  protected writeValue(): void {
    this.store.out.value(emptyValue, undefined);
  }

  protected tombOf(cell: TimerCell, key: Key): SlotTomb {
    return new SlotTomb(cell.bucket.group, key, cell.at);
  }

  /** A timer of the current key, in the heap and not yet in its row. */
  #timer(time: number): TimerCell {
    const row = this.row();
    const { bucket, changed } = this.store;
    const cell = new TimerCell(this, bucket, row, time + 0, this.#heap.nextSequence(), changed);
    this.#heap.push(cell);
    return cell;
  }

  #refuse(time: unknown): never {
    const shown =
      typeof time === 'number' ? String(time) : time instanceof Date ? 'a Date' : `a ${typeof time}`;
    const key = this.store.key === undefined ? '(none)' : shownKey(this.store.key);
    const message = `${this.what} of key ${key}: expected a time in whole milliseconds since 1970, found ${shown}`;
    throw new TidemarkError('VALUE_REFUSED', message, {
      hint: 'set a timer to a time such as ctx.now() + 60_000, Date.parse(text) or date.getTime()',
    });
  }
}

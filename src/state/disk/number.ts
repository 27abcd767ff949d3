/** Numbers, one per key. */
import { BytesDamaged, ValueRefused } from '../../codec/codec.js';
import type { NumberHandle, StateTable } from '../backend.js';
import type { Place } from '../memory/column.js';
import { EntryColumn } from './column.js';
import { CELL_BYTES, type Cell } from './row.js';
import type { Rows } from './rows.js';
import { sizeOf } from './size.js';

const NUMBER_CELL_BYTES = CELL_BYTES + sizeOf(0);

export class NumberColumn extends EntryColumn implements NumberHandle {
  readonly initial: number;

  constructor(rows: Rows, place: Place, state: StateTable) {
    super(rows, place, state.codec);
    this.initial = typeof state.initial === 'number' ? state.initial : 0;
  }

  // A number cannot be changed from outside, so handing out a pending one is safe.
  get(): number {
    const { rows } = this;
    if (rows.base < 0) rows.load();
    const cell = rows.records[rows.base + this.slot] as Cell | undefined;
    return (cell?.value as number | undefined) ?? this.initial;
  }

  set(value: number): void {
    if (typeof value !== 'number') this.#refuse(value);
    const { rows } = this;
    if (rows.base >= 0) {
      const cell = rows.records[rows.base + this.slot] as Cell | undefined;
      // Dirty in this epoch already: nothing to write first, and nothing to note.
      if (cell !== undefined && cell.changed === this.changes.epoch && cell.value !== undefined) {
        cell.value = value;
        return;
      }
    }
    this.put(value, NUMBER_CELL_BYTES);
  }

  add(amount: number): void {
    this.set(this.get() + amount);
  }

  update(change: (value: number) => number): void {
    this.set(change(this.get()));
  }

  clear(): void {
    this.remove();
  }

  protected accept(value: unknown): number {
    if (typeof value !== 'number') throw new BytesDamaged(`${this.what} holds a ${typeof value}`, 0);
    return value;
  }

  #refuse(value: unknown): never {
    throw this.refused(new ValueRefused(`expected a number, found ${typeof value}`), this.rows.key);
  }
}

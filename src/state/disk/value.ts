/** Values of any type, one per key. */
import type { StateTable, ValueHandle } from '../backend.js';
import type { Place } from '../memory/column.js';
import { EntryColumn } from './column.js';
import { SET_UNDEFINED } from './row.js';
import type { Rows } from './rows.js';

export class ValueColumn extends EntryColumn implements ValueHandle {
  readonly initial: unknown;

  constructor(rows: Rows, place: Place, state: StateTable) {
    super(rows, place, state.codec, state.ttl);
    this.initial = state.initial;
  }

  get(): unknown {
    const cell = this.current();
    const value = cell?.value;
    if (cell === undefined || value === undefined) return this.initial;
    if (cell.life !== undefined) {
      if (!this.lives(cell)) return this.initial;
      this.refresh(cell);
    }
    if (typeof value !== 'object' || value === null) return value === SET_UNDEFINED ? undefined : value;
    // An object that is handed out may be changed by who gets it, allowed or not.
    this.changes.secure(cell);
    return value;
  }

  set(value: unknown): void {
    this.put(this.accept(value));
  }

  update(change: (value: unknown) => unknown): void {
    this.set(change(this.get()));
  }

  clear(): void {
    this.remove();
  }

  protected accept(value: unknown): unknown {
    return value === undefined ? SET_UNDEFINED : value;
  }

  protected override content(value: unknown): unknown {
    return value === SET_UNDEFINED ? undefined : value;
  }
}

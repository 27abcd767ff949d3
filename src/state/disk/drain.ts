/** Writes what a backend froze, a slice at a time: the rows' dirty cells, then the timers. */
import type { EntryWriter } from '../../format/entry.js';
import type { Drain } from '../backend.js';
import { Pace } from '../memory/pace.js';
import type { Changes } from './changes.js';

export class DiskDrain implements Drain {
  readonly #changes: Changes;
  readonly #sweep: Generator<void, void>;
  readonly #timers: Drain | undefined;
  #state: 'rows' | 'timers' | 'done' | 'aborted' = 'rows';

  /** `timers`: their drain, into the same writer. */
  constructor(changes: Changes, out: EntryWriter, rowsPerLook: number, timers: Drain | undefined) {
    this.#changes = changes;
    this.#timers = timers;
    changes.freeze(out);
    this.#sweep = changes.sweep(new Pace(out, rowsPerLook));
  }

  slice(deadline: () => boolean): boolean {
    try {
      if (this.#state === 'rows' && this.#sliceRows(deadline)) this.#state = 'timers';
      else if (this.#state === 'rows') return false;
      if (this.#state === 'timers' && (this.#timers?.slice(deadline) ?? true)) {
        this.#state = 'done';
        this.#changes.endDrain();
      }
      return this.#state === 'done';
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  abort(): void {
    if (this.#state === 'done' || this.#state === 'aborted') return;
    this.#state = 'aborted';
    this.#timers?.abort();
    this.#changes.endDrain();
    this.#changes.settle(false);
  }

  #sliceRows(deadline: () => boolean): boolean {
    do {
      if (this.#sweep.next().done === true) return true;
    } while (!deadline());
    return false;
  }
}

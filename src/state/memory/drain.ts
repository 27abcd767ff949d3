/** Writes what was frozen, a slice at a time: bucket by bucket, in each column by column, then what was detached. */
import type { EntryWriter } from '../../format/entry.js';
import type { Drain } from '../backend.js';
import { Pace } from './pace.js';
import type { Extent, Store } from './store.js';

export class MemoryDrain implements Drain {
  readonly #store: Store;
  readonly #sweep: Generator<void, void>;
  #state: 'draining' | 'done' | 'aborted' = 'draining';

  constructor(store: Store, out: EntryWriter, rowsPerLook: number) {
    this.#store = store;
    // Rows added from here on are not pending.
    this.#sweep = sweep(store, store.extents(), new Pace(out, rowsPerLook));
    store.beginDrain(out);
  }

  slice(deadline: () => boolean): boolean {
    if (this.#state !== 'draining') return this.#state === 'done';
    try {
      do {
        if (this.#sweep.next().done === true) {
          this.#end('done');
          return true;
        }
      } while (!deadline());
      return false;
    } catch (error) {
      this.#end('aborted');
      throw error;
    }
  }

  abort(): void {
    if (this.#state === 'draining') this.#end('aborted');
  }

  #end(state: 'done' | 'aborted'): void {
    this.#state = state;
    this.#store.endDrain();
    for (const column of this.#store.columns) column.dropDetached();
  }
}

function* sweep(store: Store, extents: readonly Extent[], pace: Pace): Generator<void, void> {
  for (const extent of extents) {
    for (const column of store.columns) yield* column.sweep(extent, pace);
  }
  for (const column of store.columns) yield* column.sweepDetached(pace);
}

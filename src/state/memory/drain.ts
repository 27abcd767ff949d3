/**
 * Writes what was frozen, a slice at a time. Everything: bucket by bucket, in each column by column, then what was
 * detached. Changes: bucket by bucket what changed in rows, then column by column the rest.
 */
import type { EntryWriter } from '../../format/entry.js';
import type { Drain } from '../backend.js';
import type { Bucket } from './bucket.js';
import type { Extent } from './column.js';
import { Pace } from './pace.js';
import type { Store } from './store.js';

export class MemoryDrain implements Drain {
  readonly #store: Store;
  readonly #sweep: Generator<void, void>;
  #state: 'draining' | 'done' | 'aborted' = 'draining';

  constructor(store: Store, out: EntryWriter, rowsPerLook: number) {
    this.#store = store;
    const pace = new Pace(out, rowsPerLook);
    const buckets = store.buckets();
    this.#sweep = store.tracking
      ? sweepChanges(store, buckets, pace)
      : sweepAll(store, extents(buckets), pace);
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
    this.#store.endDrain(state === 'done');
  }
}

/** Rows added after the freeze are not pending. */
function extents(buckets: readonly Bucket[]): readonly Extent[] {
  return buckets.map((bucket) => ({ bucket, limit: bucket.records.length }));
}

function* sweepAll(store: Store, extents: readonly Extent[], pace: Pace): Generator<void, void> {
  for (const extent of extents) {
    for (const column of store.columns) yield* column.sweep(extent, pace);
  }
  for (const column of store.columns) yield* column.sweepDetached(pace);
}

function* sweepChanges(store: Store, buckets: readonly Bucket[], pace: Pace): Generator<void, void> {
  for (const bucket of buckets) {
    const { stride, changes } = bucket;
    for (const index of changes.frozen) {
      const place = index % stride;
      store.columns[place - 1]?.sweepRow(bucket, index - place);
      if (pace.due()) yield;
    }
  }
  for (const column of store.columns) yield* column.sweepChanges(pace);
}

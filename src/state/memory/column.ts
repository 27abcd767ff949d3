/**
 * A column: what one declared state or timer name keeps, a value per row or none. The columns of states are at the
 * same time the handles that user code holds; `store` says which row they act on.
 */

import { BytesDamaged, type Codec } from '../../codec/codec.js';
import type { Key } from '../../codec/key.js';
import { ByteReader } from '../../codec/reader.js';
import type { Entry } from '../../format/entry.js';
import { refused } from '../refused.js';
import type { Bucket } from './bucket.js';
import type { Pace } from './pace.js';
import type { Extent, Store } from './store.js';

/** Where a column belongs. */
export interface Place {
  readonly table: number;
  /** Where its values are, counted from the start of a row. */
  readonly offset: number;
  /** For messages: `state "seen"`. */
  readonly what: string;
}

export abstract class Column {
  readonly store: Store;
  readonly table: number;
  readonly offset: number;
  readonly what: string;
  /** How many entries there are. */
  live = 0;

  constructor(store: Store, place: Place) {
    this.store = store;
    this.table = place.table;
    this.offset = place.offset;
    this.what = place.what;
  }

  /** Writes the pending entries of some rows, and yields now and then so that the drain may stop there. */
  abstract sweep(extent: Extent, pace: Pace): Generator<void, void>;

  /** Writes what is pending and no longer in any row. */
  *sweepDetached(_pace: Pace): Generator<void, void> {}

  /** Forgets what is no longer in any row, once the drain is over. */
  dropDetached(): void {}

  /** Puts one entry into the current key. */
  abstract restore(entry: Entry): void;

  /** The current key's value, or undefined where it has none. */
  protected currentValue(): unknown {
    const { store } = this;
    return store.row < 0 ? undefined : store.bucket.records[store.row + this.offset];
  }
}

/** A column with one entry per row: values, numbers and lists. */
export abstract class EntryColumn extends Column {
  readonly codec: Codec<unknown>;

  constructor(store: Store, place: Place, codec: Codec<unknown>) {
    super(store, place);
    this.codec = codec;
  }

  *sweep({ bucket, limit }: Extent, pace: Pace): Generator<void, void> {
    const { records, stride } = bucket;
    for (let row = 0; row < limit; row += stride) {
      if (records[row + this.offset] !== undefined) this.secure(bucket, row);
      if (pace.due()) yield;
    }
  }

  restore(entry: Entry): void {
    if (entry.mapKey !== undefined) throw new BytesDamaged('a map key where none belongs', 0);
    if (this.currentValue() !== undefined) throw new BytesDamaged(`${this.what} has this key twice`, 0);
    this.restoreValue(decode(this.codec, entry.value));
  }

  /** Puts what the codec read into the current key. */
  protected abstract restoreValue(value: unknown): void;

  /** What is written for a value of the records. */
  protected content(value: unknown): unknown {
    return value;
  }

  /** Stores the current key's value, after what must happen before it changes. */
  protected put(value: unknown): void {
    const { store } = this;
    const row = store.row < 0 ? store.addRow() : store.row;
    const { bucket } = store;
    const at = row + this.offset;
    if (bucket.records[at] === undefined) {
      this.live++;
      if (store.floor > 0) bucket.setMark(at, store.epoch);
    } else if (store.floor > 0) this.secure(bucket, row);
    bucket.records[at] = value;
  }

  /** Removes the current key's value, if it has one. */
  protected remove(): void {
    if (this.currentValue() === undefined) return;
    const { bucket, row, floor } = this.store;
    if (floor > 0) this.secure(bucket, row);
    bucket.records[row + this.offset] = undefined;
    this.live--;
    this.store.release(bucket, row);
  }

  /** While a drain runs: writes the row's value if it is pending. */
  protected secure(bucket: Bucket, row: number): void {
    const { store } = this;
    const at = row + this.offset;
    if (bucket.mark(at) >= store.floor) return;
    store.out.begin(this.table, bucket.group);
    const key = bucket.keyOf(row);
    try {
      store.out.key(store.options.keys, key);
      store.out.value(this.codec, this.content(bucket.records[at]));
    } catch (error) {
      throw this.refused(error, key);
    }
    bucket.setMark(at, store.epoch);
  }

  protected refused(error: unknown, key: Key | undefined): unknown {
    return refused(error, this.what, key);
  }
}

/** Reads all of `bytes` with a codec. */
export function decode<T>(codec: Pick<Codec<T>, 'read'>, bytes: Buffer): T {
  const from = new ByteReader(bytes);
  const value = codec.read(from);
  if (from.remaining > 0) throw new BytesDamaged(`${from.remaining} bytes too many`, from.position);
  return value;
}

export function mapKeyOf(entry: Entry): Buffer {
  if (entry.mapKey === undefined) throw new BytesDamaged('an entry without its map key', 0);
  return entry.mapKey;
}

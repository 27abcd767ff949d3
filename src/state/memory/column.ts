/**
 * A column: what one declared state or timer name keeps, a value per row or none. The columns of states are at the
 * same time the handles that user code holds; `store` says which row they act on.
 */
import { assert } from '../../base/assert.js';
import { BytesDamaged, type Codec } from '../../codec/codec.js';
import { ByteReader } from '../../codec/reader.js';
import type { Entry } from '../../format/entry.js';
import type { Bucket } from './bucket.js';
import type { Pace } from './pace.js';
import type { Store } from './store.js';

/** The rows of a bucket up to some time: those that begin below `limit`. */
export interface Extent {
  readonly bucket: Bucket;
  readonly limit: number;
}

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
  /** Whether its entries have the namespace of a window. */
  readonly windowed: boolean = false;
  /** Whether its entries have stamps. */
  readonly fading: boolean = false;

  constructor(store: Store, place: Place) {
    this.store = store;
    this.table = place.table;
    this.offset = place.offset;
    this.what = place.what;
  }

  /** Writes the pending entries of some rows, and yields now and then so that the drain may stop there. For `all`. */
  abstract sweep(extent: Extent, pace: Pace): Generator<void, void>;

  /** Writes what is pending and no longer in any row. */
  *sweepDetached(_pace: Pace): Generator<void, void> {}

  /** Forgets what is no longer in any row, once the drain is over. */
  dropDetached(): void {}

  /** Under `changes`: writes the entry of a row that is in its bucket's list of changes, if it is pending. */
  sweepRow(_bucket: Bucket, _row: number): void {
    assert(false, `${this.what} has no entry per row`);
  }

  /** Under `changes`: writes what else is pending: what is in lists of the column's own, and tombstones. */
  abstract sweepChanges(pace: Pace): Generator<void, void>;

  /** Hands what changed over to a drain. */
  abstract freezeChanges(): void;

  /** That drain is over: what it was handed is kept now, or has changed as before. */
  abstract settle(kept: boolean): void;

  /**
   * Puts one entry into the current key. `kept`: a kept drain holds one with its identity; `clean`: just this one, so that
   * it is no change.
   */
  abstract restore(entry: Entry, kept: boolean, clean: boolean): void;

  /** Lets go of at most so many entries that have expired, and gives how many it looked at. */
  expire(_most: number): number {
    return 0;
  }

  /** The current key's value, or undefined where it has none. */
  protected currentValue(): unknown {
    const { store } = this;
    return store.row < 0 ? undefined : store.bucket.records[store.row + this.offset];
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

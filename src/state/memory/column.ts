/**
 * A column: what one declared state or timer name keeps, a value per row or none. The columns of states are at the
 * same time the handles that user code holds; `store` says which row they act on.
 *
 * `values` has an array per bucket, filled with `undefined` where a row has nothing, so that arrays stay packed and
 * one read tells absent from present. `marks` has the epochs beside them, made and grown only while a drain runs.
 */
import { present } from '../../base/assert.js';
import { BytesDamaged, type Codec } from '../../codec/codec.js';
import type { Key } from '../../codec/key.js';
import { ByteReader } from '../../codec/reader.js';
import type { Entry } from '../../format/entry.js';
import { refused } from '../refused.js';
import type { Pace } from './pace.js';
import type { Store } from './store.js';

const LEAST_MARKS = 8;

export abstract class Column {
  readonly store: Store;
  readonly table: number;
  /** For messages: `state "seen"`. */
  readonly what: string;
  /** Live entries. */
  live = 0;
  readonly values: unknown[][];

  constructor(store: Store, table: number, what: string) {
    this.store = store;
    this.table = table;
    this.what = what;
    this.values = new Array(store.bucketCount).fill(undefined);
  }

  addBucket(bucket: number): void {
    this.values[bucket] = [];
  }

  extend(bucket: number, row: number): void {
    (this.values[bucket] as unknown[])[row] = undefined;
  }

  holds(bucket: number, row: number): boolean {
    return (this.values[bucket] as unknown[])[row] !== undefined;
  }

  /** Writes the bucket's pending entries, and yields now and then so that the drain may stop there. */
  abstract sweep(bucket: number, pace: Pace): Generator<void, void>;

  /** Writes what is pending and no longer in any row. */
  *sweepDetached(_pace: Pace): Generator<void, void> {}

  /** Forgets what is no longer in any row, once the drain is over. */
  dropDetached(): void {}

  /** Puts one entry into the current key. */
  abstract restore(entry: Entry): void;
}

/** A column with one entry per row: values, numbers and lists. */
export abstract class EntryColumn extends Column {
  readonly codec: Codec<unknown>;
  readonly #marks: Uint32Array[] = [];

  constructor(store: Store, table: number, what: string, codec: Codec<unknown>) {
    super(store, table, what);
    this.codec = codec;
  }

  /** What is written for a value of `values`. */
  protected abstract content(value: unknown): unknown;

  /** The row to write to and, with it, everything to be done before: to be followed by storing a value. */
  protected admit(): number {
    const { store } = this;
    let { row } = store;
    if (row < 0) row = store.addRow();
    const { bucket } = store;
    if (!this.holds(bucket, row)) {
      this.live++;
      if (store.floor > 0) this.#mark(bucket, row);
    } else if (store.floor > 0) this.secure(bucket, row);
    return row;
  }

  /** While a drain runs: writes a present entry if it is pending. */
  protected secure(bucket: number, row: number): void {
    if (this.#markOf(bucket, row) >= this.store.floor) return;
    const value = (this.values[bucket] as unknown[])[row];
    writeEntry(
      this,
      this.store.groupOf(bucket),
      this.store.keyOf(bucket, row),
      this.codec,
      this.content(value),
    );
    this.#mark(bucket, row);
  }

  /** Removes the current key's entry, if it has one. */
  protected remove(): void {
    const { store } = this;
    const { bucket, row } = store;
    if (row < 0 || !this.holds(bucket, row)) return;
    if (store.floor > 0) this.secure(bucket, row);
    (this.values[bucket] as unknown[])[row] = undefined;
    this.live--;
    store.release(bucket, row);
  }

  *sweep(bucket: number, pace: Pace): Generator<void, void> {
    const values = this.values[bucket];
    if (values === undefined) return;
    // Rows added from here on are not pending.
    const limit = values.length;
    for (let row = 0; row < limit; row++) {
      if (values[row] !== undefined) this.secure(bucket, row);
      if (pace.due()) yield;
    }
  }

  restore(entry: Entry): void {
    noMapKey(entry);
    const { bucket, row } = this.store;
    if (row >= 0 && this.holds(bucket, row)) throw new BytesDamaged(`${this.what} has this key twice`, 0);
    const value = decode(this.codec, entry.value);
    this.restoreValue(value);
  }

  /** Puts what the codec read into the current key. */
  protected abstract restoreValue(value: unknown): void;

  #markOf(bucket: number, row: number): number {
    return this.#marks[bucket]?.[row] ?? 0;
  }

  #mark(bucket: number, row: number): void {
    let marks = this.#marks[bucket];
    if (marks === undefined || row >= marks.length) {
      const grown = new Uint32Array(
        Math.max(LEAST_MARKS, row + 1, this.store.rowCount(bucket), (marks?.length ?? 0) * 2),
      );
      if (marks !== undefined) grown.set(marks);
      this.#marks[bucket] = grown;
      marks = grown;
    }
    marks[row] = this.store.epoch;
  }
}

/** Writes one entry without a map key. When it throws, nothing was written. */
export function writeEntry<T>(
  column: Column,
  group: number,
  key: Key,
  codec: Pick<Codec<T>, 'write'>,
  value: T,
): void {
  const { out, options } = column.store;
  out.begin(column.table, group);
  try {
    out.key(options.keys, key);
    out.value(codec, value);
  } catch (error) {
    throw refused(error, column.what, key);
  }
}

/** Reads all of `bytes` with a codec. */
export function decode<T>(codec: Pick<Codec<T>, 'read'>, bytes: Buffer): T {
  const from = new ByteReader(bytes);
  const value = codec.read(from);
  if (from.remaining > 0) throw new BytesDamaged(`${from.remaining} bytes too many`, from.position);
  return value;
}

export function noMapKey(entry: Entry): void {
  if (entry.mapKey !== undefined) throw new BytesDamaged('a map key where none belongs', 0);
}

export function mapKeyOf(entry: Entry): Buffer {
  if (entry.mapKey === undefined) throw new BytesDamaged('an entry without its map key', 0);
  return entry.mapKey;
}

/** The key of a table's message. */
export function described(kind: 'state' | 'timer', name: string): string {
  return `${kind} ${JSON.stringify(present(name, 'a name'))}`;
}

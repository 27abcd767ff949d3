/**
 * The rows of the memory backend, and which one is current.
 *
 *     key group ──▶ rows: Map<identity, row> ─┐       made when its first key comes
 *                   keys[row], free rows      │
 *     column 0      values[row], marks[row] ◀─┤       one column per state and timer name
 *     column 1      values[row], marks[row] ◀─┘
 *
 * Rows lie in buckets, one per key group, so that no Map grows large (a rehash stops the thread) and a drain goes by
 * key group. A bucket's number is its key group less the first of the range.
 *
 * Copy on write goes by epochs. A freeze begins a new epoch. A mark is the epoch in which an entry was made or last
 * written to a drain, so an entry is *pending* while a drain runs and its mark is of an older epoch. Freezing,
 * finishing and giving up a drain touch no entry: they set `floor`, the least epoch that is not pending, which is 0
 * while no drain runs. Marks are looked at only while one does.
 *
 * Invariants
 * - A row is in its bucket's Map exactly while some column has a value in it; `addRow` is followed by one.
 * - Outside a drain every entry counts as written; a pending entry is written before it changes or is handed out.
 * - The hot path (select, get, set) makes no object and calls no closure. Its fields are plain for speed.
 */
import { assert, present } from '../../base/assert.js';
import type { Key, KeyIdentity } from '../../codec/key.js';
import type { EntryWriter } from '../../format/entry.js';
import type { BackendOptions } from '../backend.js';
import type { Column } from './column.js';

export const NO_ROW = -1;
const NO_DRAIN = 0;

export class Store {
  readonly options: BackendOptions;
  readonly columns: Column[] = [];
  readonly bucketCount: number;

  /** The current key, its bucket and its row; `row` is NO_ROW while nothing is kept for it. */
  key: Key | undefined = undefined;
  identity: KeyIdentity = '';
  bucket = NO_ROW;
  row = NO_ROW;

  /** Counts freezes. */
  epoch = 1;
  /** Entries with a mark below this are pending. NO_DRAIN while no drain runs. */
  floor = NO_DRAIN;
  #out: EntryWriter | undefined = undefined;

  readonly #first: number;
  readonly rows: (Map<KeyIdentity, number> | undefined)[];
  readonly #keys: Key[][] = [];
  readonly #free: number[][] = [];

  constructor(options: BackendOptions) {
    this.options = options;
    this.#first = options.range.start;
    this.bucketCount = Math.max(0, options.range.end - options.range.start + 1);
    this.rows = new Array(this.bucketCount).fill(undefined);
  }

  select(key: Key, identity: KeyIdentity, group: number): void {
    const bucket = group - this.#first;
    this.key = key;
    this.identity = identity;
    this.bucket = bucket;
    const rows = this.rows[bucket];
    const row = rows === undefined ? undefined : rows.get(identity);
    this.row = row === undefined ? NO_ROW : row;
  }

  /** Makes the key of a row current. */
  selectRow(bucket: number, row: number): void {
    const key = this.keyOf(bucket, row);
    this.key = key;
    this.identity = this.options.keys.identity(key);
    this.bucket = bucket;
    this.row = row;
  }

  /** Gives the current key a row. The caller puts a value into it at once. */
  addRow(): number {
    const { bucket, identity } = this;
    const key = present(this.key, 'a current key');
    assert(
      bucket >= 0 && bucket < this.bucketCount,
      `key group ${this.groupOf(bucket)} is not of this subtask`,
    );
    const rows = this.rows[bucket] ?? this.#addBucket(bucket);
    const keys = present(this.#keys[bucket], 'the keys of a bucket');
    const row = this.#free[bucket]?.pop() ?? keys.length;
    keys[row] = key;
    if (row === keys.length - 1) for (const column of this.columns) column.extend(bucket, row);
    rows.set(identity, row);
    this.row = row;
    return row;
  }

  /** To be called when a column's value in this row went away: frees the row when it was the last. */
  release(bucket: number, row: number): void {
    for (const column of this.columns) if (column.holds(bucket, row)) return;
    const keys = present(this.#keys[bucket], 'the keys of a bucket');
    const key = present(keys[row], 'the key of a row');
    this.rows[bucket]?.delete(this.options.keys.identity(key));
    this.#free[bucket]?.push(row);
    // Whatever it is overwritten with, the key itself must not be kept alive.
    keys[row] = false;
    if (row === this.row && bucket === this.bucket) this.row = NO_ROW;
  }

  keyOf(bucket: number, row: number): Key {
    return present(this.#keys[bucket]?.[row], 'the key of a row');
  }

  groupOf(bucket: number): number {
    return this.#first + bucket;
  }

  /** How many rows a bucket has, free ones included. */
  rowCount(bucket: number): number {
    return this.#keys[bucket]?.length ?? 0;
  }

  /** Makes all there is pending. */
  beginDrain(out: EntryWriter): void {
    assert(this.floor === NO_DRAIN, 'frozen while a drain runs');
    this.epoch++;
    this.floor = this.epoch;
    this.#out = out;
  }

  /** Makes nothing pending. */
  endDrain(): void {
    this.floor = NO_DRAIN;
    this.#out = undefined;
  }

  get out(): EntryWriter {
    return present(this.#out, 'the writer of a drain');
  }

  #addBucket(bucket: number): Map<KeyIdentity, number> {
    const rows = new Map<KeyIdentity, number>();
    this.rows[bucket] = rows;
    this.#keys[bucket] = [];
    this.#free[bucket] = [];
    for (const column of this.columns) column.addBucket(bucket);
    return rows;
  }
}

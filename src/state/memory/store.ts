/**
 * All rows of the memory backend, and which one is current. A bucket (bucket.ts) per key group of the range, made
 * when its first key comes; a column (column.ts) per state and timer name says what is in the rows.
 *
 * Copy on write goes by epochs. A freeze begins a new epoch. A mark (marks.ts) says in which epoch an entry was made
 * or last written to a drain, so an entry is *pending* while a drain runs and its mark is of an older epoch. Freezing,
 * finishing and giving up a drain touch no entry: they set `floor`, the least mark that is not pending, which is 0
 * while no drain runs.
 *
 * Under `all`, marks are made and looked at only while a drain runs. Under `changes` they always are: an entry is
 * *dirty* when its mark is not below `clean`, and pending only then; a kept drain moves `clean` up to the present. The
 * first change of an entry in an epoch puts it on a list (change-list.ts), and taking out what a kept drain may hold
 * leaves a tomb (graves.ts); a freeze takes both over, and no drain looks at anything else.
 *
 * Invariants
 * - A row is in use exactly while some column has a value in it; `addRow` is followed by one.
 * - A pending entry is written before it changes or is handed out as an object; outside a drain none is pending.
 * - Every dirty entry is on a list or has a tomb.
 * - The hot path (select, get, set) makes no object and calls no closure. Its fields are plain for speed.
 */
import { assert, present } from '../../base/assert.js';
import type { Key, KeyIdentity } from '../../codec/key.js';
import type { EntryWriter } from '../../format/entry.js';
import type { BackendOptions } from '../backend.js';
import { Bucket, NO_ROW } from './bucket.js';
import type { Column } from './column.js';
import { changedAt, FIRST_EPOCH, LAST_EPOCH, writtenAt } from './marks.js';

const NO_DRAIN = 0;
const NO_GROUP = -1;

export class Store {
  readonly options: BackendOptions;
  readonly columns: Column[] = [];

  /** The current key, its group, hash, bucket and row; `row` is NO_ROW while nothing is kept for it. */
  key: Key | undefined = undefined;
  group = NO_GROUP;
  hash = 0;
  bucket: Bucket;
  row = NO_ROW;

  /** Whether freezes hold what changed. */
  readonly tracking: boolean;
  /** Whether marks are made and looked at: always under `changes`, else while a drain runs. */
  marking: boolean;
  /** Entries with a mark below this are pending, if they are dirty. NO_DRAIN while no drain runs. */
  floor = NO_DRAIN;
  /** Entries with a mark below this are clean. Under `all` none is. */
  clean: number;
  /** The mark of an entry that changes now. */
  changed = changedAt(FIRST_EPOCH);
  /** Counts freezes. */
  #epoch = FIRST_EPOCH;
  /** Whether a drain is done that must be settled before the next freeze. */
  #unsettled = false;
  #out: EntryWriter | undefined = undefined;

  readonly #first: number;
  /** Stands where a key group has no key. */
  readonly #none = new Bucket(NO_GROUP, 0);
  readonly #buckets: Bucket[];

  constructor(options: BackendOptions) {
    const { start, end } = options.range;
    this.options = options;
    this.tracking = options.snapshots === 'changes';
    this.marking = this.tracking;
    this.clean = this.tracking ? this.changed : 0;
    this.#first = start;
    this.#buckets = Array.from({ length: Math.max(0, end - start + 1) }, () => this.#none);
    this.bucket = this.#none;
  }

  select(key: Key, identity: KeyIdentity, group: number, hash: number): void {
    const bucket = this.#buckets[group - this.#first] ?? this.#none;
    this.key = key;
    this.group = group;
    this.hash = hash;
    this.bucket = bucket;
    this.row = bucket.find(identity, hash);
  }

  /** Makes the key of a row current. */
  selectRow(bucket: Bucket, row: number): void {
    this.key = bucket.keyOf(row);
    this.group = bucket.group;
    this.hash = bucket.hashOf(row);
    this.bucket = bucket;
    this.row = row;
  }

  /** The current key, where there must be one. */
  current(): Key {
    return present(this.key, 'a current key');
  }

  identity(): KeyIdentity {
    return this.options.keys.identity(this.key);
  }

  /** Gives the current key a row. The caller puts a value into it at once. */
  addRow(): number {
    if (this.bucket === this.#none) this.bucket = this.#addBucket();
    this.row = this.bucket.add(this.current(), this.identity(), this.hash);
    return this.row;
  }

  /** To be called when a column's value in this row went away: frees the row when it was the last. */
  release(bucket: Bucket, row: number): void {
    const { records, stride } = bucket;
    for (let at = row + 1; at < row + stride; at++) if (records[at] !== undefined) return;
    bucket.remove(row);
    if (row === this.row && bucket === this.bucket) this.row = NO_ROW;
  }

  /** The buckets that were made, by key group. */
  buckets(): readonly Bucket[] {
    return this.#buckets.filter((bucket) => bucket !== this.#none);
  }

  /** Makes pending all there is, or what changed. */
  beginDrain(out: EntryWriter): void {
    assert(this.floor === NO_DRAIN && !this.#unsettled, 'frozen while a drain runs or is not settled');
    assert(this.#epoch < LAST_EPOCH, 'no freeze is left');
    this.#epoch++;
    this.floor = writtenAt(this.#epoch);
    this.changed = changedAt(this.#epoch);
    this.marking = true;
    this.#out = out;
    if (!this.tracking) return;
    for (const bucket of this.buckets()) bucket.changes.freeze();
    for (const column of this.columns) column.freezeChanges();
  }

  /** Makes nothing pending. */
  endDrain(done: boolean): void {
    this.floor = NO_DRAIN;
    this.marking = this.tracking;
    this.#out = undefined;
    for (const column of this.columns) column.dropDetached();
    this.#unsettled = this.tracking;
    if (this.tracking && !done) this.settle(false);
  }

  settle(kept: boolean): void {
    assert(this.#unsettled, 'settled without a drain that is done');
    this.#unsettled = false;
    // What the drain wrote is below this, what changed since the freeze is not.
    if (kept) this.clean = this.changed;
    for (const bucket of this.buckets()) bucket.settle(kept, this.changed);
    for (const column of this.columns) column.settle(kept);
  }

  get out(): EntryWriter {
    return present(this.#out, 'the writer of a drain');
  }

  #addBucket(): Bucket {
    const index = this.group - this.#first;
    assert(index >= 0 && index < this.#buckets.length, `key group ${this.group} is not of this subtask`);
    const bucket = new Bucket(this.group, this.columns.length);
    this.#buckets[index] = bucket;
    return bucket;
  }
}

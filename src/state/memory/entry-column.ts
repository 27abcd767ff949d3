/**
 * A column with one entry per row: values, numbers and lists. Its marks and its changes are in the buckets.
 */
import { BytesDamaged, type Codec } from '../../codec/codec.js';
import type { Key, KeyIdentity } from '../../codec/key.js';
import type { Entry, EntryWriter } from '../../format/entry.js';
import { refused } from '../refused.js';
import type { Bucket } from './bucket.js';
import { Column, decode, type Extent, type Place } from './column.js';
import { Graves, Tomb } from './graves.js';
import { KEPT } from './marks.js';
import type { Pace } from './pace.js';
import type { Store } from './store.js';

export abstract class EntryColumn extends Column {
  readonly codec: Codec<unknown>;
  readonly #graves = new Graves<Tomb>((tomb) => tomb);

  constructor(store: Store, place: Place, codec: Codec<unknown>) {
    super(store, place);
    this.codec = codec;
  }

  *sweep({ bucket, limit }: Extent, pace: Pace): Generator<void, void> {
    const { stride } = bucket;
    for (let row = 0; row < limit; row += stride) {
      this.sweepRow(bucket, row);
      if (pace.due()) yield;
    }
  }

  override sweepRow(bucket: Bucket, row: number): void {
    if (bucket.records[row + this.offset] !== undefined) this.secure(bucket, row);
  }

  *sweepChanges(pace: Pace): Generator<void, void> {
    for (const tomb of this.#graves.frozen.values()) {
      this.#secureTomb(tomb);
      if (pace.due()) yield;
    }
  }

  freezeChanges(): void {
    this.#graves.freeze();
  }

  settle(kept: boolean): void {
    this.#graves.settle(kept);
  }

  restore(entry: Entry, kept: boolean, clean: boolean): void {
    if (entry.mapKey !== undefined) throw new BytesDamaged('a map key where none belongs', 0);
    if (this.currentValue() !== undefined) throw new BytesDamaged(`${this.what} has this key twice`, 0);
    const value = this.restored(decode(this.codec, entry.value), entry, kept);
    const { store } = this;
    if (!clean || !store.tracking) {
      this.put(value);
      if (kept && store.tracking) this.setMark(KEPT, 0);
      return;
    }
    const row = store.row < 0 ? store.addRow() : store.row;
    store.bucket.records[row + this.offset] = value;
    store.bucket.setMark(row + this.offset, KEPT);
    this.live++;
  }

  /** What the records hold for what the codec read. Checks it. */
  protected abstract restored(value: unknown, entry: Entry, kept: boolean): unknown;

  /** Writes a value of the records, which is in this row. */
  protected write(out: EntryWriter, value: unknown, _bucket: Bucket, _row: number): void {
    out.value(this.codec, value);
  }

  /** Until when the entry of a kept drain may be seen, if the value of a row is taken out: for its tomb. */
  protected seenUntil(_bucket: Bucket, _row: number): number {
    return Number.POSITIVE_INFINITY;
  }

  /** A value is about to be put into the current row, where one was taken out that may be seen in a kept drain. */
  protected exhumed(_tomb: Tomb): void {}

  /** Stores the current key's value, after what must happen before it changes. */
  protected put(value: unknown): void {
    const { store } = this;
    const row = store.row < 0 ? store.addRow() : store.row;
    const { records } = store.bucket;
    const at = row + this.offset;
    if (records[at] === undefined) {
      this.live++;
      if (store.marking) this.#begin(at);
    } else if (store.marking) this.touch();
    records[at] = value;
  }

  /** Removes the current key's value, if it has one. */
  protected remove(): void {
    if (this.currentValue() === undefined) return;
    const { bucket, row, marking } = this.store;
    if (marking) this.#bury();
    bucket.records[row + this.offset] = undefined;
    this.live--;
    this.store.release(bucket, row);
  }

  /** Where marks are made: to be called before the current key's value changes. */
  protected touch(): void {
    const { store } = this;
    const { bucket, row, changed } = store;
    const at = row + this.offset;
    if (bucket.mark(at) >= changed) return;
    this.secure(bucket, row);
    if (!store.tracking) return;
    bucket.setMark(at, changed | (bucket.mark(at) & KEPT));
    bucket.list(at, changed);
  }

  /** While a drain runs: writes the row's value if it is pending. */
  protected secure(bucket: Bucket, row: number): void {
    const { store } = this;
    const at = row + this.offset;
    const mark = bucket.mark(at);
    if (mark >= store.floor || mark < store.clean) return;
    store.out.begin(this.table, bucket.group);
    const key = bucket.keyOf(row);
    try {
      store.out.key(store.options.keys, key);
      this.write(store.out, bucket.records[at], bucket, row);
    } catch (error) {
      throw this.refused(error, key);
    }
    bucket.setMark(at, store.floor | KEPT);
  }

  /** Sets and clears bits of the mark of the current key's value. */
  protected setMark(set: number, clear: number): void {
    const { bucket, row } = this.store;
    const at = row + this.offset;
    bucket.setMark(at, (bucket.mark(at) | set) & ~clear);
  }

  protected refused(error: unknown, key: Key | undefined): unknown {
    return refused(error, this.what, key);
  }

  /** The current key, which had none, gets a value at an index of the records. */
  #begin(at: number): void {
    const { store } = this;
    const { bucket, changed } = store;
    if (!store.tracking) return bucket.setMark(at, changed);
    const kept = this.#graves.empty ? 0 : this.#exhume(store.identity());
    // The mark is of what was in this row before: it may be listed already.
    if (bucket.mark(at) < changed) bucket.list(at, changed);
    bucket.setMark(at, changed | kept);
  }

  /** The current key is about to lose its value. */
  #bury(): void {
    const { store } = this;
    const { bucket, row } = store;
    const at = row + this.offset;
    this.secure(bucket, row);
    if (!store.tracking || (bucket.mark(at) & KEPT) === 0) return;
    const tomb = new Tomb(store.group, store.current(), this.seenUntil(bucket, row));
    this.#graves.now.set(store.identity(), tomb);
  }

  /** Takes the tomb of a key away, and says whether there was one: KEPT or 0. */
  #exhume(identity: KeyIdentity): number {
    const { now, frozen } = this.#graves;
    const recent = now.get(identity);
    const tomb = recent ?? frozen.get(identity);
    if (tomb === undefined) return 0;
    if (recent !== undefined) now.delete(identity);
    else {
      this.#secureTomb(tomb);
      frozen.delete(identity);
    }
    this.exhumed(tomb);
    return KEPT;
  }

  /** Writes the tombstone if it is pending. */
  #secureTomb(tomb: Tomb): void {
    const { store } = this;
    if (tomb.mark >= store.floor) return;
    store.out.begin(this.table, tomb.group);
    store.out.key(store.options.keys, tomb.key);
    store.out.tombstone();
    tomb.mark = store.floor;
  }
}

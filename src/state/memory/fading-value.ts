/**
 * Values that expire, one per key: a record holds the value with its lease. What has expired is let go of by `expire`, or
 * when the key is used; no handle shows it.
 */
import type { Entry, EntryWriter } from '../../format/entry.js';
import type { StateTable, ValueHandle } from '../backend.js';
import type { Bucket } from './bucket.js';
import type { Place } from './column.js';
import { EntryColumn } from './entry-column.js';
import { ExpiryHeap, type Lease, OUTSIDE } from './expiry.js';
import type { Tomb } from './graves.js';
import { KEPT } from './marks.js';
import type { Store } from './store.js';
import { type Ttl, ttlOf } from './ttl.js';

class FadingValue implements Lease {
  value: unknown;
  stamp: number;
  due: number;
  place = OUTSIDE;
  written: number;
  readonly bucket: Bucket;
  /** Stays the key's row as long as the value is in it. */
  readonly row: number;

  constructor(value: unknown, stamp: number, written: number, bucket: Bucket, row: number) {
    this.value = value;
    this.stamp = stamp;
    this.due = stamp;
    this.written = written;
    this.bucket = bucket;
    this.row = row;
  }
}

export class FadingValueColumn extends EntryColumn implements ValueHandle {
  override readonly fading = true;
  readonly #initial: unknown;
  readonly #ttl: Ttl;
  readonly #heap = new ExpiryHeap<FadingValue>();
  readonly #forgetAny = (fading: FadingValue) => {
    this.store.selectRow(fading.bucket, fading.row);
    this.#forget(fading);
  };
  /** What was made last: it is put into its record at once. */
  #made: FadingValue | undefined = undefined;

  constructor(store: Store, place: Place, state: StateTable) {
    super(store, place, state.codec);
    this.#initial = state.initial;
    this.#ttl = ttlOf(store, state);
  }

  get(): unknown {
    const fading = this.#current();
    if (fading === undefined) return this.#initial;
    if (this.#ttl.onRead) this.#renew(fading);
    const { value } = fading;
    const { store } = this;
    if (store.floor > 0 && typeof value === 'object' && value !== null) this.secure(store.bucket, store.row);
    return value;
  }

  set(value: unknown): void {
    const fading = this.#current();
    if (fading === undefined) return this.put(this.#make(value, this.#ttl.stamp(), 0));
    if (this.store.marking) this.touch();
    fading.value = value;
    this.#heap.renew(fading, this.#ttl.stamp());
  }

  update(change: (value: unknown) => unknown): void {
    this.set(change(this.get()));
  }

  clear(): void {
    const fading = this.#current();
    if (fading === undefined) return;
    this.#heap.remove(fading);
    this.remove();
  }

  override expire(most: number): number {
    return this.#heap.expire(this.#ttl.now(), most, this.#forgetAny);
  }

  protected restored(value: unknown, entry: Entry, kept: boolean): unknown {
    return this.#make(value, this.#ttl.stampOf(entry), this.#ttl.writtenBy(entry, kept));
  }

  protected override write(out: EntryWriter, record: unknown): void {
    const fading = record as FadingValue;
    out.stamp(BigInt(fading.stamp));
    out.value(this.codec, fading.value);
    fading.written = Math.max(fading.written, fading.stamp);
  }

  protected override seenUntil(record: unknown): number {
    return (record as FadingValue).written;
  }

  protected override exhumed({ until }: Tomb): void {
    const made = this.#made;
    if (made !== undefined) made.written = Math.max(made.written, until);
  }

  /** What the current key has, if it has not expired. */
  #current(): FadingValue | undefined {
    const fading = this.currentValue() as FadingValue | undefined;
    if (fading === undefined || fading.stamp > this.#ttl.now()) return fading;
    this.#forget(fading);
    return undefined;
  }

  #make(value: unknown, stamp: number, written: number): FadingValue {
    const { store } = this;
    const row = store.row < 0 ? store.addRow() : store.row;
    const fading = new FadingValue(value, stamp, written, store.bucket, row);
    this.#heap.push(fading);
    this.#made = fading;
    return fading;
  }

  #renew(fading: FadingValue): void {
    const stamp = this.#ttl.stamp();
    if (stamp === fading.stamp) return;
    if (this.store.marking) this.touch();
    this.#heap.renew(fading, stamp);
  }

  /** The current key's value has expired. It needs no tombstone where all that was written has, too. */
  #forget(fading: FadingValue): void {
    const { store } = this;
    if (store.marking) this.secure(store.bucket, store.row);
    if (store.tracking && fading.written <= this.#ttl.now()) this.setMark(0, KEPT);
    this.#heap.remove(fading);
    this.remove();
  }
}

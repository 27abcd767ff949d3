/**
 * Values that expire, one per key: in the records as those that do not, and with a stamp by their row (row-leases.ts). What
 * has expired is let go of by `expire`, or when the key is used; no handle shows it.
 *
 * Invariant: a row without a value has neither a stamp nor `written`.
 */
import type { Entry, EntryWriter } from '../../format/entry.js';
import type { StateTable, ValueHandle } from '../backend.js';
import type { Bucket } from './bucket.js';
import type { Place } from './column.js';
import { EntryColumn } from './entry-column.js';
import type { Tomb } from './graves.js';
import { KEPT } from './marks.js';
import { RowHeap, RowLeases } from './row-leases.js';
import type { Store } from './store.js';
import { type Ttl, ttlOf } from './ttl.js';
import { SET_UNDEFINED } from './value.js';

const NONE = new Float64Array(0);

export class FadingValueColumn extends EntryColumn implements ValueHandle {
  override readonly fading = true;
  readonly #initial: unknown;
  readonly #ttl: Ttl;
  readonly #heap = new RowHeap();
  /** Rows begin a stride apart: shifted right by this, at least half of the places they may have are taken. */
  #shift = 0;
  /** By key group, from the first of the subtask. */
  readonly #first: number;
  readonly #byGroup: (RowLeases | undefined)[];
  /** The stamps of each, once more: for the hot path every object on the way to them is one too many. */
  readonly #stamps: Float64Array[];
  /** A row whose value was seen not to have expired, and when. Stamps only grow while that time stands still. */
  #aliveRow = -1;
  #aliveBucket: Bucket | undefined = undefined;
  #aliveAt = Number.NaN;

  constructor(store: Store, place: Place, state: StateTable) {
    super(store, place, state.codec);
    this.#initial = state.initial;
    this.#ttl = ttlOf(store, state);
    const { start, end } = store.options.range;
    this.#first = start;
    this.#byGroup = Array.from({ length: Math.max(0, end - start + 1) }, () => undefined);
    this.#stamps = this.#byGroup.map(() => NONE);
  }

  get(): unknown {
    const value = this.#current();
    if (value === undefined) return this.#initial;
    if (this.#ttl.onRead) this.#renew();
    const { store } = this;
    if (store.floor > 0 && typeof value === 'object' && value !== null) this.secure(store.bucket, store.row);
    return value === SET_UNDEFINED ? undefined : value;
  }

  set(value: unknown): void {
    const stamp = this.#ttl.stamp();
    const fresh = this.#current() === undefined;
    // One that is there is often changed: it is listed once, and its mark need not be looked at again.
    const { store, offset } = this;
    const kept = value === undefined ? SET_UNDEFINED : value;
    if (fresh) {
      this.put(kept);
      this.#stamp(stamp);
    } else {
      const at = store.row + offset;
      if (store.marking && !store.bucket.isListed(at, store.changed)) this.touch();
      store.bucket.records[at] = kept;
      // It has a place for its stamp, and is in the heap.
      const stamps = this.#stamps[store.bucket.group - this.#first] as Float64Array;
      stamps[store.row >> this.#shift] = stamp;
    }
  }

  update(change: (value: unknown) => unknown): void {
    this.set(change(this.get()));
  }

  clear(): void {
    if (this.#current() !== undefined) this.remove();
  }

  override expire(most: number): number {
    const now = this.#ttl.now();
    let looked = 0;
    for (; looked < most && this.#heap.due <= now; looked++) this.#look(now);
    return looked;
  }

  override restore(entry: Entry, kept: boolean, clean: boolean): void {
    super.restore(entry, kept, clean);
    this.#stamp(this.#ttl.stampOf(entry));
    const { bucket, row } = this.store;
    this.#leases(bucket).written[row >> this.#shift] = this.#ttl.writtenBy(entry, kept);
  }

  protected restored(value: unknown): unknown {
    return value === undefined ? SET_UNDEFINED : value;
  }

  protected override remove(): void {
    const { bucket, row } = this.store;
    super.remove();
    const { stamps, written } = this.#leases(bucket);
    stamps[row >> this.#shift] = 0;
    written[row >> this.#shift] = 0;
  }

  protected override write(out: EntryWriter, value: unknown, bucket: Bucket, row: number): void {
    const { stamps, written } = this.#leases(bucket);
    const stamp = stamps[row >> this.#shift] as number;
    out.stamp(BigInt(stamp));
    out.value(this.codec, value === SET_UNDEFINED ? undefined : value);
    if ((written[row >> this.#shift] as number) < stamp) written[row >> this.#shift] = stamp;
  }

  protected override seenUntil(bucket: Bucket, row: number): number {
    return this.#leases(bucket).written[row >> this.#shift] as number;
  }

  protected override exhumed({ until }: Tomb): void {
    const { bucket, row } = this.store;
    const leases = this.#leases(bucket);
    this.#reach(leases, row, bucket);
    leases.written[row >> this.#shift] = until;
  }

  /** What the records have for the current key, if it has not expired. */
  #current(): unknown {
    const { store } = this;
    if (store.row < 0) return undefined;
    const { bucket, row } = store;
    const value = bucket.records[row + this.offset];
    if (value === undefined) return undefined;
    const now = this.#ttl.now();
    // What was there a moment ago is: mostly it is got and set for the same element.
    if (row === this.#aliveRow && bucket === this.#aliveBucket && now === this.#aliveAt) return value;
    const stamps = this.#stamps[bucket.group - this.#first] as Float64Array;
    if ((stamps[row >> this.#shift] as number) > now) {
      this.#aliveRow = row;
      this.#aliveBucket = bucket;
      this.#aliveAt = now;
      return value;
    }
    this.#forget();
    return undefined;
  }

  #leases({ group, stride }: Bucket): RowLeases {
    const index = group - this.#first;
    const found = this.#byGroup[index];
    if (found !== undefined) return found;
    const made = new RowLeases();
    this.#shift = 31 - Math.clz32(stride);
    this.#byGroup[index] = made;
    return made;
  }

  #reach(leases: RowLeases, row: number, bucket: Bucket): void {
    leases.reach(row >> this.#shift, (bucket.records.length >> this.#shift) + 1);
    this.#stamps[bucket.group - this.#first] = leases.stamps;
  }

  /** The current key's value, which it has, expires then. */
  #stamp(stamp: number): void {
    const { bucket, row } = this.store;
    const leases = this.#leases(bucket);
    if (row >> this.#shift >= leases.stamps.length) this.#reach(leases, row, bucket);
    leases.stamps[row >> this.#shift] = stamp;
    if (leases.queued[row >> this.#shift] === 0) this.#queue(bucket, row, stamp);
  }

  /** What was restored may be renewed for a shorter time than it has: it is looked at before. */
  #queue(bucket: Bucket, row: number, stamp: number): void {
    this.#leases(bucket).queued[row >> this.#shift] = 1;
    this.#heap.push(Math.min(stamp, this.#ttl.stamp()), bucket, row);
  }

  #renew(): void {
    const { store } = this;
    const { bucket, row } = store;
    const stamp = this.#ttl.stamp();
    const { stamps } = this.#leases(bucket);
    if (stamps[row >> this.#shift] === stamp) return;
    if (store.marking) this.touch();
    stamps[row >> this.#shift] = stamp;
  }

  /** Looks at the first that is due. */
  #look(now: number): void {
    const { bucket, row } = this.#heap.pop();
    const leases = this.#leases(bucket);
    leases.queued[row >> this.#shift] = 0;
    if (bucket.records[row + this.offset] === undefined) return;
    const stamp = leases.stamps[row >> this.#shift] as number;
    if (stamp > now) return this.#queue(bucket, row, stamp);
    this.store.selectRow(bucket, row);
    this.#forget();
  }

  /** The current key's value has expired. It needs no tombstone where all that was written has, too. */
  #forget(): void {
    const { store } = this;
    const { bucket, row } = store;
    if (store.marking) this.secure(bucket, row);
    if (store.tracking && this.seenUntil(bucket, row) <= this.#ttl.now()) this.setMark(0, KEPT);
    this.remove();
  }
}

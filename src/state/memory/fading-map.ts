/**
 * Maps whose entries expire one by one. What has expired is let go of by `expire`, or when its key is used; no handle
 * shows it. Reading is `get`, and to go past an entry in `entries`.
 */
import type { KeyIdentity } from '../../codec/key.js';
import type { Entry } from '../../format/entry.js';
import type { StateTable } from '../backend.js';
import { Cell, type Cells } from './cells.js';
import type { Place } from './column.js';
import { ExpiryHeap, type Lease, OUTSIDE } from './expiry.js';
import { MapColumn } from './map.js';
import { KEPT } from './marks.js';
import type { Store } from './store.js';
import { type Ttl, ttlOf } from './ttl.js';

class FadingCell extends Cell implements Lease {
  stamp = 0;
  due = 0;
  place = OUTSIDE;
  written = 0;

  override follows(before: Cell): void {
    const { written, stamp } = before as FadingCell;
    this.written = Math.max(this.written, written, stamp);
  }
}

export class FadingMapColumn extends MapColumn {
  override readonly fading = true;
  readonly #ttl: Ttl;
  readonly #heap = new ExpiryHeap<FadingCell>();
  readonly #forgetAny = (cell: FadingCell) => {
    const { store } = this;
    const { keys } = store.options;
    const { key, group } = cell.owner;
    store.select(key, keys.identity(key), group, keys.hash(key));
    this.#forget(cell.owner, cell);
  };

  constructor(store: Store, place: Place, state: StateTable) {
    super(store, place, state);
    this.#ttl = ttlOf(store, state);
  }

  override set(key: unknown, value: unknown): void {
    const cell = this.find(key) as FadingCell | undefined;
    if (cell === undefined) return super.set(key, value);
    this.touch(cell);
    cell.value = value;
    this.#heap.renew(cell, this.#ttl.stamp());
  }

  override delete(key: unknown): boolean {
    const cell = this.find(key) as FadingCell | undefined;
    if (cell === undefined) return false;
    this.#heap.remove(cell);
    return super.delete(key);
  }

  override clear(): void {
    this.#forgetExpired();
    for (const cell of this.current()?.values() ?? []) this.#heap.remove(cell as FadingCell);
    super.clear();
  }

  override get size(): number {
    this.#forgetExpired();
    return super.size;
  }

  override keys(): IterableIterator<unknown> {
    this.#forgetExpired();
    return super.keys();
  }

  override entries(): IterableIterator<[unknown, unknown]> {
    this.#forgetExpired();
    return super.entries();
  }

  override expire(most: number): number {
    return this.#heap.expire(this.#ttl.now(), most, this.#forgetAny);
  }

  protected override find(key: unknown): Cell | undefined {
    const cell = super.find(key) as FadingCell | undefined;
    if (cell === undefined || cell.stamp > this.#ttl.now()) return cell;
    this.#forget(cell.owner, cell);
    return undefined;
  }

  protected override newCell(key: Cell['key'], value: unknown, owner: Cells): Cell {
    return this.#leased(new FadingCell(key, value, this.store.changed, owner), this.#ttl.stamp(), 0);
  }

  protected override restoredCell(cell: Cell, entry: Entry, kept: boolean): Cell {
    const { key, value, mark, owner } = cell;
    const fading = new FadingCell(key, value, mark, owner);
    return this.#leased(fading, this.#ttl.stampOf(entry), this.#ttl.writtenBy(entry, kept));
  }

  protected override writeValue(cell: Cell): void {
    const fading = cell as FadingCell;
    this.store.out.stamp(BigInt(fading.stamp));
    super.writeValue(cell);
    fading.written = Math.max(fading.written, fading.stamp);
  }

  protected override handOut(cell: Cell): unknown {
    if (this.#ttl.onRead) this.#renew(cell as FadingCell);
    return super.handOut(cell);
  }

  #leased(cell: FadingCell, stamp: number, written: number): FadingCell {
    cell.stamp = stamp;
    cell.written = written;
    this.#heap.push(cell);
    return cell;
  }

  #renew(cell: FadingCell): void {
    const stamp = this.#ttl.stamp();
    if (stamp === cell.stamp) return;
    this.touch(cell);
    this.#heap.renew(cell, stamp);
  }

  /** Of the current key. Goes through its map only if something is due anywhere. */
  #forgetExpired(): void {
    const now = this.#ttl.now();
    const cells = this.current();
    if (cells === undefined || !this.#heap.isDue(now)) return;
    for (const [identity, cell] of cells) {
      if ((cell as FadingCell).stamp <= now) this.#forget(cells, cell as FadingCell, identity);
    }
  }

  /** An entry of the current key has expired. It needs no tombstone where all that was written of it has, too. */
  #forget(cells: Cells, cell: FadingCell, identity: KeyIdentity = this.mapKeys.identity(cell.key)): void {
    this.secure(cell);
    if (cell.written <= this.#ttl.now()) cell.mark &= ~KEPT;
    this.#heap.remove(cell);
    this.take(cells, identity, cell);
  }
}

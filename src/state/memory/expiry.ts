/**
 * What expires, by when it is to be looked at: a binary heap of leases, earliest first.
 *
 * A lease that is renewed stays where it is, and is put back by its new stamp when its old time has come: so that what is
 * set all the time costs nothing each time, and each lease is in here once. `due` is never after `stamp`.
 */

/** Part of whatever holds the value of an entry that expires. */
export interface Lease {
  /** When it expires, milliseconds. */
  stamp: number;
  /** When it is looked at. */
  due: number;
  /** Where it is in the heap. */
  place: number;
  /** The latest stamp under which a drain that was or may be kept has the entry; 0 where none has. */
  written: number;
}

/** Where a lease is that is not in the heap. */
export const OUTSIDE = -1;

export class ExpiryHeap<L extends Lease> {
  readonly #leases: L[] = [];

  push(lease: L): void {
    lease.due = lease.stamp;
    lease.place = this.#leases.length;
    this.#leases.push(lease);
    this.#rise(lease);
  }

  /** Gives a lease in here a new stamp. */
  renew(lease: L, stamp: number): void {
    lease.stamp = stamp;
    // Earlier than before is rare: an entry that was restored had a longer time to live.
    if (lease.stamp >= lease.due) return;
    lease.due = lease.stamp;
    this.#rise(lease);
  }

  remove(lease: L): void {
    const { place } = lease;
    const last = this.#leases.pop();
    lease.place = OUTSIDE;
    if (last === undefined || last === lease) return;
    last.place = place;
    this.#leases[place] = last;
    this.#rise(last);
    this.#sink(last);
  }

  /** Whether something is to be looked at. Where not, nothing has expired. */
  isDue(now: number): boolean {
    const first = this.#leases[0];
    return first !== undefined && first.due <= now;
  }

  /**
   * Looks at no more than `most` leases that are due: `forget` takes those that have expired out of here, the others are
   * put back. Gives how many it looked at.
   */
  expire(now: number, most: number, forget: (lease: L) => void): number {
    let looked = 0;
    for (; looked < most && this.isDue(now); looked++) {
      const first = this.#leases[0] as L;
      if (first.stamp <= now) forget(first);
      else {
        first.due = first.stamp;
        this.#sink(first);
      }
    }
    return looked;
  }

  #rise(lease: L): void {
    const leases = this.#leases;
    let at = lease.place;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = leases[up] as L;
      if (parent.due <= lease.due) break;
      leases[at] = parent;
      parent.place = at;
      at = up;
    }
    leases[at] = lease;
    lease.place = at;
  }

  #sink(lease: L): void {
    const leases = this.#leases;
    const { length } = leases;
    let at = lease.place;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= length) break;
      if (down + 1 < length && (leases[down + 1] as L).due < (leases[down] as L).due) down++;
      const child = leases[down] as L;
      if (child.due >= lease.due) break;
      leases[at] = child;
      child.place = at;
      at = down;
    }
    leases[at] = lease;
    lease.place = at;
  }
}

/**
 * What was taken out although a kept drain may hold it, by key: it needs a tombstone in the next drain, unless it is
 * set again before. A column decides what it keeps for a key, one tomb or many.
 *
 * Invariant: an identity is in a row, in `now` or in `frozen`, never in two of them. To be set again, it is taken out
 * of here, after its tombstone was written if that is pending.
 */
import type { Key, KeyIdentity } from '../../codec/key.js';

/** One entry that is no more. */
export class Tomb {
  readonly group: number;
  readonly key: Key;
  /** A kept drain may show the entry before this time, not later. */
  readonly until: number;
  /** When the tombstone was written: see marks.ts. */
  mark = 0;

  constructor(group: number, key: Key, until = Number.POSITIVE_INFINITY) {
    this.group = group;
    this.key = key;
    this.until = until;
  }
}

export class Graves<G> {
  /** Taken out since the last freeze. */
  now = new Map<KeyIdentity, G>();
  /** Taken out before it; until it is settled. */
  frozen = new Map<KeyIdentity, G>();
  readonly #join: (a: G, b: G) => G;

  /** `join` puts together what two hold for one key. */
  constructor(join: (a: G, b: G) => G) {
    this.#join = join;
  }

  get empty(): boolean {
    return this.now.size === 0 && this.frozen.size === 0;
  }

  freeze(): void {
    this.frozen = this.now;
    this.now = new Map();
  }

  settle(kept: boolean): void {
    const lost = this.frozen;
    if (lost.size === 0) return;
    this.frozen = new Map();
    if (!kept) this.now = this.#union(lost, this.now);
  }

  /** The smaller goes into the larger. */
  #union(a: Map<KeyIdentity, G>, b: Map<KeyIdentity, G>): Map<KeyIdentity, G> {
    const [into, from] = a.size < b.size ? [b, a] : [a, b];
    for (const [identity, grave] of from) {
      const other = into.get(identity);
      into.set(identity, other === undefined ? grave : this.#join(other, grave));
    }
    return into;
  }
}

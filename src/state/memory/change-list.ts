/**
 * What changed since the last freeze, and what the last freeze took over until it is settled. Each item is in either
 * list at most once, which its mark tells (marks.ts); it may be in both.
 */

/** Below this many, what died is not worth clearing away. */
const LEAST_COMPACTED = 64;

export class ChangeList<T> {
  /** Changed since the last freeze. */
  now: T[] = [];
  /** What the last freeze took over; to be gone through by its drain. */
  frozen: readonly T[] = [];
  /** At most how many of `now` are dead. */
  #dead = 0;
  readonly #lives: (item: T) => boolean;

  /** `lives` says whether an item still stands for an entry. */
  constructor(lives: (item: T) => boolean) {
    this.#lives = lives;
  }

  freeze(): void {
    this.frozen = this.now;
    this.now = [];
    this.#dead = 0;
  }

  /** Not kept: what was frozen is a change again, but for what `again` says changed since. In time of the changes. */
  settle(kept: boolean, again: (item: T) => boolean): void {
    const lost = this.frozen;
    this.frozen = [];
    if (kept || lost.length === 0) return;
    const still = lost.filter((item) => this.#lives(item) && !again(item));
    this.now = still.concat(this.now);
  }

  /** Up to `count` items of `now` died: where changes are never kept, the dead must not pile up. */
  bury(count: number): void {
    this.#dead += count;
    if (this.now.length < LEAST_COMPACTED || this.#dead * 2 < this.now.length) return;
    this.now = this.now.filter(this.#lives);
    this.#dead = 0;
  }
}

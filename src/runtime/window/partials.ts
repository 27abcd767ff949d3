/**
 * What slices of a key that were put together are worth, kept between one pane and the next, so that a pane costs about
 * three merges however many slices it has ("two stacks": Tangwongsan et al., "General Incremental Sliding-Window
 * Aggregation", 2015).
 *
 *     slices     from ─┬─┬─┬─┬─ turn ─┬─┬─ to ─        a pane is [from, to)
 *     front      a suffix for each: what is from it to `turn`
 *     back                           all of these
 *     pane       front[from] + back; once `from` has come to `turn`, the front is made anew of the whole pane
 *
 * Nothing here is state: it is made again from the slices where it is not there, as after a restore. Duties of the caller:
 * panes of a key come in order, and `forget` is called when a slice changes that a pane has been asked for.
 */
import type { KeyIdentity } from '../../codec/key.js';

/** Suffixes kept at most, over all keys: beyond, panes of further keys are put together of their slices each time. */
const MOST_SUFFIXES = 1 << 20;

/** Two of them in order of time; undefined is nothing. */
type Merge = (a: unknown, b: unknown) => unknown;

interface TwoStacks {
  /** By slice, counted from `start`. */
  readonly front: unknown[];
  readonly start: number;
  readonly turn: number;
  back: unknown;
  to: number;
}

export class Partials {
  readonly #length: number;
  readonly #most: number;
  readonly #byKey = new Map<KeyIdentity, TwoStacks>();
  #suffixes = 0;

  /** `length`: of a slice. */
  constructor(length: number, most = MOST_SUFFIXES) {
    this.#length = length;
    this.#most = most;
  }

  /** All of the slices from `from` to before `to`, undefined for none. `at` gives the one that starts there. */
  pane(key: KeyIdentity, from: number, to: number, at: (start: number) => unknown, merge: Merge): unknown {
    let stacks = this.#byKey.get(key);
    if (stacks === undefined || from >= stacks.turn || from < stacks.start || to < stacks.to) {
      this.forget(key);
      stacks = this.#turned(from, to, at, merge);
      if (this.#suffixes + stacks.front.length <= this.#most) {
        this.#suffixes += stacks.front.length;
        this.#byKey.set(key, stacks);
      }
    }
    for (; stacks.to < to; stacks.to += this.#length) stacks.back = both(stacks.back, at(stacks.to), merge);
    return both(stacks.front[(from - stacks.start) / this.#length], stacks.back, merge);
  }

  forget(key: KeyIdentity): void {
    const stacks = this.#byKey.get(key);
    if (stacks === undefined) return;
    this.#suffixes -= stacks.front.length;
    this.#byKey.delete(key);
  }

  #turned(from: number, to: number, at: (start: number) => unknown, merge: Merge): TwoStacks {
    const count = (to - from) / this.#length;
    const front = new Array<unknown>(count);
    let suffix: unknown;
    for (let slice = count - 1; slice >= 0; slice--) {
      suffix = both(at(from + slice * this.#length), suffix, merge);
      front[slice] = suffix;
    }
    return { front, start: from, turn: to, back: undefined, to };
  }
}

function both(a: unknown, b: unknown, merge: Merge): unknown {
  if (a === undefined) return b;
  return b === undefined ? a : merge(a, b);
}

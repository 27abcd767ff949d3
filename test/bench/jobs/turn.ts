/** What `in-turns.ts` is told to do, and what it answers, over a BroadcastChannel: for the job and for who drives it. */

/**
 * `each`: so many different keys, one element each, and others than the turn before. `uniform`: keys at random for so
 * long. `skewed`: the same, but nine of ten are of one tenth of the keys.
 */
export type Turn =
  | { readonly kind: 'each'; readonly count: number }
  | { readonly kind: 'uniform' | 'skewed'; readonly ms: number };

/** What a turn took: from its first element's release until the last one's row was at the sink. */
export interface TurnTaken {
  readonly elements: number;
  readonly ms: number;
  /** Of the data thread's time on a CPU, which others on the machine do not take from; NaN where it is not told. */
  readonly cpuMs: number;
}

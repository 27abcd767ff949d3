/**
 * Where a split waits, so that a savepoint can be taken exactly there. Pure.
 *
 *     reads on ──a batch would end beyond it──▶ near ──ends on it──▶ arrived ──released──▶ reads on
 *        └────────────────ends on it─────────────────────────────────────▲
 *
 * Positions are opaque: a source that compares them is read in full batches, of which one is made to end at the target;
 * of another, elements are read one by one until the position is that of the target.
 */
import { isDeepStrictEqual } from 'node:util';
import type { SourceSpec } from '../graph/source.js';

/** Where a split is to stop. */
export interface Target {
  readonly position: unknown;
  /** It is to be read to its end. */
  readonly done: boolean;
  /** False: nobody asked for it; it stays unread, and is left out of what is told of the splits. */
  readonly listed: boolean;
}

/** Below 0: the first comes before the second; undefined: nobody can tell. */
export type Order = number | undefined;

/**
 * `take-last`: and ask for none after it. `near`: read anew so that a batch ends on the target. `no-boundary`: none does.
 */
export type Verdict = 'take' | 'take-last' | 'wait' | 'near' | 'passed' | 'no-boundary';

export interface Standing {
  /** Of the position against the target. */
  readonly here: Order;
  /** Of the batch that is ready. */
  readonly next: Order;
  /** That batch has no elements. */
  readonly empty: boolean;
  /** It is read so that a batch ends on the target, if any can. */
  readonly near: boolean;
}

/** What to do with the batch that is ready. */
export function verdictOf({ done }: Pick<Target, 'done'>, { here, next, empty, near }: Standing): Verdict {
  if (here === 0 && !done) return 'wait';
  if (here !== undefined && here >= 0) return here === 0 && empty ? 'take' : 'passed';
  if (next === undefined) return near ? 'take' : 'near';
  if (next > 0) return near ? 'no-boundary' : 'near';
  return next === 0 && !done ? 'take-last' : 'take';
}

/** How two positions of one split of a source lie. */
export function orderOf(
  { compare }: Pick<SourceSpec<unknown, unknown>, 'compare'>,
  a: unknown,
  b: unknown,
): Order {
  if (compare !== undefined) return compare(a, b);
  return isDeepStrictEqual(a, b) ? 0 : undefined;
}

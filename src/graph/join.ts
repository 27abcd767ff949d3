/** What the joins of two keyed streams say: see `KeyedStream.intervalJoin` and `KeyedStream.windowJoin`. */

import { type Bag, unknownNames } from './bag.js';
import { show } from './names.js';
import { type AnySchema, readSchema } from './schemas.js';
import type { WindowAssigner, WindowOf } from './window.js';

/** `left`: an element of the left stream without a partner gives a result, too. */
export type JoinType = 'inner' | 'left';

/** The side outputs of a join, for elements that came too late. */
export const LATE = { left: 'late-left', right: 'late-right' } as const;

/** What a join hands over of the right stream. */
export type Partner<R, J extends JoinType> = J extends 'left' ? R | undefined : R;

/** What keeps the elements of both sides until their partners may have come. */
interface JoinKeeping<L, R> {
  readonly left?: AnySchema<L>;
  readonly right?: AnySchema<R>;
  readonly formerly?: readonly string[];
}

/** Of one result of an interval join. Times are milliseconds since 1970. */
export interface JoinContext<K> {
  readonly key: K;
  readonly leftTime: number;
  /** Undefined where there is no partner. */
  readonly rightTime: number | undefined;
}

export interface IntervalJoin<L, R, K, J extends JoinType, O> extends JoinKeeping<L, R> {
  /**
   * How far the timestamp of a partner on the right may be from that of the element on the left, both ends included:
   * `['-5m', '10m']` or milliseconds.
   */
  readonly between: readonly [lower: string | number, upper: string | number];
  /** Default `inner`. */
  readonly type?: J;
  /** One result for each pair. Its timestamp is the later of the two, or when it was known that none comes. */
  join(left: L, right: Partner<R, J>, context: JoinContext<K>): O;
}

export interface WindowJoin<L, R, K, J extends JoinType, O> extends JoinKeeping<L, R> {
  /** Any windows of event time. Those of sessions are of the elements of both sides together. */
  readonly assign: WindowAssigner<L | R>;
  /** `'10m'` or milliseconds; 0 by default. Each element that comes so late gives all results of its pane again. */
  readonly lateness?: string | number;
  /** Default `inner`. */
  readonly type?: J;
  /** One result for each pair of elements of a pane. Its timestamp is `window.end - 1`. */
  join(left: L, right: Partner<R, J>, window: WindowOf<K>): O;
}

export const LEFT = 0;
export const RIGHT = 1;

/** An element of a window join, and which of the two streams it is of. */
export type Tagged = readonly [side: typeof LEFT | typeof RIGHT, element: unknown];

/** Findings on what both joins have in common, `known` being all that this one may say. */
export function joinFindings(given: Bag, known: readonly string[]): string[] {
  const { type, join } = given;
  const findings = unknownNames(given, known);
  if (type !== undefined && type !== 'inner' && type !== 'left')
    findings.push(`type: expected 'inner' or 'left', found ${show(type)}`);
  if (join === undefined) findings.push('join is missing');
  else if (typeof join !== 'function') findings.push(`join: expected a function, found ${show(join)}`);
  for (const side of ['left', 'right']) {
    if (given[side] !== undefined && readSchema(given[side]) === undefined)
      findings.push(`${side}: expected a schema, found ${show(given[side])}`);
  }
  return findings;
}

export function joinType(given: Bag): JoinType {
  return given['type'] === 'left' ? 'left' : 'inner';
}

/** As it was given: what is wrong with it is found with the graph. */
export function formerlyOf(given: Bag): readonly string[] {
  return (given['formerly'] ?? []) as readonly string[];
}

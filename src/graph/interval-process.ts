/**
 * The join of two keyed streams by how far apart in time two elements are, as a `process` operator that both reach: what it
 * keeps and which callbacks it has. What they do is in interval-joining.ts.
 */

import { state } from './declare-state.js';
import {
  type Interval,
  IntervalJoining,
  type JoinRun,
  SIDES,
  type States,
  TIMERS,
} from './interval-joining.js';
import { pageSchema } from './paged-lists.js';
import type { ProcessSpec } from './process.js';

export type { Interval } from './interval-joining.js';

function statesOf({ left, right }: Interval): States {
  return {
    left: left === undefined ? state.map() : state.map(pageSchema(left)),
    right: right === undefined ? state.map() : state.map(pageSchema(right)),
    alone: state.map(),
    layout: state.value(),
  };
}

export function intervalProcess(interval: Interval): ProcessSpec<unknown, unknown> {
  const join = new IntervalJoining(interval);
  const spec = {
    state: statesOf(interval),
    timers: TIMERS,
    sides: SIDES,
    onLeft: (element: unknown, run: JoinRun) => join.onLeft(element, run),
    onRight: (element: unknown, run: JoinRun) => join.onRight(element, run),
    onTimer: {
      'left-due': (at: number, run: JoinRun) => join.onLeftDue(at, run),
      'right-due': (at: number, run: JoinRun) => join.onRightDue(at, run),
      'alone-due': (at: number, run: JoinRun) => join.onAloneDue(at, run),
    },
  };
  return spec as unknown as ProcessSpec<unknown, unknown>;
}

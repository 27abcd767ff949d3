/**
 * Which windows a timestamp belongs to. Pure; all times are whole milliseconds, negative ones too.
 *
 *     sliding, size 6, slide 4, offset 0:        slices of gcd(6, 4) = 2
 *
 *     …──┬───┬───┬───┬───┬───┬───┬───┬──▶        a pane ends where another begins only if slide divides size;
 *       -2   0   2   4   6   8  10  12           slices are such that panes begin and end with one
 *        ├───────────┤   ├───────────┤
 *                ├───────────┤
 */
import { unreachable } from '../../base/assert.js';
import {
  GLOBAL_WINDOW,
  type SlidingWindows,
  type TimeWindow,
  type WindowAssigner,
} from '../../graph/window.js';

/** The greatest `offset + k * step` at or before `time`, for whole `k`. */
export function alignDown(time: number, step: number, offset: number): number {
  let aligned = Math.floor((time - offset) / step) * step + offset;
  // The quotient is rounded, so far from 1970 it may come out one too high or too low.
  if (aligned > time) aligned -= step;
  else if (time - aligned >= step) aligned += step;
  return aligned + 0;
}

/** The windows of an assigner that hold `timestamp`, the earliest first. Of a session: the one it would have alone. */
export function windowsOf(
  assign: Exclude<WindowAssigner, { kind: 'session' }>,
  timestamp: number,
): readonly TimeWindow[] {
  switch (assign.kind) {
    case 'tumbling': {
      const start = alignDown(timestamp, assign.size, assign.offset);
      return [{ start, end: start + assign.size }];
    }
    case 'sliding': {
      const last = alignDown(timestamp, assign.slide, assign.offset);
      const first = firstPaneStart(assign, timestamp);
      const windows: TimeWindow[] = [];
      for (let start = first; start <= last; start += assign.slide)
        windows.push({ start, end: start + assign.size });
      return windows;
    }
    case 'global':
      return [GLOBAL_WINDOW];
    default:
      return unreachable(assign);
  }
}

/** The start of the earliest pane that holds `timestamp`; after it where none does. */
export function firstPaneStart({ size, slide, offset }: SlidingWindows, timestamp: number): number {
  return alignDown(timestamp - size, slide, offset) + slide;
}

/** The end of the earliest pane that holds the slice beginning at `slice`. */
export function firstPaneEnd(assign: SlidingWindows, slice: number): number {
  return firstPaneStart(assign, slice) + assign.size;
}

/** The end of the last pane that holds the slice beginning at `slice`; not after `slice` where none does. */
export function lastPaneEnd({ size, slide, offset }: SlidingWindows, slice: number): number {
  return alignDown(slice, slide, offset) + size;
}

/** The end of the first pane that holds the slice and ends after `after`; Infinity where there is none. */
export function nextPaneEnd(assign: SlidingWindows, slice: number, after: number): number {
  const { size, slide, offset } = assign;
  const last = lastPaneEnd(assign, slice);
  if (last <= slice || last <= after) return Number.POSITIVE_INFINITY;
  const first = firstPaneEnd(assign, slice);
  return first > after ? first : alignDown(after - size, slide, offset) + slide + size;
}

export function isPaneEnd({ size, slide, offset }: SlidingWindows, time: number): boolean {
  return alignDown(time - size, slide, offset) === time - size;
}

/** Whether two sessions are one. Those that only touch are not: nothing of either is within the other's gap. */
export function overlap(a: TimeWindow, b: TimeWindow): boolean {
  return a.start < b.end && b.start < a.end;
}

/** By end, then by start: the order of results that fall due at once. */
export function byEnd(a: TimeWindow, b: TimeWindow): number {
  return a.end - b.end || a.start - b.start;
}

export function byStart(a: TimeWindow, b: TimeWindow): number {
  return a.start - b.start;
}

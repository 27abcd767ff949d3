/**
 * When something is due for a pane or a slice, by event time. Pure. A window [start, end) gives its result once the
 * watermark reaches end − 1, and is forgotten once it reaches end − 1 + lateness; Infinity stands for never.
 */
import type { SlidingWindows, TimeWindow } from '../../graph/window.js';
import { lastPaneEnd, nextPaneEnd } from './assigning.js';

const NEVER = Number.POSITIVE_INFINITY;

/** From when on an element for the window that ends at `end` is late, and what the window kept is gone. */
export function cleanupTime(end: number, lateness: number): number {
  if (end === NEVER) return NEVER;
  // Timers are safe integers; nothing waits longer than there are such.
  return Math.min(end - 1 + lateness, Number.MAX_SAFE_INTEGER);
}

/** The first due of a pane after `after`: its result, then its end. */
export function paneDue({ end }: TimeWindow, lateness: number, after: number): number {
  if (end - 1 > after) return end - 1;
  const cleanup = cleanupTime(end, lateness);
  return cleanup > after ? cleanup : NEVER;
}

/** The first due of a slice after `after`: the results of the panes that hold it, then its end. */
export function sliceDue(
  assign: SlidingWindows,
  { start }: TimeWindow,
  lateness: number,
  after: number,
): number {
  const end = nextPaneEnd(assign, start, after + 1);
  if (end !== NEVER) return end - 1;
  const cleanup = cleanupTime(lastPaneEnd(assign, start), lateness);
  return cleanup > after ? cleanup : NEVER;
}

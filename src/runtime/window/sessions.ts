/** Sessions of one key: windows that overlap are one. Pure. */
import type { TimeWindow } from '../../graph/window.js';
import { byStart, overlap } from './assigning.js';

export interface Joined {
  /** From the start of the first to the end of the last: no other session overlaps it. */
  readonly window: TimeWindow;
  /** The sessions it takes in, in order of time; `window` itself is among them if nothing changes. */
  readonly absorbed: readonly TimeWindow[];
}

/** What becomes of a new window among `sessions`, no two of which overlap (Flink's `MergingWindowSet`). */
export function join(window: TimeWindow, sessions: Iterable<TimeWindow>): Joined {
  const absorbed: TimeWindow[] = [];
  for (const session of sessions) if (overlap(session, window)) absorbed.push(session);
  if (absorbed.length > 1) absorbed.sort(byStart);
  const start = Math.min(window.start, absorbed[0]?.start ?? window.start);
  const end = Math.max(window.end, absorbed.at(-1)?.end ?? window.end);
  const [only] = absorbed;
  if (absorbed.length === 1 && only?.start === start && only.end === end) return { window: only, absorbed };
  return { window: { start, end }, absorbed };
}

/** Whether the session was there before, just so. */
export function isUnchanged({ window, absorbed }: Joined): boolean {
  return absorbed.length === 1 && absorbed[0] === window;
}

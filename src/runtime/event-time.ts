/**
 * Event time while elements pass. Operators call each other directly and finish an element before the next, so one place
 * says for all of them which timestamp is current, and no element carries it.
 *
 * Duties: who gives elements timestamps sets `timestamp` before it calls on; who calls user code for something else than
 * the element it was pushed (a timer, a pane) sets it to that time first, and puts back what it found if it was pushed.
 */
export class EventTime {
  /** Of the element, the timer or the pane at hand; NaN where it has none. */
  timestamp = Number.NaN;
  /** Of the split that the batch at hand came from: the greatest timestamp seen there. Undefined between batches. */
  split: SplitTime | undefined = undefined;
}

/** How far event time came in one split. */
export interface SplitTime {
  /** The greatest timestamp; −Infinity before the first. */
  greatest: number;
}

/** The watermark of one keyed operator, the same for all of its subtasks; only grows. Infinity is the end of time. */
export interface OperatorTime {
  watermark: number;
  /** Up to where timers may have fired that are due again, for the watermark was taken back; −Infinity where it never was. */
  furthest: number;
}

export const NO_WATERMARK = Number.NEGATIVE_INFINITY;
export const END_OF_TIME = Number.POSITIVE_INFINITY;

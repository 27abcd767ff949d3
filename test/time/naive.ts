/**
 * Windows, as plainly as can be: what one key's elements give, in the order they came, each with the watermark that it
 * met. With no watermarks it is the computation over the whole input.
 */
import type { TimeWindow } from '../../src/graph/window.js';

export interface Arrival {
  readonly id: number;
  readonly key: string;
  readonly t: number;
  readonly v: number;
  /** Where event time was when it came; −Infinity for none. */
  readonly watermark: number;
}

export interface NaiveWindows {
  windowsOf(arrival: Arrival): readonly TimeWindow[];
  /** Windows that overlap become one. */
  readonly merges: boolean;
  readonly lateness: number;
}

export interface Pane extends TimeWindow {
  /** In the order they came. */
  readonly ids: readonly number[];
}

export interface Outcome {
  /** Every result, in the order given. */
  readonly fired: readonly Pane[];
  readonly late: readonly number[];
}

export function naive(arrivals: readonly Arrival[], windows: NaiveWindows): Outcome {
  const { lateness } = windows;
  const fired: Pane[] = [];
  const late: number[] = [];
  let panes: Pane[] = [];
  let time = Number.NEGATIVE_INFINITY;

  const advance = (to: number): void => {
    const due = panes.filter(({ end }) => end - 1 > time && end - 1 <= to);
    fired.push(...due.toSorted((a, b) => a.end - b.end));
    panes = panes.filter(({ end }) => end - 1 + lateness > to);
    time = to;
  };
  const replace = (old: readonly Pane[], pane: Pane): void => {
    panes = [...panes.filter((other) => !old.includes(other)), pane];
    if (pane.end - 1 <= time) fired.push(pane);
  };
  const merge = (window: TimeWindow, id: number): boolean => {
    const touched = panes.filter((pane) => pane.start < window.end && window.start < pane.end);
    const start = Math.min(window.start, ...touched.map((pane) => pane.start));
    const end = Math.max(window.end, ...touched.map((pane) => pane.end));
    if (end - 1 + lateness <= time) return false;
    replace(touched, { start, end, ids: [...touched.flatMap(({ ids }) => ids), id] });
    return true;
  };
  const add = ({ start, end }: TimeWindow, id: number): boolean => {
    if (end - 1 + lateness <= time) return false;
    const old = panes.filter((pane) => pane.start === start);
    replace(old, { start, end, ids: [...old.flatMap(({ ids }) => ids), id] });
    return true;
  };

  for (const arrival of arrivals) {
    advance(Math.max(time, arrival.watermark));
    const put = windows.merges ? merge : add;
    const accepted = windows.windowsOf(arrival).filter((window) => put(window, arrival.id));
    if (accepted.length === 0) late.push(arrival.id);
  }
  advance(Number.POSITIVE_INFINITY);
  return { fired, late };
}

/** Every window of `size`, one each `slide`, that holds `t`. */
export function sliding(
  size: number,
  slide: number,
  offset = 0,
): (arrival: Arrival) => readonly TimeWindow[] {
  return ({ t }) => {
    const found: TimeWindow[] = [];
    const last = Math.floor((t - offset) / slide) * slide + offset;
    for (let start = last; start + size > t; start -= slide) found.push({ start, end: start + size });
    return found;
  };
}

export const tumbling = (size: number, offset = 0) => sliding(size, size, offset);

export function session(gap: (arrival: Arrival) => number): (arrival: Arrival) => readonly TimeWindow[] {
  return (arrival) => [{ start: arrival.t, end: arrival.t + gap(arrival) }];
}

/**
 * What a trigger keeps for a pane, as it lies in the state table `trigger`: a plain value, so that `inspect` shows it.
 * A pane without one is in its initial state and has set no timers.
 */
export interface TriggerRecord {
  readonly state: unknown;
  /** Times of timers that are set, ascending, each once. */
  readonly event: Times;
  readonly processing: Times;
}

export type Times = readonly number[];
export type TimeKind = 'event' | 'processing';

export function withTime(times: Times, time: number): Times {
  if (times.includes(time)) return times;
  const after = times.findIndex((other) => other > time);
  return after < 0 ? [...times, time] : times.toSpliced(after, 0, time);
}

export function withoutTime(times: Times, time: number): Times {
  return times.includes(time) ? times.filter((other) => other !== time) : times;
}

export function allTimes(times: readonly Times[]): Times {
  return [...new Set(times.flat())].sort((a, b) => a - b);
}

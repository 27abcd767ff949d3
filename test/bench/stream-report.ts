/** What `jobs/count-stream.ts` reports, and what can be read from it. Times are of the clock that threads share. */

export interface StreamReport {
  /** By step: when its rows were written, and how many elements had come by then. */
  readonly steps: readonly (readonly [at: number, elements: number])[];
  /** Of the data thread's garbage collector. */
  readonly pauses: readonly { readonly at: number; readonly ms: number }[];
}

export interface Window {
  readonly from: number;
  readonly to: number;
}

export interface Stops {
  /** The longest time between two steps, milliseconds. */
  readonly longest: number;
  /** The same, less the garbage collector's pauses within. */
  readonly withoutPauses: number;
  /** The longest pause of the garbage collector. */
  readonly longestPause: number;
}

/** Elements per second in a window. */
export function throughput({ steps }: StreamReport, { from, to }: Window): number {
  const within = steps.filter(([at]) => at >= from && at < to);
  const first = within[0];
  const last = within.at(-1);
  if (first === undefined || last === undefined || last[0] === first[0])
    throw new Error('a window without steps');
  return ((last[1] - first[1]) * 1000) / (last[0] - first[0]);
}

export function stops({ steps, pauses }: StreamReport, { from, to }: Window): Stops {
  const within = pauses.filter(({ at, ms }) => at + ms >= from && at < to);
  let longest = 0;
  let withoutPauses = 0;
  for (let i = 1; i < steps.length; i++) {
    const [start] = steps[i - 1] ?? [0];
    const [end] = steps[i] ?? [0];
    if (end < from || start >= to) continue;
    const gap = end - start;
    if (gap <= withoutPauses) continue;
    const paused = within.reduce(
      (sum, { at, ms }) => sum + Math.max(0, Math.min(end, at + ms) - Math.max(start, at)),
      0,
    );
    longest = Math.max(longest, gap);
    withoutPauses = Math.max(withoutPauses, gap - paused);
  }
  return { longest, withoutPauses, longestPause: Math.max(0, ...within.map(({ ms }) => ms)) };
}

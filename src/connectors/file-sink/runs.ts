/**
 * A set of checkpoints as runs, in order, that neither overlap nor touch. Pure; cost follows the number of runs,
 * never how long they are.
 */

/** A run of checkpoints, both ends included. */
export type Run = readonly [first: number, last: number];

/** The runs with one more, merged where they touch. */
export function insertRun(ranges: readonly Run[], [first, last]: Run): Run[] {
  const before = ranges.filter((range) => range[1] < first - 1);
  const after = ranges.filter((range) => range[0] > last + 1);
  const touching = ranges.slice(before.length, ranges.length - after.length);
  const merged: Run = [
    Math.min(first, touching[0]?.[0] ?? first),
    Math.max(last, touching.at(-1)?.[1] ?? last),
  ];
  return [...before, merged, ...after];
}

export function holds(ranges: readonly Run[], checkpoint: number): boolean {
  const before = ranges[firstAfter(ranges, checkpoint) - 1];
  return before !== undefined && checkpoint <= before[1];
}

/** What comes after this checkpoint. */
export function after(ranges: readonly Run[], checkpoint: number): Run[] {
  return ranges.flatMap(([first, last]): Run[] =>
    last > checkpoint ? [[Math.max(first, checkpoint + 1), last]] : [],
  );
}

/** What is in the first and not in the second. */
export function without(ranges: readonly Run[], taken: readonly Run[]): Run[] {
  const left: Run[] = [];
  let at = 0;
  for (const [first, last] of ranges) {
    let from = first;
    while ((taken[at]?.[1] ?? Number.POSITIVE_INFINITY) < from) at++;
    for (let i = at; i < taken.length; i++) {
      const [cut, end] = taken[i] ?? [0, 0];
      if (cut > last) break;
      if (cut > from) left.push([from, cut - 1]);
      from = end + 1;
    }
    if (from <= last) left.push([from, last]);
  }
  return left;
}

export function countOf(ranges: readonly Run[]): number {
  return ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}

/** The index of the first run that begins after the checkpoint. */
function firstAfter(ranges: readonly Run[], checkpoint: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle]?.[0] ?? 0) > checkpoint) high = middle;
    else low = middle + 1;
  }
  return low;
}

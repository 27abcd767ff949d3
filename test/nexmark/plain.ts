/** Small helpers of the oracles: arrays and maps, and nothing of the job API. */

export function groupBy<T, K>(all: readonly T[], keyOf: (each: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const each of all) {
    const key = keyOf(each);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [each]);
    else group.push(each);
  }
  return groups;
}

export const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Without `Math.max(...)`, which takes only so many. */
export const greatest = (numbers: readonly number[]): number =>
  numbers.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);

export const least = (numbers: readonly number[]): number =>
  numbers.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);

/** The start of the window of `size` that holds `time`. */
export const windowOf = (time: number, size: number): number => time - (time % size);

export const dateOf = (time: number): string => new Date(time).toISOString().split('T')[0] ?? '';

export const lines = (rows: readonly unknown[]): string[] => rows.map((row) => JSON.stringify(row));

/** What a row of the benchmark finds: two sides of one machine in one run, and how they compare. */

/** One side: what was done, and what it took or gave. */
export interface Side {
  readonly what: string;
  readonly value: number;
}

export interface Target {
  readonly kind: 'at least' | 'at most';
  readonly value: number;
}

export interface Figure {
  /** What is measured: `keyed count, parallelism 4`. */
  readonly name: string;
  /** Of both sides: `ns an element`, `ms`, `MiB`. */
  readonly unit: string;
  readonly ours: Side;
  readonly other: Side;
  /** How `value` comes from the sides. */
  readonly compared: 'ours / other' | 'other / ours' | 'ours - other';
  /** The median over pairs, so not exactly what the two medians beside it give. */
  readonly value: number;
  /** Absent where none is set yet. */
  readonly target?: Target;
  /** What else there is to say, a line each. */
  readonly notes: readonly string[];
}

export interface RowOptions {
  /** Fewer pairs, for a first look. */
  readonly quick: boolean;
  /** Tells what is going on. */
  progress(text: string): void;
}

export interface Row {
  readonly name: string;
  /** One line for `--help`. */
  readonly about: string;
  /** Runs only when asked for by name or flag: it takes minutes and gigabytes. */
  readonly big?: boolean;
  measure(options: RowOptions): Promise<readonly Figure[]>;
}

export function holds({ value, target }: Figure): boolean | undefined {
  if (target === undefined) return undefined;
  return target.kind === 'at least' ? value >= target.value : value <= target.value;
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1] ?? Number.NaN;
  if (sorted.length % 2 === 1) return upper;
  return (upper + (sorted[(sorted.length >> 1) - 1] ?? Number.NaN)) / 2;
}

/** Least and greatest, for notes: `0.71 to 0.83`. */
export function spread(numbers: readonly number[], digits = 2): string {
  return `${Math.min(...numbers).toFixed(digits)} to ${Math.max(...numbers).toFixed(digits)}`;
}

export const MIB = 1024 * 1024;

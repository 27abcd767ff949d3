/** What the benchmark's jobs read: prepared strings in prepared batches, the same for every side. */

/** As many elements as the runtime asks of a batch. */
export const BATCH = 512;

/** `count` names, one object each. */
export function names(count: number): readonly string[] {
  // A factor without common divisors spreads names that follow each other over the key groups' Maps.
  return Array.from({ length: count }, (_, i) => `user-${(i * 7919) % count}`);
}

/** `count` of the names at random, the same at every call. */
export function picks(of: readonly string[], count: number): readonly string[] {
  let seed = 1;
  return Array.from({ length: count }, () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return of[Math.floor((seed / 2 ** 32) * of.length)] ?? '';
  });
}

export function batches(elements: readonly string[]): readonly (readonly string[])[] {
  const all: (readonly string[])[] = [];
  for (let from = 0; from < elements.length; from += BATCH) all.push(elements.slice(from, from + BATCH));
  return all;
}

/** Positions are of no interest here; any will do. */
export const anyPosition = {
  '~standard': {
    version: 1,
    vendor: 'tidemark-bench',
    validate: (value: unknown) => ({ value: value as { readonly done: number } }),
  },
} as const;

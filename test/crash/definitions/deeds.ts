/**
 * What `many-deeds.ts` does with its state for each number, as data: the definition does it to its state, and the
 * oracle of the tests (../deeds-oracle.ts) to plain maps. Pure.
 *
 * A key gets numbers of one split only, so its state is a function of that split's position alone.
 */

export const SPLITS = 3;
/** Far away, so that no timer fires. */
export const FAR = 4_102_444_800_000;
/** Map keys and timers of a key. */
const PLACES = 8;

export type What =
  | 'set'
  | 'clear'
  | 'put'
  | 'take'
  | 'empty'
  | 'add'
  | 'wipe'
  | 'arm'
  | 'disarm'
  | 'unarm'
  /** Of the key nothing is left, but what comes after. */
  | 'forget';

/** How often each comes, of all. */
const SHARES: readonly (readonly [What, number])[] = [
  ['set', 6],
  ['clear', 1],
  ['put', 5],
  ['take', 2],
  ['empty', 1],
  ['add', 2],
  ['wipe', 1],
  ['arm', 3],
  ['disarm', 1],
  ['unarm', 1],
  ['forget', 3],
];
const TABLE: readonly What[] = SHARES.flatMap(([what, share]) => new Array<What>(share).fill(what));

export interface Deed {
  readonly what: What;
  /** The map key, or which timer. */
  readonly place: number;
}

/** `n`: of the split `n % SPLITS`. */
export function keyOf(n: number, keys: number): string {
  return `${n % SPLITS}/${scattered(n) % keys}`;
}

export function deedOf(n: number): Deed {
  const random = scattered(n + 0x5bd1e995);
  return { what: TABLE[random % TABLE.length] ?? 'set', place: (random >>> 16) % PLACES };
}

/** Whether the number is one that a line is emitted for, which tells of the state then. */
export function shows(n: number): boolean {
  return scattered(n + 1) % 5 === 0;
}

/** What `set` writes: `pad` characters or a few more. */
export function textOf(n: number, pad: number): string {
  return `${n} `.repeat(Math.ceil(pad / (String(n).length + 1)));
}

/** The finish of murmur3: every bit of `n` changes about half of the result's. */
function scattered(n: number): number {
  let h = n | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

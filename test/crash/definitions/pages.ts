/**
 * What `big-state.ts` keeps for each key, as data: the definition writes it and holds what it reads against it, and the
 * test does the same with what comes out of snapshots. Pure.
 *
 * The first `keys` numbers go to the keys 0, 1, 2, …, those after that to keys at random. A page is a function of its
 * key and of how many numbers the key has had.
 */
export const PAGE_BYTES = 4096;

export interface Page {
  /** How many numbers the key has had. */
  readonly seen: number;
  readonly text: string;
}

/** Pages are made of pieces of this: text that does not compress, made as fast as memory is copied. */
const POOL_BYTES = 1024 * 1024;
const POOL = makePool();
const scratch = Buffer.alloc(PAGE_BYTES);

export function keyOf(n: number, keys: number): number {
  return n < keys ? n : scattered(n) % keys;
}

/** `grain`: characters before a page says the same again, a divisor of PAGE_BYTES; what deflate makes of it. */
export function pageOf(key: number, seen: number, grain: number): Page {
  const at = scattered(Math.imul(key, 31) + seen) % (POOL_BYTES - PAGE_BYTES);
  for (let to = 0; to < PAGE_BYTES; to += grain) POOL.copy(scratch, to, at, at + grain);
  // One flat string, as if it came from elsewhere, not a tree of pieces.
  return { seen, text: scratch.toString('latin1') };
}

/** How many numbers each key has had of the first `count`. */
export function seenAfter(count: number, keys: number): Uint32Array {
  const seen = new Uint32Array(keys);
  for (let n = 0; n < count; n++) {
    const key = keyOf(n, keys);
    seen[key] = (seen[key] ?? 0) + 1;
  }
  return seen;
}

/** Printable characters, by xorshift. */
function makePool(): Buffer {
  const pool = Buffer.alloc(POOL_BYTES);
  let x = 0x9e3779b9;
  for (let i = 0; i < POOL_BYTES; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    pool[i] = 35 + ((x >>> 0) % 91);
  }
  return pool;
}

/** The finish of murmur3: every bit of `n` changes about half of the result's. */
function scattered(n: number): number {
  let h = n | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * The filter of a sorted segment: says of most keys that are not in it that they are not. FORMAT.md has the bytes.
 *
 * A page is a Bloom filter (Bloom 1970) of its own, over the keys of neighbouring blocks; it is of whole lines of 64
 * bytes, 10 bits to a key, so that about one absent key in a hundred is taken for present. Where the bits of a key lie
 * follows from one hash, as in LevelDB: by steps of the hash rotated (Kirsch and Mitzenmacher 2006).
 */

export const FILTER_LINE_BYTES = 64;
const LINE_BITS = FILTER_LINE_BYTES * 8;
const BITS_PER_KEY = 10;
const PROBES = 7;
const ROTATION = 17;
/** The longest page. */
export const MAX_PAGE_LINES = 64;
export const MAX_PAGE_BYTES = MAX_PAGE_LINES * FILTER_LINE_BYTES;
/** As many keys as the longest page has bits for. */
export const MAX_PAGE_KEYS = Math.floor((MAX_PAGE_BYTES * 8) / BITS_PER_KEY);

/** What a segment's filter knows a key by: MurmurHash3_x86_32 of the encoded key `bytes[from, to)`, an unsigned integer. */
export function keyHash(table: number, group: number, bytes: Uint8Array, from: number, to: number): number {
  let hash = (table << 15) | group;
  let at = from;
  for (; at + 4 <= to; at += 4) {
    const word =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    hash ^= scramble(word);
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  if (at < to) {
    let rest = 0;
    for (let last = to - 1; last >= at; last--) rest = (rest << 8) | (bytes[last] as number);
    hash ^= scramble(rest);
  }
  hash ^= to - from;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

/** The page for the first `count` of these hashes, at least one. */
export function filterPage(hashes: Uint32Array, count: number): Buffer {
  const lines = Math.ceil((count * BITS_PER_KEY) / LINE_BITS);
  const page = Buffer.alloc(lines * FILTER_LINE_BYTES);
  // As an unsigned integer for the compiler, too: the remainders below take a fifth of the time.
  const bits = (lines * LINE_BITS) >>> 0;
  for (let i = 0; i < count; i++) {
    let probe = hashes[i] as number;
    const step = stepOf(probe);
    for (let n = 0; n < PROBES; n++) {
      const bit = probe % bits;
      page[bit >> 3] = (page[bit >> 3] as number) | (1 << (bit & 7));
      probe = (probe + step) >>> 0;
    }
  }
  return page;
}

/** Whether a key with that hash may be among those of the page; false is certain. */
export function mayContain(page: Uint8Array, hash: number): boolean {
  const bits = page.length * 8;
  let probe = hash;
  const step = stepOf(hash);
  for (let n = 0; n < PROBES; n++) {
    const bit = probe % bits;
    if (((page[bit >> 3] as number) & (1 << (bit & 7))) === 0) return false;
    probe = (probe + step) >>> 0;
  }
  return true;
}

/** Odd, so that no probe hits the same bit twice in a row. */
function stepOf(hash: number): number {
  return ((hash >>> ROTATION) | (hash << (32 - ROTATION)) | 1) >>> 0;
}

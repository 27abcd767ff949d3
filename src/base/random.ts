/** The seam for randomness. Not for secrets when seeded. */
import { randomBytes } from 'node:crypto';

export interface Random {
  /** `count` random bytes. */
  bytes(count: number): Uint8Array;
  /** A number from 0 to below 1, with 53 random bits. */
  next(): number;
}

export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
  next: () => Math.random(),
};

/** The same numbers for the same seed, on every machine (xoshiro128**, Blackman and Vigna). */
export function seededRandom(seed: number): Random {
  const state = expandSeed(seed);
  const word = () => nextWord(state);
  return {
    bytes(count) {
      const bytes = Buffer.alloc(count);
      for (let i = 0; i < count; i++) bytes[i] = word() >>> 24;
      return bytes;
    },
    next: () => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53,
  };
}

type Words = [number, number, number, number];

/** Four words from one by splitmix32, which never leaves all of them zero. */
function expandSeed(seed: number): Words {
  let at = seed | 0;
  const mix = () => {
    at = (at + 0x9e3779b9) | 0;
    let z = at;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
  return [mix(), mix(), mix(), mix()];
}

function nextWord(s: Words): number {
  const result = Math.imul(rotate(Math.imul(s[1], 5), 7), 9) >>> 0;
  const shifted = s[1] << 9;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= shifted;
  s[3] = rotate(s[3], 11);
  return result;
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

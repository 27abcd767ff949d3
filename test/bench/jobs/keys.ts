/** The keys of idle-keys.ts and the numbers kept under them, for the job and for what it is compared with. */

/** A factor without common divisors: names that follow each other are not in order. */
const STEP = 7919;
const DIGITS = 11;
const PREFIX = 'user-';

/** The nth of `count` keys: 16 characters, each key once; made as one piece, as keys that were read are. */
export function keyNamed(nth: number, count: number): string {
  return Buffer.from(PREFIX + String((nth * STEP) % count).padStart(DIGITS, '0')).toString('latin1');
}

export function numberOf(key: string): number {
  return Number(key.slice(PREFIX.length));
}

/** Names that tidemark gives by itself. */
import type { Clock } from './clock.js';
import type { Random } from './random.js';

/** Crockford's base 32: no letter that reads like a digit. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const JOB_ID_RANDOM = 7;
const JOB_ID_TIME = 5;

/** What a job id looks like. */
export const JOB_ID = /^[0-9a-hjkmnp-tv-z]{12}$/;

/**
 * A job id: 7 random characters, then 5 of the second it was made in. Random first, so that short prefixes
 * tell jobs apart; the time after it, so that ids of different seconds of one year never meet.
 */
export function newJobId(clock: Clock, random: Random): string {
  let id = '';
  for (const byte of random.bytes(JOB_ID_RANDOM)) id += ALPHABET[byte % 32];
  let seconds = Math.floor(clock.now() / 1000);
  for (let i = 0; i < JOB_ID_TIME; i++) {
    id += ALPHABET[seconds % 32];
    seconds = Math.floor(seconds / 32);
  }
  return id;
}

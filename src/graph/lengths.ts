/** Lengths of time as a definition gives them: `'5m'` or milliseconds. Read, bounded, told as findings. Pure. */
import { parseDuration } from '../base/duration.js';
import { show } from './names.js';

/** The longest: 100 years. Longer ones are slips of the keyboard, and would end in times that cannot be kept. */
export const MAX_LENGTH = 36_525 * 86_400_000;

/** A length of at least `least` milliseconds, or what is wrong with it, as a clause. */
export function readLength(value: unknown, least: 0 | 1): number | string {
  const ms = milliseconds(value);
  if (ms === undefined)
    return `expected a length of time such as '5m', or whole milliseconds, found ${show(value)}`;
  if (ms < least) return `expected at least ${least} ms, found ${show(value)}`;
  if (ms > MAX_LENGTH) return `expected at most 100 years, found ${show(value)}`;
  return ms;
}

/** Less than `limit` milliseconds to either side, `'-1h'` and `-3_600_000` too; or what is wrong with it. */
export function readOffset(value: unknown, limit: number): number | string {
  const ms = signed(value);
  if (ms === undefined) return notSigned(value);
  if (Math.abs(ms) >= limit)
    return `expected less than the ${limit} ms from one window to the next, found ${show(value)}`;
  return ms;
}

/** A length to either side, `'-5m'` and `-300_000` too; or what is wrong with it. */
export function readBound(value: unknown): number | string {
  const ms = signed(value);
  if (ms === undefined) return notSigned(value);
  if (Math.abs(ms) > MAX_LENGTH) return `expected at most 100 years, found ${show(value)}`;
  return ms;
}

function notSigned(value: unknown): string {
  return `expected a length of time such as '5m' or '-5m', or whole milliseconds, found ${show(value)}`;
}

function signed(value: unknown): number | undefined {
  const minus = typeof value === 'string' ? /^\s*-/.test(value) : typeof value === 'number' && value < 0;
  const size = milliseconds(
    !minus ? value : typeof value === 'string' ? value.replace('-', '') : -Number(value),
  );
  return minus && size !== undefined && size > 0 ? -size : size;
}

function milliseconds(value: unknown): number | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  try {
    return parseDuration(value, '');
  } catch {
    return undefined;
  }
}

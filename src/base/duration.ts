/** Durations as people write them: `250ms`, `10s`, `1h 30m`, or a number of milliseconds. */
import { TidemarkError } from './errors.js';

const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof MILLISECONDS;

const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d)\s*)+$/;
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;

/**
 * Whole milliseconds. `what` names the setting in the error.
 * @throws TidemarkError USAGE when it is not a duration.
 */
export function parseDuration(value: string | number, what: string): number {
  const ms = typeof value === 'number' ? value : milliseconds(value.trim());
  if (Number.isSafeInteger(ms) && ms >= 0) return ms === 0 ? 0 : ms;
  throw new TidemarkError('USAGE', `${what}: ${JSON.stringify(value)} is not a duration`, {
    hint: "write it as '250ms', '10s', '5m', '1h', '2d' or as whole milliseconds",
  });
}

function milliseconds(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  if (!DURATION.test(text)) return Number.NaN;
  let sum = 0;
  for (const [, count, unit] of text.matchAll(PART)) sum += Number(count) * MILLISECONDS[unit as Unit];
  // 1.1 s is 1100.0000000000002 in binary fractions.
  const whole = Math.round(sum);
  return Math.abs(sum - whole) < 1e-6 ? whole : sum;
}

const LARGEST_FIRST: readonly Unit[] = ['d', 'h', 'm', 's', 'ms'];

/** The two largest units, cut: `1d 2h`, `1m 30s`, `250ms`. */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms);
  const parts: string[] = [];
  for (const unit of LARGEST_FIRST) {
    const count = Math.floor(rest / MILLISECONDS[unit]);
    rest -= count * MILLISECONDS[unit];
    if (count > 0) parts.push(`${count}${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.length === 0 ? '0ms' : parts.join(' ');
}

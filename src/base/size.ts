/** Sizes as people write them: `512m`, `1.5GiB`, or a number of bytes. Units are powers of 1024. */
import { TidemarkError } from './errors.js';

const UNITS = ['', 'k', 'm', 'g', 't'] as const;
const SIZE = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/;

/**
 * Whole bytes. `what` names the setting in the error.
 * @throws TidemarkError USAGE when it is not a size.
 */
export function parseSize(value: string | number, what: string): number {
  const [, count = 'NaN', unit = ''] = SIZE.exec(String(value).trim().toLowerCase()) ?? [];
  const bytes = Math.round(Number(count) * 1024 ** UNITS.indexOf(unit as (typeof UNITS)[number]));
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new TidemarkError('USAGE', `${what}: ${JSON.stringify(value)} is not a size`, {
    hint: "write it as '64k', '512m', '2g' or in bytes",
  });
}

/** `17 B`, `1.5 KiB`, `512 MiB`: three digits at most before the unit changes. */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let shown = bytes;
  while (Math.round(shown) >= 1000 && unit < UNITS.length - 1) {
    shown /= 1024;
    unit++;
  }
  const digits = unit === 0 || shown >= 99.95 ? 0 : 1;
  const suffix = unit === 0 ? 'B' : `${(UNITS[unit] ?? '').toUpperCase()}iB`;
  return `${shown.toFixed(digits).replace(/\.0$/, '')} ${suffix}`;
}

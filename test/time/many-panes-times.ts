/** When the numbers of `many-panes.ts` happen: for it, and for the test that knows what it must give. */

export const WINDOW_MS = 3_600_000;
/** 2024-02-29T00:00:00Z. */
const START = 1_709_164_800_000;

/** In one of three hours. */
export function timeOf(n: number): number {
  return START + (n % 3) * WINDOW_MS + (n % 1_000);
}

export function windowOf(n: number): number {
  return START + (n % 3) * WINDOW_MS;
}

export function timerOf(n: number): number {
  return START + 86_400_000 + n;
}

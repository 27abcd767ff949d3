/** What `asks.ts` reads, and how its windows are: for it and for the test that knows what it must give. */
import type { Shape } from '../../time/everything.js';
import type { StreamOptions } from '../../time/stream.js';

export const SHAPE: Shape = { bound: 20, lateness: 25, size: 60, slide: 20, offset: 7, gap: 15 };

/** Nothing comes later than the bound: whatever calls take, nothing is late. */
export function streamOf(elements: number): StreamOptions {
  const beyond = { share: 0, most: 1 };
  return { seed: 5, splits: 4, elements, keys: 20, bound: SHAPE.bound, beyond, pace: 3 };
}

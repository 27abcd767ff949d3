/** Random streams for windows: elements of several keys, not in the order of their times, and watermarks between them. */

import type { WindowAssigner } from '../../src/graph/window.js';
import fc from '../helpers/property.js';

export type Step =
  | { readonly kind: 'element'; readonly key: string; readonly id: number; readonly timestamp: number }
  | { readonly kind: 'watermark'; readonly time: number }
  | { readonly kind: 'move' };

export interface Disorder {
  /** How far behind the greatest timestamp before it an element may lie. */
  readonly actual: number;
  /** How far the watermark stays behind. */
  readonly allowed: number;
}

const FIRST = -60;
const MOST = 60;

/** Watermarks follow the rule for splits: the greatest timestamp, less what is allowed, less 1. */
export function streams({ actual, allowed }: Disorder): fc.Arbitrary<readonly Step[]> {
  const one = fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    forward: fc.oneof({ weight: 8, arbitrary: fc.nat(4) }, { weight: 1, arbitrary: fc.nat(60) }),
    back: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: fc.nat(actual) }),
    watermark: fc.boolean(),
    move: fc.integer({ min: 0, max: 15 }),
  });
  return fc.array(one, { maxLength: MOST }).map((all) => {
    const steps: Step[] = [];
    let greatest = FIRST;
    all.forEach(({ key, forward, back, watermark, move }, id) => {
      const timestamp = greatest + forward - back;
      greatest = Math.max(greatest, timestamp);
      steps.push({ kind: 'element', key, id, timestamp });
      if (watermark) steps.push({ kind: 'watermark', time: greatest - allowed - 1 });
      if (move === 0) steps.push({ kind: 'move' });
    });
    return steps;
  });
}

const length = (max: number) => fc.integer({ min: 1, max });

/** Of any kind that has times, with sizes of the order of the streams' disorder. */
export const assigners: fc.Arbitrary<WindowAssigner> = fc.oneof(
  fc
    .record({ size: length(30), offset: fc.integer({ min: -29, max: 29 }) })
    .map(({ size, offset }) => ({ kind: 'tumbling' as const, size, offset: offset % size })),
  fc
    .record({ size: length(24), slide: length(16), offset: fc.integer({ min: -15, max: 15 }) })
    .map(({ size, slide, offset }) => ({ kind: 'sliding' as const, size, slide, offset: offset % slide })),
  length(20).map((gap) => ({ kind: 'session' as const, gap })),
);

export const sliding = fc
  .record({ slide: length(8), times: length(6), offset: fc.integer({ min: -7, max: 7 }) })
  .map(({ slide, times, offset }) => {
    return { kind: 'sliding' as const, size: slide * times, slide, offset: offset % slide };
  });

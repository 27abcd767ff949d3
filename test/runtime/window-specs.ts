/** Windows whose panes keep the numbers that came to them, in each of the three ways. */
import { valueCodec } from '../../src/codec/value.js';
import type { Trigger, WindowAssigner, WindowKeeps, WindowOf, WindowSpec } from '../../src/graph/window.js';

/** A result: which pane, and which elements it shows, ascending. */
export interface Shown {
  readonly key: unknown;
  readonly start: number;
  readonly end: number;
  readonly ids: readonly number[];
}

export type Way = 'reduce' | 'aggregate' | 'add' | 'apply';
/** `add` is an aggregate without `merge`. */
export const WAYS: readonly Way[] = ['reduce', 'aggregate', 'add', 'apply'];

const kept = { codec: valueCodec, schema: undefined };
const shown = (ids: readonly number[], { key, start, end }: WindowOf<unknown>): Shown => ({
  key,
  start,
  end,
  ids: [...ids].sort((a, b) => a - b),
});

/** Elements are lists of one number: so that they can be reduced. */
export function idsBy(way: Way): WindowKeeps {
  const join = (a: unknown, b: unknown) => [...(a as number[]), ...(b as number[])];
  const result = (ids: unknown, window: WindowOf<unknown>) => shown(ids as number[], window);
  if (way === 'reduce') return { ...kept, kind: 'reducing', reduce: join, result };
  const add = { init: () => [], add: join, result };
  if (way === 'add') return { ...kept, kind: 'aggregating', aggregate: add };
  if (way === 'aggregate') return { ...kept, kind: 'aggregating', aggregate: { ...add, merge: join } };
  return {
    ...kept,
    kind: 'list',
    *apply(elements, window) {
      yield shown((elements as number[][]).flat(), window);
    },
  };
}

export function specOf(
  assign: WindowAssigner,
  way: Way,
  more: { readonly lateness?: number; readonly trigger?: Trigger<unknown, unknown> } = {},
): WindowSpec {
  return { assign, lateness: more.lateness ?? 0, trigger: more.trigger, keeps: idsBy(way) };
}

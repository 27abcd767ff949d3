/** A window as plain JSON: see describe.ts. */
import type { WindowNode } from './node.js';
import { isSliced, sliceLength, type WindowAssigner, type WindowKeeps, type WindowSpec } from './window.js';

/** Lengths are milliseconds. */
export interface WindowDescription {
  readonly assign: AssignerDescription;
  readonly lateness: number;
  /** `eventTime` where none was given; else its kind, such as `count(100)`. */
  readonly trigger: string;
  readonly function: 'reduce' | 'aggregate' | 'apply';
  /** Where panes are made of slices, so that an element changes one of them only: their length. */
  readonly slice?: number;
}

export type AssignerDescription =
  | { readonly kind: 'tumbling'; readonly size: number; readonly offset: number }
  | { readonly kind: 'sliding'; readonly size: number; readonly slide: number; readonly offset: number }
  /** A gap of null: each element has its own. */
  | { readonly kind: 'session'; readonly gap: number | null }
  | { readonly kind: 'global' };

export function describeWindow({ spec }: WindowNode): WindowDescription {
  const { assign, lateness, trigger, keeps } = spec;
  return {
    assign: describeAssigner(assign),
    lateness,
    trigger: trigger?.kind ?? 'eventTime',
    function: FUNCTION[keeps.kind],
    ...(assign.kind === 'sliding' && isSliced(spec) ? { slice: sliceLength(assign) } : {}),
  };
}

/** What it keeps, by the names under which `inspect` finds it. */
export function describePanes(spec: WindowSpec) {
  const { keeps, trigger } = spec;
  const { codec, schema } = keeps;
  const panes = {
    name: isSliced(spec) ? 'slices' : 'panes',
    kind: keeps.kind,
    codec: codec.id,
    version: schema?.version ?? 1,
    formerly: [],
  };
  if (trigger === undefined) return [panes];
  return [panes, { name: 'trigger', kind: 'value', codec: 'value', version: 1, formerly: [] } as const];
}

const FUNCTION = { reducing: 'reduce', aggregating: 'aggregate', list: 'apply' } as const satisfies Readonly<
  Record<WindowKeeps['kind'], WindowDescription['function']>
>;

function describeAssigner(assign: WindowAssigner): AssignerDescription {
  if (assign.kind !== 'session') return assign;
  return { kind: 'session', gap: typeof assign.gap === 'number' ? assign.gap : null };
}

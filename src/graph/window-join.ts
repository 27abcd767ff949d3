/**
 * Reads what `KeyedStream.windowJoin` was given into a window that does it: one that gathers the elements of both streams,
 * each with its side, and pairs them when it gives its result. Pure.
 */
import { type Bag, isBag } from './bag.js';
import { formerlyOf, type JoinType, joinFindings, joinType, LEFT, RIGHT, type Tagged } from './join.js';
import { show } from './names.js';
import { readWindow } from './read-window.js';
import { readSchema } from './schemas.js';
import { taggedSchema } from './tagged-schema.js';
import type { SessionWindows, WindowOf, WindowSpec } from './window.js';

const KNOWN = ['assign', 'lateness', 'type', 'join', 'left', 'right', 'formerly'];

type Join = (left: unknown, right: unknown, window: WindowOf<unknown>) => unknown;

export interface ReadWindowJoin {
  /** Of elements as `Tagged`. Usable only where there are no findings. */
  readonly spec: WindowSpec;
  readonly type: JoinType;
  readonly formerly: readonly string[];
  /** Clauses without the operator's name. */
  readonly findings: readonly string[];
}

export function readWindowJoin(given: unknown): ReadWindowJoin {
  const bag = isBag(given) ? given : {};
  const type = joinType(bag);
  const join = bag['join'] as Join;
  const { assign, lateness } = bag;
  const { spec, findings } = readWindow({
    assign: ofElements(assign),
    lateness,
    schema: taggedSchema(readSchema(bag['left']), readSchema(bag['right'])),
    apply: pairing(type, (left, right, window) => Reflect.apply(join, given, [left, right, window])),
  });
  if (!isBag(given))
    return {
      spec,
      type,
      formerly: [],
      findings: [`expected an object with assign and join, found ${show(given)}`],
    };
  const never = isGlobal(assign)
    ? ['assign: windows.global() never ends, so that no pair of it would be known']
    : findings;
  return { spec, type, formerly: formerlyOf(bag), findings: [...joinFindings(bag, KNOWN), ...never] };
}

/** The pairs of a pane: for each element on the left, in the order they came, those on the right. */
function pairing(type: JoinType, join: Join) {
  return function* (elements: readonly unknown[], window: WindowOf<unknown>): Generator<unknown> {
    const tagged = elements as readonly Tagged[];
    const rights = tagged.filter(([side]) => side === RIGHT);
    for (const [side, left] of tagged) {
      if (side !== LEFT) continue;
      for (const [, right] of rights) yield join(left, right, window);
      if (rights.length === 0 && type === 'left') yield join(left, undefined, window);
    }
  };
}

/** A session's gap is told by the elements themselves. */
function ofElements(assign: unknown): unknown {
  if (!isBag(assign) || assign['kind'] !== 'session' || typeof assign['gap'] !== 'function') return assign;
  const gap = assign['gap'] as (element: unknown) => unknown;
  return { ...assign, gap: ([, element]: Tagged) => gap(element) } as SessionWindows<Tagged>;
}

function isGlobal(assign: unknown): assign is Bag {
  return isBag(assign) && assign['kind'] === 'global';
}

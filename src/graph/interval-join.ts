/** Reads what `KeyedStream.intervalJoin` was given into a `process` operator that does it. Pure. */
import { isBag } from './bag.js';
import { type Interval, intervalProcess } from './interval-process.js';
import { formerlyOf, joinFindings, joinType } from './join.js';
import { readBound } from './lengths.js';
import { show } from './names.js';
import type { IntervalDescription } from './node.js';
import type { ProcessSpec } from './process.js';
import { readSchema } from './schemas.js';

const KNOWN = ['between', 'type', 'join', 'left', 'right', 'formerly'];

export interface ReadIntervalJoin {
  readonly description: IntervalDescription;
  readonly spec: ProcessSpec<unknown, unknown>;
  readonly formerly: readonly string[];
  /** Clauses without the operator's name. */
  readonly findings: readonly string[];
}

export function readIntervalJoin(given: unknown): ReadIntervalJoin {
  const bag = isBag(given) ? given : {};
  const findings = isBag(given)
    ? joinFindings(bag, KNOWN)
    : [`expected an object with between and join, found ${show(given)}`];
  const [lower, upper] = isBag(given) ? readBetween(bag['between'], findings) : [0, 0];
  const description = { kind: 'interval', type: joinType(bag), lower, upper } as const;
  const join = bag['join'] as Interval['join'];
  const interval: Interval = {
    ...description,
    left: readSchema(bag['left']),
    right: readSchema(bag['right']),
    // As a method of what was given, whatever `this` is to it.
    join: (left, right, context) => Reflect.apply(join, given, [left, right, context]),
  };
  return { description, spec: intervalProcess(interval), formerly: formerlyOf(bag), findings };
}

function readBetween(between: unknown, findings: string[]): readonly [number, number] {
  if (!Array.isArray(between) || between.length !== 2) {
    findings.push(`between: expected two bounds such as ['-5m', '10m'], found ${show(between)}`);
    return [0, 0];
  }
  const [lower, upper] = between.map((given: unknown, i) => {
    const bound = readBound(given);
    if (typeof bound === 'number') return bound;
    findings.push(`between[${i}]: ${bound}`);
    return Number.NaN;
  });
  const bounds = [lower ?? Number.NaN, upper ?? Number.NaN] as const;
  if (bounds[0] > bounds[1])
    findings.push(`between: the lower bound ${show(between[0])} is above the upper one ${show(between[1])}`);
  return bounds;
}

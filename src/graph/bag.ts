/** What plain JavaScript may pass where the types say something else: objects whose properties are looked at one by one. */
import { show } from './names.js';

export type Bag = Readonly<Record<string, unknown>>;

export function isBag(value: unknown): value is Bag {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A finding for each property that is none of `known`. */
export function unknownNames(given: Bag, known: readonly string[]): string[] {
  return Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => `no property ${show(name)}; expected one of: ${known.join(', ')}`);
}

const AGGREGATE = ['init', 'add', 'merge', 'result'];

/** Findings on an `Aggregate`, of a window or a state; empty when its shape is right. */
export function aggregateFindings(aggregate: unknown): string[] {
  if (!isBag(aggregate)) return [`expected an object with init, add and result, found ${show(aggregate)}`];
  const findings = unknownNames(aggregate, AGGREGATE);
  for (const name of AGGREGATE) {
    const value = aggregate[name];
    if (value === undefined && name !== 'merge') findings.push(`${name} is missing`);
    else if (value !== undefined && typeof value !== 'function')
      findings.push(`${name}: expected a function, found ${show(value)}`);
  }
  return findings;
}

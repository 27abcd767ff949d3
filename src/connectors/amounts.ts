/** Findings on options that are durations, sizes or counts. */
import { TidemarkError } from '../base/errors.js';
import { show } from '../graph/names.js';

/** Empty when `parse` takes it, and gives more than 0 (or, where `orNone`, 0). `what`: `a size`, … */
export function amountFindings(
  name: string,
  what: string,
  value: unknown,
  parse: (value: string | number, what: string) => number,
  orNone = false,
): string[] {
  const wrong = [`${name}: expected ${what}${orNone ? '' : ' above 0'}, found ${show(value)}`];
  if (typeof value !== 'string' && typeof value !== 'number') return wrong;
  try {
    const amount = parse(value, name);
    return amount > 0 || (orNone && amount === 0) ? [] : wrong;
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    return wrong;
  }
}

/** Empty for a whole number of 1 or more. */
export function countFindings(name: string, value: unknown): string[] {
  if (Number.isSafeInteger(value) && Number(value) >= 1) return [];
  return [`${name}: expected a whole number, 1 or more, found ${show(value)}`];
}

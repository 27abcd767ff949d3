/**
 * Restart strategies as text: `none`, `fixed-delay:DELAY:ATTEMPTS`, `exponential-delay:INITIAL:MAXIMUM:ATTEMPTS`,
 * `failure-rate:FAILURES:WINDOW:DELAY`. Trailing parts may be left out.
 */
import { parseDuration } from '../base/duration.js';
import { TidemarkError } from '../base/errors.js';
import { show } from './names.js';
import { MAX_DURATION, type RestartSettings } from './settings.js';

const DEFAULT_DELAY = '1s';
const DEFAULT_ATTEMPTS = '10';
const DEFAULT_FAILURES = '3';
const DEFAULT_WINDOW = '1m';
const DEFAULT_MAXIMUM = '1m';
const BACKOFF_FACTOR = 2;
/** The most attempts or failures a strategy may name. */
const MAX_ATTEMPTS = 1_000_000;

/** How many parts may follow each strategy's name. */
const PARTS: Readonly<Record<RestartSettings['strategy'], number>> = {
  none: 0,
  'fixed-delay': 2,
  'exponential-delay': 3,
  'failure-rate': 3,
};

/**
 * Reads a restart strategy. `where` names the setting in the error.
 * @throws TidemarkError USAGE when it is none.
 */
export function parseRestart(text: string, where = '--restart'): RestartSettings {
  const [strategy = '', ...parts] = typeof text === 'string' ? text.trim().split(':') : [];
  if (!isStrategy(strategy) || parts.length > PARTS[strategy]) {
    throw wrong(where, `${show(text)} is not a restart strategy`);
  }
  const [first, second, third] = parts;
  if (strategy === 'none') return { strategy };
  if (strategy === 'fixed-delay') {
    return {
      strategy,
      delay: wait(first ?? DEFAULT_DELAY, where),
      attempts: count(second ?? DEFAULT_ATTEMPTS, where),
    };
  }
  if (strategy === 'failure-rate') {
    return {
      strategy,
      failures: count(first ?? DEFAULT_FAILURES, where),
      window: wait(second ?? DEFAULT_WINDOW, where),
      delay: wait(third ?? DEFAULT_DELAY, where),
    };
  }
  const initial = wait(first ?? DEFAULT_DELAY, where);
  const maximum = wait(second ?? DEFAULT_MAXIMUM, where);
  if (maximum < initial) {
    throw wrong(where, `the longest delay of ${show(text)} is shorter than the first`);
  }
  return {
    strategy,
    initial,
    maximum,
    factor: BACKOFF_FACTOR,
    attempts: count(third ?? DEFAULT_ATTEMPTS, where),
  };
}

function isStrategy(name: string): name is RestartSettings['strategy'] {
  return Object.hasOwn(PARTS, name);
}

function wait(text: string, where: string): number {
  const ms = parseDuration(text, where);
  if (ms <= MAX_DURATION) return ms;
  throw wrong(where, `${show(text)} is longer than 24 days`);
}

function count(text: string, where: string): number {
  const number = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= MAX_ATTEMPTS) return number;
  throw wrong(where, `expected a number from 1 to ${MAX_ATTEMPTS}, found ${show(text)}`);
}

function wrong(where: string, message: string): TidemarkError {
  return new TidemarkError('USAGE', `${where}: ${message}`, {
    hint: 'use none, fixed-delay:1s:3, exponential-delay:1s:1m:10 or failure-rate:3:1m:1s',
  });
}

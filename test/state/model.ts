/** The oracle: the state of all keys in plain Maps and arrays, and what a snapshot of it must hold. */
import type { Key, KeyIdentity } from '../../src/codec/key.js';
import type { Entry } from '../../src/format/entry.js';
import type { TimerTime } from '../../src/state/backend.js';
import { entryOf, keyBytes, keys, lines, TABLES, timeBytes, valueBytes } from './harness.js';

export interface ModelKey {
  readonly key: Key;
  /** Whether a value is set, which may be undefined. */
  value: { readonly set: boolean; readonly of: unknown };
  number: number | undefined;
  list: unknown[];
  /** By identity, in order of insertion. */
  readonly map: Map<KeyIdentity, { readonly key: Key; value: unknown }>;
}

export type TimerIndex = 0 | 1 | 2;

export interface ModelTimer {
  readonly index: TimerIndex;
  readonly time: number;
  readonly key: Key;
}

export class Model {
  readonly #keys = new Map<KeyIdentity, ModelKey>();
  /** In order of setting. */
  timers: ModelTimer[] = [];

  at(key: Key): ModelKey {
    const identity = keys.identity(key);
    const known = this.#keys.get(identity);
    if (known !== undefined) return known;
    const fresh: ModelKey = {
      key,
      value: { set: false, of: undefined },
      number: undefined,
      list: [],
      map: new Map(),
    };
    this.#keys.set(identity, fresh);
    return fresh;
  }

  all(): ModelKey[] {
    return [...this.#keys.values()];
  }

  setTimer(timer: ModelTimer): void {
    if (!this.timers.some((other) => sameTimer(other, timer))) this.timers.push(timer);
  }

  deleteTimers(which: (timer: ModelTimer) => boolean): void {
    this.timers = this.timers.filter((timer) => !which(timer));
  }

  /** The earliest of an order, the first set among equals. */
  next(time: TimerTime): ModelTimer | undefined {
    let next: ModelTimer | undefined;
    for (const timer of this.timers) {
      if (timeOf(timer) === time && (next === undefined || timer.time < next.time)) next = timer;
    }
    return next;
  }

  /** Every entry a snapshot taken now must have, as lines: later changes do not reach them. */
  lines(): string[] {
    return lines(this.entries());
  }

  /** The same as entries: those of a map in its order, timers in the order of setting. */
  entries(): Entry[] {
    const found: Entry[] = [];
    for (const { key, value, number, list, map } of this.#keys.values()) {
      if (value.set) found.push(entryOf(TABLES.value, key, undefined, valueBytes(value.of)));
      if (number !== undefined) found.push(entryOf(TABLES.number, key, undefined, valueBytes(number)));
      if (list.length > 0) found.push(entryOf(TABLES.list, key, undefined, valueBytes(list)));
      for (const cell of map.values()) {
        found.push(entryOf(TABLES.map, key, keyBytes(cell.key), valueBytes(cell.value)));
      }
    }
    for (const { index, time, key } of this.timers) {
      found.push(entryOf(timerTable(index), key, timeBytes(time), Buffer.alloc(0)));
    }
    return found;
  }
}

export const TIMES: readonly TimerTime[] = ['processing', 'event'];
const TIMER_TABLES = [TABLES.early, TABLES.late, TABLES.due] as const;

export function timerTable(index: TimerIndex): number {
  return TIMER_TABLES[index];
}

export function timeOf({ index }: ModelTimer): TimerTime {
  return index === 2 ? 'event' : 'processing';
}

export function sameTimer(a: ModelTimer, b: ModelTimer): boolean {
  return a.index === b.index && a.time === b.time && keys.identity(a.key) === keys.identity(b.key);
}

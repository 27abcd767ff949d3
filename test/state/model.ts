/** The oracle: the state of all keys in plain Maps and arrays, and what a snapshot of it must hold. */
import type { Key, KeyIdentity } from '../../src/codec/key.js';
import { expectedLine, keyBytes, keys, TABLES, timeBytes, valueBytes } from './harness.js';

export interface ModelKey {
  readonly key: Key;
  /** Whether a value is set, which may be undefined. */
  value: { readonly set: boolean; readonly of: unknown };
  number: number | undefined;
  list: unknown[];
  /** By identity, in order of insertion. */
  readonly map: Map<KeyIdentity, { readonly key: Key; value: unknown }>;
}

export interface ModelTimer {
  readonly index: 0 | 1;
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

  /** The earliest, the first set among equals. */
  next(): ModelTimer | undefined {
    let next: ModelTimer | undefined;
    for (const timer of this.timers) if (next === undefined || timer.time < next.time) next = timer;
    return next;
  }

  /** Every entry a snapshot taken now must have, as bytes: later changes do not reach it. */
  lines(): string[] {
    const found: string[] = [];
    for (const { key, value, number, list, map } of this.#keys.values()) {
      if (value.set) found.push(expectedLine(TABLES.value, key, undefined, valueBytes(value.of)));
      if (number !== undefined) found.push(expectedLine(TABLES.number, key, undefined, valueBytes(number)));
      if (list.length > 0) found.push(expectedLine(TABLES.list, key, undefined, valueBytes(list)));
      for (const cell of map.values()) {
        found.push(expectedLine(TABLES.map, key, keyBytes(cell.key), valueBytes(cell.value)));
      }
    }
    for (const { index, time, key } of this.timers) {
      const table = index === 0 ? TABLES.early : TABLES.late;
      found.push(expectedLine(table, key, timeBytes(time), Buffer.alloc(0)));
    }
    return found.sort();
  }
}

export function sameTimer(a: ModelTimer, b: ModelTimer): boolean {
  return a.index === b.index && a.time === b.time && keys.identity(a.key) === keys.identity(b.key);
}

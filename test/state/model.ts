/** The oracle: the state of all keys in plain Maps and arrays, and what a snapshot of it must hold. */
import type { Key, KeyIdentity } from '../../src/codec/key.js';
import type { Entry } from '../../src/format/entry.js';
import type { PaneWindow, TimerTime } from '../../src/state/backend.js';
import {
  AFTER,
  entryOf,
  FADING_MAPS,
  FADING_VALUES,
  type FadingIndex,
  keyBytes,
  keys,
  lines,
  paneOf,
  TABLES,
  timeBytes,
  valueBytes,
} from './harness.js';

/** What expires. */
export interface Fading {
  value: unknown;
  stamp: number;
}

export interface FadingMember extends Fading {
  readonly key: Key;
}

export interface ModelKey {
  readonly key: Key;
  /** Whether a value is set, which may be undefined. */
  value: { readonly set: boolean; readonly of: unknown };
  number: number | undefined;
  list: unknown[];
  /** By identity, in order of insertion. */
  readonly map: Map<KeyIdentity, { readonly key: Key; value: unknown }>;
  /** By start. */
  readonly panes: Map<number, { readonly window: PaneWindow; value: unknown }>;
  /** Of each at most one. */
  readonly fading: [Fading | undefined, Fading | undefined];
  readonly fadingMaps: readonly [Map<KeyIdentity, FadingMember>, Map<KeyIdentity, FadingMember>];
}

export type TimerIndex = 0 | 1 | 2;

export interface ModelTimer {
  readonly index: TimerIndex;
  readonly time: number;
  readonly key: Key;
}

export class Model {
  now = 0;
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
      panes: new Map(),
      fading: [undefined, undefined],
      fadingMaps: [new Map(), new Map()],
    };
    this.#keys.set(identity, fresh);
    return fresh;
  }

  all(): ModelKey[] {
    return [...this.#keys.values()];
  }

  /** The stamp of what is set, or read, now. */
  stamp(index: FadingIndex): number {
    return this.now + AFTER[index];
  }

  /** Time goes on; gives what expires by that, as entries. */
  advance(by: number): Entry[] {
    this.now += by;
    const expired: Entry[] = [];
    for (const of of this.#keys.values()) {
      for (const index of [0, 1] as const) {
        const entries = fadingEntries(of, index).filter(({ stamp }) => Number(stamp) <= this.now);
        expired.push(...entries);
        if (this.#isOver(of.fading[index])) of.fading[index] = undefined;
        for (const [identity, member] of of.fadingMaps[index]) {
          if (this.#isOver(member)) of.fadingMaps[index].delete(identity);
        }
      }
    }
    return expired;
  }

  /** Lets all that expires live longer than anything that is set: as after a restore with a shorter time to live. */
  prolong(by: number): void {
    for (const { fading, fadingMaps } of this.#keys.values()) {
      for (const each of [...fading, ...fadingMaps.flatMap((map) => [...map.values()])]) {
        if (each !== undefined) each.stamp += by;
      }
    }
  }

  #isOver(of: Fading | undefined): boolean {
    return of !== undefined && of.stamp <= this.now;
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
    for (const of of this.#keys.values()) {
      const { key, value, number, list, map, panes } = of;
      if (value.set) found.push(entryOf(TABLES.value, key, undefined, valueBytes(value.of)));
      if (number !== undefined) found.push(entryOf(TABLES.number, key, undefined, valueBytes(number)));
      if (list.length > 0) found.push(entryOf(TABLES.list, key, undefined, valueBytes(list)));
      for (const cell of map.values()) {
        found.push(entryOf(TABLES.map, key, keyBytes(cell.key), valueBytes(cell.value)));
      }
      for (const pane of panes.values()) found.push(paneOf(key, pane.window, valueBytes(pane.value)));
      found.push(...fadingEntries(of, 0), ...fadingEntries(of, 1));
    }
    for (const { index, time, key } of this.timers) {
      found.push(entryOf(timerTable(index), key, timeBytes(time), Buffer.alloc(0)));
    }
    return found;
  }
}

function fadingEntries({ key, fading, fadingMaps }: ModelKey, index: FadingIndex): Entry[] {
  const one = fading[index];
  const entry = (table: number, mapKey: Buffer | undefined, { value, stamp }: Fading) =>
    entryOf(table, key, mapKey, valueBytes(value), { stamp: BigInt(stamp) });
  return [
    ...(one === undefined ? [] : [entry(FADING_VALUES[index], undefined, one)]),
    ...Array.from(fadingMaps[index].values(), (of) => entry(FADING_MAPS[index], keyBytes(of.key), of)),
  ];
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

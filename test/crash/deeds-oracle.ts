/** What the state and the output of `many-deeds.ts` must be: the input up to given positions, played on plain maps. */
import { deedOf, FAR, keyOf, SPLITS, shows, textOf } from './definitions/deeds.js';

interface KeyState {
  seen: number;
  last: { readonly n: number; readonly text: string } | undefined;
  readonly parts: Map<number, number>;
  readonly tail: number[];
  readonly timers: Set<number>;
}

/** Goes forward only: positions never fall behind what was asked for before. */
export class DeedsOracle {
  readonly #keys: number;
  readonly #pad: number;
  readonly #state = new Map<string, KeyState>();
  readonly #positions: number[] = new Array<number>(SPLITS).fill(0);
  /** Everything emitted so far. */
  readonly lines = new Set<string>();

  constructor({ keys, pad }: { readonly keys: number; readonly pad: number }) {
    this.#keys = keys;
    this.#pad = pad;
  }

  get positions(): readonly number[] {
    return this.#positions;
  }

  /** Plays on until split `i` has done `positions[i]` numbers. */
  advance(positions: readonly number[]): void {
    for (const [split, to] of positions.entries()) {
      const done = this.#positions[split] ?? 0;
      if (to < done) throw new Error(`split ${split} fell back from ${done} to ${to}`);
      for (let at = done; at < to; at++) this.#play(at * SPLITS + split);
      this.#positions[split] = to;
    }
  }

  /** All entries as `entryText` makes them, sorted. */
  entries(): string[] {
    const rows: string[] = [];
    for (const [key, { seen, last, parts, tail, timers }] of this.#state) {
      if (seen > 0) rows.push(entryText('seen', key, undefined, seen));
      if (last !== undefined) rows.push(entryText('last', key, undefined, last));
      for (const [place, value] of parts) rows.push(entryText('parts', key, place, value));
      if (tail.length > 0) rows.push(entryText('tail', key, undefined, tail));
      for (const time of timers) rows.push(entryText('far', key, time, null));
    }
    return rows.sort();
  }

  #play(n: number): void {
    const key = keyOf(n, this.#keys);
    const { what, place } = deedOf(n);
    const state = this.#of(key);
    const { parts, tail, timers } = state;
    state.seen++;
    if (what === 'set') state.last = { n, text: textOf(n, this.#pad) };
    if (what === 'clear') state.last = undefined;
    if (what === 'put') parts.set(place, n);
    if (what === 'take') parts.delete(place);
    if (what === 'empty') parts.clear();
    if (what === 'add') tail.push(n);
    if (what === 'wipe') tail.splice(0);
    if (what === 'arm') timers.add(FAR + place);
    if (what === 'disarm') timers.delete(FAR + place);
    if (what === 'unarm') timers.clear();
    if (what === 'forget') this.#state.delete(key);
    if (shows(n)) this.lines.add(lineOf(n, this.#state.get(key) ?? fresh()));
  }

  #of(key: string): KeyState {
    const found = this.#state.get(key);
    if (found !== undefined) return found;
    const made = fresh();
    this.#state.set(key, made);
    return made;
  }
}

export function entryText(state: string, key: unknown, at: unknown, value: unknown): string {
  return JSON.stringify([state, key, at ?? null, value]);
}

function lineOf(n: number, { seen, last, parts, tail }: KeyState): string {
  const sum = [...parts].reduce((all, [place, value]) => all + place * value, 0);
  return JSON.stringify({ n, seen, last: last?.n ?? null, parts: sum, tail: tail.length });
}

function fresh(): KeyState {
  return { seen: 0, last: undefined, parts: new Map(), tail: [], timers: new Set() };
}

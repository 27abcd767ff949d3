/** What the job of `everything.ts` has to give, from the elements in the order they came; and what holds for any order. */
import assert from 'node:assert/strict';
import { COUNT, coarse, type Group, gapOf, join, line, SECOND, type Shape, sorted } from './everything.js';
import { type Arrival, type NaiveWindows, naive, session, sliding, tumbling } from './naive.js';

/** The windows whose results are lines of key, window and elements, and what they do by the plain computation. */
export function plainWindows(shape: Shape): Readonly<Record<string, NaiveWindows & { inOrder?: boolean }>> {
  const { size, slide, offset, gap, lateness } = shape;
  const merges = false;
  return {
    first: { windowsOf: tumbling(size), merges, lateness: 0 },
    tumbling: { windowsOf: tumbling(size, offset), merges, lateness },
    sliced: { windowsOf: sliding(size, slide, offset), merges, lateness },
    reduced: { windowsOf: sliding(size, slide), merges, lateness },
    sliding: { windowsOf: sliding(size, slide, offset), merges, lateness, inOrder: true },
    session: { windowsOf: session((arrival) => gapOf(shape, arrival)), merges: true, lateness },
    visits: { windowsOf: session(() => gap), merges: true, lateness },
  };
}

/** The elements in the order they came, by key, as `seen` tells. */
export function arrivalsOf(lines: readonly string[]): Arrival[][] {
  const keys = new Map<string, (Arrival & { readonly seq: number })[]>();
  for (const text of lines) {
    if (!text.startsWith('seen ')) continue;
    const [key, seq, id, t, v, met] = JSON.parse(text.slice(5)) as [
      string,
      number,
      number,
      number,
      number,
      number | null,
    ];
    const arrivals = keys.get(key) ?? [];
    arrivals.push({ id, key, t, v, watermark: met ?? Number.NEGATIVE_INFINITY, seq });
    keys.set(key, arrivals);
  }
  return [...keys.values()].map((arrivals) => arrivals.sort((a, b) => a.seq - b.seq));
}

/** All lines but those of `seen`, sorted. */
export function expected(keys: readonly (readonly Arrival[])[], shape: Shape): string[] {
  const lines: string[] = [];
  const second = new Map<string, Group & { start: number; end: number }>();
  for (const arrivals of keys) {
    const key = arrivals[0]?.key ?? '';
    for (const [uid, windowed] of Object.entries(plainWindows(shape))) {
      const { fired, late } = naive(arrivals, windowed);
      const shown = windowed.inOrder ? (ids: readonly number[]) => ids : sorted;
      lines.push(...fired.map((pane) => line(uid, key, pane, shown(pane.ids))));
      lines.push(...late.map((id) => `late ${uid} ${id}`));
      if (uid !== 'first') continue;
      lines.push(...fired.map((pane) => line('cells', key, pane, sorted(pane.ids))));
      lines.push(...late.map((id) => `late cells ${id}`));
      for (const { end, ids } of fired) {
        const long = SECOND * shape.size;
        const start = Math.floor((end - 1) / long) * long;
        const name = `${coarse(key)} ${start}`;
        const before = second.get(name)?.ids ?? [];
        second.set(name, { key: coarse(key), start, end: start + long, ids: join(before, ids) });
      }
    }
    for (let i = COUNT; i <= arrivals.length; i += COUNT) {
      lines.push(
        `counted ${key} ${arrivals
          .slice(i - COUNT, i)
          .map(({ id }) => id)
          .join()}`,
      );
    }
  }
  for (const group of second.values()) lines.push(line('second', group.key, group, sorted(group.ids)));
  return lines.sort();
}

export const unseen = (lines: readonly string[]) => lines.filter((line) => !line.startsWith('seen '));

interface Lines {
  /** By window, as text: the elements of each result. */
  readonly main: ReadonlyMap<string, readonly (readonly number[])[]>;
  readonly late: readonly number[];
}

function linesOf(uid: string, lines: readonly string[]): Lines {
  const main = new Map<string, number[][]>();
  const late: number[] = [];
  for (const line of lines) {
    const [first, ...rest] = line.split(' ');
    if (first === 'late' && rest[0] === uid) late.push(Number(rest[1]));
    if (first !== uid) continue;
    const window = rest.slice(0, 3).join(' ');
    main.set(window, [...(main.get(window) ?? []), (rest[3] ?? '').split(',').map(Number)]);
  }
  return { main, late };
}

/**
 * Of windows with late output: every element is in main or in late output, and in one of them only; a pane gives one result,
 * or, with lateness, one for each element that came late, with it and all that were there before. Returns how many
 * elements were late without lateness, and how many results were not the first of their pane.
 */
export function assertMainAndLate(lines: readonly string[], ids: readonly number[], shape: Shape) {
  let late = 0;
  let again = 0;
  for (const [uid, { lateness }] of Object.entries(plainWindows(shape))) {
    const found = linesOf(uid, lines);
    if (uid === 'first') late += found.late.length;
    const inMain = new Set([...found.main.values()].flat(2));
    assert.deepEqual(
      [...inMain, ...found.late].sort((a, b) => a - b),
      sorted(ids),
      `${uid}: main and late`,
    );
    for (const [window, results] of found.main) {
      if (lateness === 0) assert.equal(results.length, 1, `${uid} ${window} fired twice`);
      again += results.length - 1;
      const growing = results.toSorted((a, b) => a.length - b.length);
      for (const [i, result] of growing.entries()) {
        const before = growing[i - 1] ?? [];
        assert.ok(result.length > before.length && before.every((id) => result.includes(id)), window);
      }
    }
  }
  return { late, again };
}

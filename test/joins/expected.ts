/** What the job of `joined.ts` has to give, as plainly as can be, from the elements in the order they came. */
import assert from 'node:assert/strict';
import { type Arrival, type NaiveWindows, naive, session, sliding, tumbling } from '../time/naive.js';
import { gapOf, type JoinShape, type Pair, pairText, RIGHT_FROM } from './joined.js';

export const isLeft = ({ id }: { readonly id: number }) => id < RIGHT_FROM;
const sideOf = (id: number) => (isLeft({ id }) ? 'left' : 'right');

interface Timed extends Pair {
  readonly timestamp: number;
}

/** All pairs of one key that are near in time; of a left join, those that have no partner, too. */
function nearPairs(
  arrivals: readonly Arrival[],
  { lower, upper }: Pick<JoinShape, 'lower' | 'upper'>,
  left: boolean,
): readonly Timed[] {
  const timely = arrivals.filter(({ t, watermark }) => t > watermark);
  const rights = timely.filter((one) => !isLeft(one));
  return timely.filter(isLeft).flatMap((l): Timed[] => {
    const partners = rights.filter((r) => r.t >= l.t + lower && r.t <= l.t + upper);
    if (partners.length === 0 && left)
      return [{ key: l.key, left: l.id, right: null, timestamp: l.t + Math.max(upper, 0) }];
    return partners.map((r) => ({ key: l.key, left: l.id, right: r.id, timestamp: Math.max(l.t, r.t) }));
  });
}

function intervalLines(arrivals: readonly Arrival[], shape: JoinShape): string[] {
  const key = arrivals[0]?.key ?? '';
  const lines: string[] = [];
  for (const uid of ['near', 'beside']) {
    const pairs = nearPairs(arrivals, shape, uid === 'beside');
    lines.push(...pairs.map((pair) => `${uid} ${key} ${pairText(pair)} ${pair.timestamp}`));
    const late = arrivals.filter(({ t, watermark }) => t <= watermark);
    lines.push(...late.map(({ id }) => `late ${uid} ${sideOf(id)} ${id}`));
    if (uid === 'near') continue;
    const after = new Map<number, string[]>();
    for (const pair of pairs) {
      const start = Math.floor(pair.timestamp / shape.size) * shape.size;
      after.set(start, [...(after.get(start) ?? []), pairText(pair)]);
    }
    for (const [start, texts] of after) lines.push(`after ${key} ${start} ${texts.sort().join()}`);
  }
  return lines;
}

type PlainJoin = NaiveWindows & { readonly left: boolean };

export function plainJoins(shape: JoinShape): Readonly<Record<string, PlainJoin>> {
  const { size, slide, lateness } = shape;
  return {
    tumbled: { windowsOf: tumbling(size), merges: false, lateness, left: false },
    slid: { windowsOf: sliding(size, slide), merges: false, lateness, left: true },
    session: {
      windowsOf: session((arrival) => gapOf(shape, arrival)),
      merges: true,
      lateness,
      left: true,
    },
  };
}

function windowLines(arrivals: readonly Arrival[], shape: JoinShape): string[] {
  const key = arrivals[0]?.key ?? '';
  return Object.entries(plainJoins(shape)).flatMap(([uid, plain]) => {
    const { fired, late } = naive(arrivals, plain);
    const results = fired.flatMap(({ start, end, ids }) => {
      const rights = ids.filter((id) => !isLeft({ id }));
      const partners: readonly (number | null)[] = rights.length === 0 && plain.left ? [null] : rights;
      const lefts = ids.filter((id) => isLeft({ id }));
      return lefts.flatMap((left) =>
        partners.map((right) => `${uid} ${key} ${start} ${end} ${pairText({ key, left, right })}`),
      );
    });
    return [...results, ...late.map((id) => `late ${uid} ${sideOf(id)} ${id}`)];
  });
}

/** All lines but those of `seen`, `rule` and `ruled`. */
export function expected(keys: readonly (readonly Arrival[])[], shape: JoinShape): string[] {
  return keys.flatMap((arrivals) => [...intervalLines(arrivals, shape), ...windowLines(arrivals, shape)]);
}

export const ofJoins = (lines: readonly string[]) =>
  lines.filter((line) => !/^(seen|rule|ruled) /.test(line));

/**
 * Every rule came once; every element on the left found all that had come until then, in the order they came, and never
 * fewer than one of its key before it.
 */
export function assertRules(
  lines: readonly string[],
  rules: readonly number[],
  lefts: readonly number[],
): void {
  const placed = lines
    .filter((line) => line.startsWith('rule '))
    .map((line) => line.split(' ').slice(1).map(Number))
    .sort(([a = 0], [b = 0]) => a - b);
  assert.deepEqual(
    placed.map(([place]) => place),
    rules.map((_, i) => i + 1),
  );
  assert.deepEqual(placed.map(([, rule]) => rule).sort(), rules.toSorted());
  const sums = [0];
  for (const [place = 0, rule = 0] of placed) sums.push((sums.at(-1) ?? 0) + place * rule);
  const ids: number[] = [];
  const found = new Map<string, number>();
  const ruled = lines
    .filter((line) => line.startsWith('ruled '))
    .map((line) => line.split(' ').slice(1))
    .sort((a, b) => Number(a[1]) - Number(b[1]));
  for (const [key = '', , id, count, sum] of ruled) {
    ids.push(Number(id));
    assert.equal(Number(sum), sums[Number(count)], `element ${id} found other rules`);
    assert.ok(Number(count) >= (found.get(key) ?? 0), `element ${id} found fewer rules than one before it`);
    found.set(key, Number(count));
  }
  assert.deepEqual(
    ids.sort((a, b) => a - b),
    lefts.toSorted((a, b) => a - b),
  );
}

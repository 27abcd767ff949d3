/**
 * Bounds that an upgrade changes: at each savepoint the interval join goes on by others, over the same state. A pair is found
 * by the bounds in force when its second element comes, if those before it kept the first for so long.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JobBuilder, type Sink, type SinkSpec, windows } from 'tidemark';
import fc from '../helpers/property.js';
import { splitsOf } from '../runtime/driving.js';
import { arrivalsOf } from '../time/expected.js';
import { History } from '../time/history.js';
import { histories, MAX_PARALLELISM, parallelisms, storages } from '../time/random-events.js';
import { type Element, type Streams, streamsOf } from '../time/stream.js';
import { isLeft } from './expected.js';
import { idOf, keyedSides, lateLines, type Pair, pairText, RIGHT_FROM, seen, stamped } from './joined.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const ELEMENTS = 100;
const BOUND = 20;

interface Bounds {
  readonly lower: number;
  readonly upper: number;
  readonly type: 'inner' | 'left';
}

const bounds: fc.Arbitrary<Bounds> = fc
  .record({
    lower: fc.integer({ min: -50, max: 40 }),
    span: fc.constantFrom(0, 1, 7, 8, 20, 60),
    type: fc.constantFrom('inner' as const, 'left' as const),
  })
  .map(({ lower, span, type }) => ({ lower, upper: lower + span, type }));

function sideOf(seed: number, from: number): Streams {
  const streams = streamsOf({
    seed: seed + from,
    splits: 2,
    elements: ELEMENTS,
    keys: 3,
    bound: BOUND,
    beyond: { share: 0.05, most: 50 },
    pace: 3,
  });
  return Object.fromEntries(
    Object.entries(streams).map(([split, elements]) => [
      split,
      elements.map((element) => ({ ...element, ids: [idOf(element) + from] })),
    ]),
  );
}

/** `version` is which of the bounds are in force. */
function building(sides: readonly Streams[], { lower, upper, type }: Bounds, version: number) {
  const [left = {}, right = {}] = sides;
  const sources = { left: splitsOf<Element>(left, 4), right: splitsOf<Element>(right, 4) };
  return (job: JobBuilder, out: SinkSpec<string, unknown>) => {
    const keyed = keyedSides(job, sources, { bound: BOUND });
    const pairs = keyed.left.intervalJoin('near', keyed.right, {
      between: [lower, upper],
      type,
      join: (l, r, { key }): Pair => ({ key, left: idOf(l), right: r === undefined ? null : idOf(r) }),
    });
    const after = pairs
      .keyBy(({ key }) => key)
      .window('after', { assign: windows.tumbling(10), apply: () => [] });
    seen(keyed.left, keyed.right, () => version)
      .union(
        stamped('near', pairs),
        ...lateLines('near', pairs),
        after.late.map((pair) => `late after ${pairText(pair)}`),
      )
      .sink('out', out as Sink<string>);
  };
}

interface Arrived {
  readonly id: number;
  readonly t: number;
  readonly version: number;
}

/** In the order they came, without those that were late. */
function timely(lines: readonly string[]): readonly (readonly Arrived[])[] {
  const versions = new Map<number, number>();
  for (const line of lines) {
    if (!line.startsWith('seen ')) continue;
    const [, , id, , , , version] = JSON.parse(line.slice(5)) as readonly number[];
    versions.set(Number(id), Number(version));
  }
  return arrivalsOf(lines).map((arrivals) =>
    arrivals
      .filter(({ t, watermark }) => t > watermark)
      .map(({ id, t }) => ({ id, t, version: versions.get(id) ?? -1 })),
  );
}

const within = ({ lower, upper }: Bounds, apart: number) => apart >= lower && apart <= upper;

/** Which pairs must be there, and which may be: bounds of before may have let go of the first of them. */
function pairsOf(keys: readonly (readonly Arrived[])[], all: readonly Bounds[]) {
  const must = new Set<string>();
  const may = new Set<string>();
  for (const arrivals of keys) {
    arrivals.forEach((second, i) => {
      const now = all[second.version];
      for (const first of arrivals.slice(0, i)) {
        if (isLeft(first) === isLeft(second) || now === undefined) continue;
        const [l, r] = isLeft(first) ? [first, second] : [second, first];
        if (!within(now, r.t - l.t)) continue;
        may.add(`${l.id}+${r.id}`);
        const between = all.slice(first.version, second.version + 1);
        if (between.every((one) => within(one, r.t - l.t))) must.add(`${l.id}+${r.id}`);
      }
    });
  }
  return { must, may };
}

test('what is kept is found by the bounds that an upgrade brings, and goes in the end', async () => {
  const runs = fc.record({
    seed: fc.integer(),
    versions: fc.array(bounds, { minLength: 2, maxLength: 5 }),
    storage: storages,
    parallelism: parallelisms,
    events: histories,
  });
  let upgraded = 0;
  await fc.assert(
    fc.asyncProperty(runs, async ({ seed, versions, storage, parallelism, events }) => {
      const sides = [sideOf(seed, 0), sideOf(seed, RIGHT_FROM)];
      /** Each savepoint counts, so that a version comes once. */
      const inForce: Bounds[] = [];
      const next = () => inForce.push(versions[inForce.length % versions.length] ?? assert.fail());
      next();
      const history = await History.begin({
        build: (target) => {
          const now = inForce.at(-1) ?? assert.fail();
          const build = building(sides, now, inForce.length - 1);
          return (job) => build(job, target.sink());
        },
        storage,
        parallelism,
        maxParallelism: MAX_PARALLELISM,
        sameInput: true,
      });
      for (const event of events) {
        if (event.kind === 'savepoint') next();
        await history.obey(event);
      }
      const { entries, tables } = await history.finish();
      const { lines } = history.target;
      assert.equal(new Set(lines).size, lines.length, 'a line stands twice');
      assert.deepEqual(
        lines.filter((line) => line.startsWith('late after')),
        [],
      );
      const keys = timely(lines);
      const { must, may } = pairsOf(keys, inForce);
      const found = lines.flatMap((line) => (line.startsWith('near ') ? [line.split(' ')[2] ?? ''] : []));
      const pairs = new Set(found.filter((pair) => !pair.endsWith('+')));
      for (const pair of must) assert.ok(pairs.has(pair), `${pair} is missing`);
      for (const pair of pairs) assert.ok(may.has(pair), `${pair} is too far apart`);
      const joined = new Set([...pairs].map((pair) => pair.split('+')[0]));
      const alone = found.filter((pair) => pair.endsWith('+')).map((pair) => pair.slice(0, -1));
      for (const id of alone) assert.ok(!joined.has(id), `${id} is alone, and has partners`);
      assert.equal(new Set(alone).size, alone.length);
      if (inForce.every(({ type }) => type === 'left')) {
        const lefts = keys.flat().filter(isLeft);
        assert.equal(joined.size + alone.length, lefts.length, 'each is joined or alone');
      }
      const kept = entries.filter(({ table }) => {
        const { operator, kind } = tables[table] ?? {};
        return operator === 'near' && kind !== 'watermark';
      });
      assert.equal(kept.length, 0, 'something is left');
      upgraded += inForce.length - 1;
    }),
    { numRuns: LONG ? 1_500 : 15, includeErrorInReport: true },
  );
  assert.ok(upgraded > 10, `${upgraded} upgrades`);
});

/**
 * Windows and timers against a plain computation: random streams with disorder, at random parallelisms, cut, crashed and
 * restored at random, on every backend.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SourceContext, SourceSpec } from '../../src/graph/source.js';
import { difference } from '../crash/harness.js';
import fc from '../helpers/property.js';
import { splitsOf } from '../runtime/driving.js';
import { everything, type Shape, sorted } from './everything.js';
import { arrivalsOf, assertMainAndLate, expected, unseen } from './expected.js';
import { type Event, History, type Saved, type Storage, type Target } from './history.js';
import { histories, MAX_PARALLELISM, parallelisms, storages } from './random-events.js';
import { type Element, type StreamOptions, streamsOf } from './stream.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const shapes: fc.Arbitrary<Shape> = fc
  .record({
    bound: fc.integer({ min: 0, max: 40 }),
    lateness: fc.constantFrom(0, 1, 15, 60, 60, 120),
    size: fc.integer({ min: 1, max: 60 }),
    slides: fc.integer({ min: 1, max: 6 }),
    odd: fc.boolean(),
    offset: fc.integer({ min: -59, max: 59 }),
    gap: fc.integer({ min: 1, max: 40 }),
  })
  .map(({ slides, odd, size, offset, ...rest }) => {
    const slide = Math.max(1, Math.min(size, Math.ceil(size / slides) + (odd ? 1 : 0)));
    return { ...rest, size, slide, offset: offset % size };
  });

interface Run {
  readonly shape: Shape;
  readonly stream: Pick<StreamOptions, 'seed' | 'splits' | 'keys' | 'pace'>;
  readonly batch: number;
  readonly concurrency: number | undefined;
  readonly storage: Storage;
  readonly parallelism: number;
  readonly events: readonly Event[];
}

const runs: fc.Arbitrary<Run> = fc.record({
  shape: shapes,
  stream: fc.record({
    seed: fc.integer(),
    splits: fc.integer({ min: 1, max: 5 }),
    keys: fc.integer({ min: 1, max: 12 }),
    pace: fc.integer({ min: 1, max: 12 }),
  }),
  batch: fc.integer({ min: 1, max: 12 }),
  concurrency: fc.constantFrom(undefined, undefined, 1),
  storage: storages,
  parallelism: parallelisms,
  events: histories,
});

const ELEMENTS = 160;
const NEW_SPLITS = 2;
const numRuns = LONG ? 1_500 : 10;
const parameters = { numRuns, includeErrorInReport: true };

interface Result {
  readonly elements: readonly Element[];
  readonly lines: readonly string[];
  readonly saved: Saved;
}

/**
 * With new splits, each time that a source is asked it finds one more: they hold event time back that was ahead of them.
 * None ends before all are found, for a restored end of time is none.
 */
async function growing(
  source: SourceSpec<Element, number>,
  newSplits: number,
): Promise<SourceSpec<Element, number>> {
  const all = await source.splits({} as SourceContext);
  let found = Math.max(1, all.length - newSplits);
  return {
    ...source,
    splits: () => all.slice(0, found++),
    async *read(request) {
      const { signal } = request;
      yield* source.read(request);
      if (found > all.length) return;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
  };
}

async function perform(run: Run, beyond: StreamOptions['beyond'], newSplits = 0): Promise<Result> {
  const streams = streamsOf({ ...run.stream, elements: ELEMENTS, bound: run.shape.bound, beyond });
  const { concurrency } = run;
  const given = splitsOf(streams, run.batch, concurrency === undefined ? {} : { concurrency });
  const source = await growing(given, newSplits);
  const history = await History.begin({
    build: (target: Target) => everything(source, target.sink(), run.shape),
    storage: run.storage,
    parallelism: run.parallelism,
    maxParallelism: MAX_PARALLELISM,
    sameInput: newSplits === 0,
  });
  const last: Event[] = Array.from({ length: newSplits }, () => ({ kind: 'crash', parallelism: 1 }));
  for (const event of [...run.events, ...last]) {
    await history.obey(event);
    const { lines } = history.target;
    assert.equal(new Set(lines).size, lines.length, 'a committed line stands twice');
  }
  const saved = await history.finish();
  const { length } = history.target.lines;
  await history.obey({ kind: 'crash', parallelism: 3 });
  await history.finish();
  assert.equal(history.target.lines.length, length, 'restored after the end, it gives nothing more');
  return { elements: Object.values(streams).flat(), lines: history.target.lines, saved };
}

/** When all is over nothing is kept but what never ends. */
function assertNothingLeft({ tables, entries }: Saved): void {
  const kept = new Set(
    entries.flatMap(({ table }) => {
      const { operator, name, kind } = tables[table] ?? { operator: '?', name: '', kind: '?' };
      return ['splits', 'watermark', 'transactions'].includes(kind) ? [] : [`${operator}.${name}`];
    }),
  );
  for (const name of ['seen.count', 'counted.panes', 'counted.trigger']) kept.delete(name);
  assert.deepEqual([...kept], []);
}

/** Each snapshot is followed by a crash and a restore elsewhere, one step later. */
function afterEachStep(steps: number): Event[] {
  return Array.from({ length: steps }, (_, i): Event[] => [
    { kind: 'steps', count: 1 },
    { kind: 'snapshot', stepsBetween: 0, end: i % 3 === 0 ? 'completed' : 'committed' },
    { kind: 'steps', count: i % 2 },
    { kind: 'crash', parallelism: 1 + (i % MAX_PARALLELISM) },
  ]).flat();
}

/** Some operator has timers to fire at or before its watermark. */
function inAnAdvance({ dataflow }: History): boolean {
  const { times, processes } = dataflow.compiled;
  return [...processes].some(([uid, operators]) =>
    operators.some(({ backend }) => backend.nextTimer('event') <= (times.get(uid)?.watermark ?? 0)),
  );
}

describe('more panes due at once than a step fires', () => {
  for (const kept of ['memory', 'memory, changes', 'disk'] as const) {
    test(`crashes between any two steps, on ${kept}`, async () => {
      // Event time stands still while the second split is read, and then goes on by much at once.
      const stream = { seed: 3, splits: 2, elements: 500, keys: 200, pace: 1, bound: 5 };
      const shape = { bound: 5, lateness: 40, size: 20, slide: 10, offset: 3, gap: 8 };
      const streams = streamsOf({ ...stream, beyond: { share: 0.1, most: 300 } });
      const history = await History.begin({
        build: (target: Target) =>
          everything(splitsOf(streams, 250, { concurrency: 1 }), target.sink(), shape),
        storage: kept,
        parallelism: 1,
        maxParallelism: MAX_PARALLELISM,
        sameInput: true,
      });
      let cuts = 0;
      for (const event of afterEachStep(25)) {
        await history.obey(event);
        if (event.kind === 'snapshot' && inAnAdvance(history)) cuts++;
      }
      assert.ok(cuts >= 8, `${cuts} snapshots fell between two timers of one advance`);
      await history.finish();
      const { lines } = history.target;
      const ids = Object.values(streams).flatMap((split) => split.flatMap((element) => element.ids));
      assertMainAndLate(lines, ids, shape);
      assert.equal(difference(unseen(lines), expected(arrivalsOf(lines), shape)), '');
    });
  }
});

describe('within the bound of disorder', () => {
  test('any history gives exactly what a plain computation over the whole input gives', async () => {
    await fc.assert(
      fc.asyncProperty(runs, async (run) => {
        const { elements, lines, saved } = await perform(run, { share: 0, most: 1 });
        const keys = arrivalsOf(lines);
        assert.equal(keys.flat().length, elements.length);
        // The order of one key's elements over splits is the run's own; nothing else is.
        const plain = keys.map((arrivals) =>
          arrivals.map(({ id, v }) => {
            const { key, t } = elements.find(({ ids }) => ids[0] === id) ?? { key: '', t: Number.NaN };
            return { id, key, t, v, watermark: Number.NEGATIVE_INFINITY };
          }),
        );
        assert.equal(difference(unseen(lines), expected(plain, run.shape)), '');
        assertNothingLeft(saved);
      }),
      parameters,
    );
  });
});

describe('beyond the bound of disorder', () => {
  test('main and late output are disjoint and everything, and each pane gives what it should', async () => {
    let all = 0;
    let late = 0;
    let again = 0;
    await fc.assert(
      fc.asyncProperty(runs, async (run) => {
        const { elements, lines, saved } = await perform(run, { share: 0.3, most: 250 }, NEW_SPLITS);
        all += elements.length;
        const ids = elements.flatMap((element) => element.ids);
        const found = assertMainAndLate(lines, ids, run.shape);
        late += found.late;
        again += found.again;
        const keys = arrivalsOf(lines);
        assert.deepEqual(sorted(keys.flat().map(({ id }) => id)), sorted(ids));
        assert.equal(difference(unseen(lines), expected(keys, run.shape)), '');
        assertNothingLeft(saved);
      }),
      parameters,
    );
    assert.ok(late >= all * 0.05, `${late} of ${all} elements were late`);
    assert.ok(again > 20, `${again} results were not the first of their pane`);
  });
});

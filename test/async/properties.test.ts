/**
 * `asyncMap` against a plain computation: calls that are answered late, in any order, not at the first try or never, before
 * windows and between windows, at random parallelisms, cut, crashed and restored at random, on every backend.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SourceSpec, Stream } from 'tidemark';
import { difference } from '../crash/harness.js';
import fc from '../helpers/property.js';
import { splitsOf } from '../runtime/driving.js';
import { type Between, everything, type Shape, sorted } from '../time/everything.js';
import { arrivalsOf, assertMainAndLate, expected, unseen } from '../time/expected.js';
import { type Event, History, type Saved, type Storage, type Target } from '../time/history.js';
import { type Element, type Streams, streamsOf } from '../time/stream.js';
import { type Answering, Answers } from './answers.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const MAX_PARALLELISM = 5;
const parallelism = fc.integer({ min: 1, max: MAX_PARALLELISM });
const storage: fc.Arbitrary<Storage> = fc.constantFrom('memory', 'memory, changes', 'disk');

const events: fc.Arbitrary<Event[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('steps' as const), count: fc.integer({ min: 1, max: 30 }) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('snapshot' as const),
        stepsBetween: fc.integer({ min: 0, max: 4 }),
        end: fc.constantFrom('committed' as const, 'committed', 'completed', 'aborted', 'lost'),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('crash' as const), parallelism }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('savepoint' as const), parallelism, storage }) },
  ),
  { minLength: 4, maxLength: LONG ? 20 : 14, size: 'max' },
);

const shapes: fc.Arbitrary<Shape> = fc.record({
  bound: fc.integer({ min: 0, max: 40 }),
  lateness: fc.constantFrom(0, 1, 15, 60),
  size: fc.integer({ min: 7, max: 60 }),
  slide: fc.constant(7),
  offset: fc.integer({ min: -6, max: 6 }),
  gap: fc.integer({ min: 1, max: 40 }),
});

/** Where calls are made: on the way to the windows, once or twice, and between windows. */
interface Stage {
  readonly ordered: boolean;
  readonly capacity: number;
}

const stage: fc.Arbitrary<Stage> = fc.record({
  ordered: fc.boolean(),
  capacity: fc.constantFrom(1, 2, 7, 100),
});

interface Run {
  readonly shape: Shape;
  readonly stream: {
    readonly seed: number;
    readonly splits: number;
    readonly keys: number;
    readonly pace: number;
  };
  readonly answering: Answering;
  readonly before: readonly Stage[];
  readonly between: readonly Stage[];
  readonly batch: number;
  readonly storage: Storage;
  readonly parallelism: number;
  readonly events: readonly Event[];
}

const runs: fc.Arbitrary<Run> = fc.record({
  shape: shapes,
  stream: fc.record({
    seed: fc.integer(),
    splits: fc.integer({ min: 1, max: 4 }),
    keys: fc.integer({ min: 1, max: 9 }),
    pace: fc.integer({ min: 1, max: 12 }),
  }),
  answering: fc.record({
    seed: fc.integer(),
    fails: fc.constantFrom(0, 10, 40),
    hangs: fc.constantFrom(0, 0, 10),
    turns: fc.constantFrom(0, 1, 6),
    attempts: fc.integer({ min: 2, max: 4 }),
  }),
  before: fc.array(stage, { minLength: 0, maxLength: 2 }),
  between: fc.array(stage, { minLength: 0, maxLength: 1 }),
  batch: fc.integer({ min: 1, max: 12 }),
  storage,
  parallelism,
  events,
});

const ELEMENTS = LONG ? 100 : 50;
const numRuns = LONG ? 3000 : 15;
const parameters = { numRuns, includeErrorInReport: true };

/** The way through some calls. */
function through<T>(name: string, stages: readonly Stage[], how: Answering, idOf: (element: T) => number) {
  return (stream: Stream<T>): Stream<T> =>
    stages.reduce((from, { ordered, capacity }, at) => {
      const answers = new Answers(how);
      const options = answers.options<T>(ordered, capacity);
      return from.asyncMap(
        `${name}-${at}`,
        (element, ctx) => answers.ask(idOf(element), element, ctx),
        options,
      );
    }, stream);
}

function betweenOf({ before, between, answering }: Run): Between {
  return {
    elements: through('ask', before, answering, ({ ids }) => ids[0] ?? 0),
    results: through('enrich', between, answering, ({ ids }) => ids[0] ?? 0),
  };
}

interface Result {
  readonly streams: Streams;
  readonly lines: readonly string[];
  readonly saved: Saved;
}

async function perform(run: Run, share: number): Promise<Result> {
  const { shape } = run;
  const beyond = { share, most: 200 };
  const streams = streamsOf({ ...run.stream, elements: ELEMENTS, bound: shape.bound, beyond });
  const source: SourceSpec<Element, number> = splitsOf(streams, run.batch);
  const history = await History.begin({
    build: (target: Target) => everything(source, target.sink(), shape, betweenOf(run)),
    storage: run.storage,
    parallelism: run.parallelism,
    maxParallelism: MAX_PARALLELISM,
    sameInput: true,
    tick: 1,
  });
  for (const event of run.events) await history.obey(event);
  const saved = await history.finish();
  return { streams, lines: history.target.lines, saved };
}

/** Elements of one split and key come in their order, wherever they were asked about. */
function assertOrder(lines: readonly string[], streams: Streams): void {
  for (const arrivals of arrivalsOf(lines))
    for (const split of Object.values(streams)) {
      const own = new Set(split.flatMap(({ ids }) => ids));
      const came = arrivals.flatMap(({ id }) => (own.has(id) ? [id] : []));
      assert.deepEqual(came, sorted(came), 'elements of one split and key in another order');
    }
}

function assertNothingInFlight({ tables, entries }: Saved): void {
  const left = entries.filter(({ table }) => tables[table]?.kind === 'in-flight');
  assert.equal(left.length, 0);
}

describe('calls that answer later', () => {
  test('what is behind them is what it would be without', async () => {
    await fc.assert(
      fc.asyncProperty(runs, async (run) => {
        const { streams, lines, saved } = await perform(run, 0);
        const ids = Object.values(streams).flatMap((split) => split.flatMap((element) => element.ids));
        assertNothingInFlight(saved);
        assert.deepEqual(sorted(arrivalsOf(lines).flatMap((key) => key.map(({ id }) => id))), sorted(ids));
        // Within its bound of disorder no element is late, whenever its call was answered.
        assert.deepEqual(
          lines.filter((line) => line.startsWith('late ')),
          [],
        );
        const inOrder = run.before.every(({ ordered }) => ordered);
        if (inOrder) assertOrder(lines, streams);
        assert.equal(difference(unseen(lines), expected(arrivalsOf(lines), run.shape)), '');
      }),
      parameters,
    );
  });

  test('beyond the bound of disorder elements are in the main output or late, each once', async () => {
    await fc.assert(
      fc.asyncProperty(runs, async (run) => {
        const { streams, lines } = await perform(run, 0.1);
        const ids = Object.values(streams).flatMap((split) => split.flatMap((element) => element.ids));
        assertMainAndLate(lines, ids, run.shape);
        assert.equal(difference(unseen(lines), expected(arrivalsOf(lines), run.shape)), '');
      }),
      parameters,
    );
  });
});

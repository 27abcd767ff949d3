/**
 * A job that waits at the positions of another's snapshot holds what that held, whatever the batches, the parallelism and the
 * order in which the splits were read; and is none the worse for it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { schema } from '../../src/codec/schema.js';
import { collect } from '../../src/connectors/collect.js';
import type { JobBuilder } from '../../src/graph/define.js';
import { defineSource } from '../../src/graph/define-source.js';
import { state, type, windows } from '../../src/index.js';
import { entriesOf, type TakenSnapshot, take } from '../../src/testing/taken.js';
import fc from '../helpers/property.js';
import { Driven } from './driving.js';

interface Element {
  readonly key: number;
  readonly at: number;
}

interface Reading {
  readonly parallelism: number;
  readonly batch: number;
  readonly concurrency: number | undefined;
  /** Its positions can be compared. */
  readonly compares: boolean;
}

type Input = readonly (readonly Element[])[];

/** Batches of a size of its own, ending where they are to; positions count elements. */
function reading(input: Input, { batch, concurrency, compares }: Reading) {
  return defineSource({
    position: schema(z.number()),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(compares ? { compare: (a: number, b: number) => a - b } : {}),
    splits: () => input.map((_, split) => ({ id: String(split), start: 0 })),
    async *read({ split, position, until, batch: most }) {
      const all = input[Number(split)] ?? [];
      for (let at = position; at < all.length; ) {
        const stop = until !== undefined && until > at ? until : all.length;
        const end = Math.min(at + batch, at + most, stop, all.length);
        yield { elements: all.slice(at, end), position: end };
        at = end;
      }
    },
  });
}

/** Counts, sums in windows, and sets timers: all of it a function of how far each split was read. */
const counting = (input: Input, how: Reading) => (job: JobBuilder) => {
  const elements = job
    .source('in', reading(input, how))
    .assignTimestamps(({ at }) => at, { outOfOrderness: 0 })
    .keyBy(({ key }) => key);
  elements
    .window('sums', {
      assign: windows.tumbling(20),
      aggregate: { init: () => 0, add: (sum, { at }) => sum + at, result: (sum) => sum },
    })
    .keyBy((sum) => sum % 3)
    .process('results', {
      state: { seen: state.number(0) },
      onElement: (sum, ctx) => ctx.state.seen.update((seen) => seen + sum),
    });
  elements
    .process('timed', {
      state: { fired: state.number(0), seen: state.number(0) },
      timers: { later: 'event' },
      emits: type<number>(),
      onElement({ at }, ctx) {
        ctx.state.seen.update((seen) => seen + 1);
        ctx.timers.later.set(at + 7);
      },
      onTimer: {
        later(at, ctx) {
          ctx.state.fired.update((fired) => fired + at);
          ctx.emit(at);
        },
      },
    })
    .sink('out', collect([]));
};

const open = (input: Input, how: Reading, restore?: TakenSnapshot) =>
  Driven.open(counting(input, how), { parallelism: how.parallelism, restore });

/** As `savepoint` takes one: event time has come to where what was read lets it. */
async function savepoint({ dataflow, clock }: Driven): Promise<TakenSnapshot> {
  dataflow.pause();
  do dataflow.step(clock.monotonic());
  while (!dataflow.advanced);
  const taken = await take(dataflow, 1);
  dataflow.goOn();
  return taken;
}

/** What a snapshot holds, in no order. */
function held(snapshot: TakenSnapshot): readonly string[] {
  const told = [...entriesOf(snapshot)].map(({ table, group, namespace, key, mapKey, value }) =>
    JSON.stringify([table, group, namespace, key, mapKey, value].map((part) => part?.toString())),
  );
  return told.sort();
}

async function atTheEnd(driven: Driven): Promise<readonly string[]> {
  while (!driven.dataflow.ended) await driven.step();
  await driven.settle();
  return held(await take(driven.dataflow, 9));
}

/** Steps until all wait or it is known that they cannot. */
async function settled({ dataflow }: Driven, step: () => Promise<boolean>): Promise<void> {
  for (let turns = 0; turns < 10_000; turns++) {
    if (dataflow.held?.settled === true || dataflow.held?.failure !== undefined) return;
    await step();
  }
  assert.fail(`still waiting for ${dataflow.held?.progress.away.join(', ')}`);
}

const PLACES: ReadonlySet<string> = new Set(['splits', 'watermark']);

/** One is further than the other, in some split or in event time. */
function isPassed(green: Driven, blue: Driven): boolean {
  const positions = ({ dataflow }: Driven) =>
    new Map(
      dataflow.compiled.sources
        .flatMap((source) => [...source.positions()])
        .map((one) => [one.id, Number(one.position)]),
    );
  const times = ({ dataflow }: Driven) => [...dataflow.compiled.times].map(([, { watermark }]) => watermark);
  const there = positions(blue);
  const before = times(blue);
  return (
    [...positions(green)].some(([id, position]) => position > (there.get(id) ?? 0)) ||
    times(green).some((time, index) => time > (before[index] ?? 0))
  );
}

const input = fc
  .array(fc.array(fc.tuple(fc.nat(4), fc.nat(5)), { maxLength: 30 }), { minLength: 1, maxLength: 4 })
  .map((splits) =>
    splits.map((steps) => {
      let at = 0;
      return steps.map(([key, step]): Element => {
        at += step;
        return { key, at };
      });
    }),
  );

const how: fc.Arbitrary<Reading> = fc.record({
  parallelism: fc.integer({ min: 1, max: 4 }),
  batch: fc.integer({ min: 1, max: 9 }),
  concurrency: fc.constantFrom(undefined, 1, 2),
  compares: fc.boolean(),
});

/** Where every split that is read has come to its end, and the others wait unread: the input has not ended. */
const NOTHING_LEFT_TO_READ: [Input, [Reading, number], [Reading, number], number] = [
  [[], [], [{ key: 0, at: 0 }]],
  [{ parallelism: 1, batch: 1, concurrency: undefined, compares: false }, 0],
  [{ parallelism: 1, batch: 1, concurrency: 1, compares: false }, 0],
  0,
];

const RUNS = process.env['TIDEMARK_TEST_LONG'] === '1' ? 5000 : 80;

describe('a savepoint at the positions of another', () => {
  test('holds what that holds; and the job goes on as if nothing had been', async () => {
    const outcomes = { taken: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(
        input,
        fc.tuple(how, fc.nat(40)),
        fc.tuple(how, fc.nat(12)),
        fc.nat(5),
        async (elements, [blueHow, blueSteps], [greenHow, greenSteps], restoreAfter) => {
          const reference = await atTheEnd(await open(elements, blueHow));
          const blue = await open(elements, blueHow);
          for (let step = 0; step < blueSteps; step++) await blue.step();
          const at = await savepoint(blue);
          const green = await open(elements, greenHow);
          for (let step = 0; step < greenSteps; step++) await green.step();
          const targets = [...entriesOf(at)].filter(({ table }) => PLACES.has(at.tables[table]?.kind ?? ''));
          const passed = isPassed(green, blue);
          try {
            green.dataflow.hold({ tables: at.tables, entries: targets });
            let meanwhile: TakenSnapshot | undefined;
            let steps = 0;
            await settled(green, async () => {
              if (steps++ === restoreAfter) meanwhile = await take(green.dataflow, 2);
              return green.step();
            });
            if (green.dataflow.held?.failure !== undefined) throw green.dataflow.held.failure;
            assert.deepEqual(held(await take(green.dataflow, 3)), held(at));
            assert.ok(!passed);
            outcomes.taken++;
            if (meanwhile !== undefined)
              assert.deepEqual(await atTheEnd(await open(elements, greenHow, meanwhile)), reference);
          } catch (error) {
            if (!(error instanceof Error && 'code' in error && error.code === 'POSITION_PASSED')) throw error;
            outcomes.refused++;
            assert.ok(passed, error.message);
          }
          green.dataflow.release();
          assert.deepEqual(await atTheEnd(green), reference);
        },
      ),
      { numRuns: RUNS, examples: [NOTHING_LEFT_TO_READ] },
    );
    assert.ok(outcomes.taken > RUNS / 4 && outcomes.refused > 0, JSON.stringify(outcomes));
  });
});

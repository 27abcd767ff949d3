/**
 * Two streams that meet, against a plain computation: random streams with disorder, at random parallelisms, cut, crashed
 * and restored at random, on every backend.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/base/random.js';
import { difference } from '../crash/harness.js';
import fc from '../helpers/property.js';
import { splitsOf } from '../runtime/driving.js';
import { arrivalsOf } from '../time/expected.js';
import { type Event, History, type Saved, type Storage } from '../time/history.js';
import type { Arrival } from '../time/naive.js';
import { histories, MAX_PARALLELISM, parallelisms, storages } from '../time/random-events.js';
import { type Element, type StreamOptions, streamsOf } from '../time/stream.js';
import { assertRules, expected, isLeft, ofJoins } from './expected.js';
import { idOf, type JoinShape, type JoinSources, joins, RIGHT_FROM } from './joined.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const ELEMENTS = 60;
const RULES = 12;
const parameters = { numRuns: LONG ? 1_500 : 10, includeErrorInReport: true };

const shapes: fc.Arbitrary<JoinShape> = fc
  .record({
    bound: fc.integer({ min: 0, max: 40 }),
    lower: fc.integer({ min: -50, max: 40 }),
    span: fc.constantFrom(0, 1, 3, 7, 8, 20, 60),
    size: fc.integer({ min: 1, max: 60 }),
    slides: fc.integer({ min: 1, max: 3 }),
    gap: fc.integer({ min: 1, max: 20 }),
    lateness: fc.constantFrom(0, 0, 1, 15, 60),
  })
  .map(({ span, slides, ...rest }) => ({
    ...rest,
    upper: rest.lower + span,
    slide: Math.max(1, Math.ceil(rest.size / slides)),
  }));

export interface Run {
  readonly shape: JoinShape;
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
    splits: fc.integer({ min: 1, max: 3 }),
    keys: fc.integer({ min: 1, max: 6 }),
    pace: fc.integer({ min: 1, max: 12 }),
  }),
  batch: fc.integer({ min: 1, max: 12 }),
  concurrency: fc.constantFrom(undefined, undefined, 1),
  storage: storages,
  parallelism: parallelisms,
  events: histories,
});

interface Given {
  readonly sources: JoinSources;
  readonly elements: readonly Element[];
  readonly rules: readonly number[];
}

function given({ stream, shape, batch, concurrency }: Run, beyond: StreamOptions['beyond']): Given {
  const side = (from: number) => {
    const options = { ...stream, seed: stream.seed + from, elements: ELEMENTS, bound: shape.bound, beyond };
    return Object.fromEntries(
      Object.entries(streamsOf(options)).map(([split, elements]) => [
        split,
        elements.map((element) => ({ ...element, ids: [idOf(element) + from] })),
      ]),
    );
  };
  const more = concurrency === undefined ? {} : { concurrency };
  const [left, right] = [side(0), side(RIGHT_FROM)];
  const random = seededRandom(stream.seed);
  const rules = Array.from({ length: RULES }, () => Math.floor(random.next() * 1_000));
  const split = (odd: number) => rules.filter((_, i) => i % 2 === odd);
  return {
    sources: {
      left: splitsOf(left, batch, more),
      right: splitsOf(right, batch, more),
      rules: splitsOf({ a: split(0), b: split(1) }, 1),
    },
    elements: [...Object.values(left), ...Object.values(right)].flat(),
    rules,
  };
}

interface Result extends Given {
  readonly lines: readonly string[];
  readonly saved: Saved;
}

async function perform(run: Run, beyond: StreamOptions['beyond']): Promise<Result> {
  const all = given(run, beyond);
  const history = await History.begin({
    build: (target) => joins(all.sources, target.sink(), run.shape),
    storage: run.storage,
    parallelism: run.parallelism,
    maxParallelism: MAX_PARALLELISM,
    sameInput: true,
  });
  for (const event of run.events) await history.obey(event);
  const saved = await history.finish();
  const { length } = history.target.lines;
  await history.obey({ kind: 'crash', parallelism: 3 });
  await history.finish();
  assert.equal(history.target.lines.length, length, 'restored after the end, it gives nothing more');
  return { ...all, lines: history.target.lines, saved };
}

/** When all is over nothing is kept but what never ends. */
function assertNothingLeft({ tables, entries }: Saved): void {
  const kept = new Set(
    entries.flatMap(({ table }) => {
      const { operator, name, kind } = tables[table] ?? { operator: '?', name: '', kind: '?' };
      return ['splits', 'watermark', 'transactions'].includes(kind) ? [] : [`${operator}.${name}`];
    }),
  );
  for (const name of ['seen.count', 'ruled.count', 'ruled.rules']) kept.delete(name);
  assert.deepEqual([...kept], []);
}

function check({ lines, elements, rules, saved }: Result, keys: readonly (readonly Arrival[])[], run: Run) {
  assert.equal(keys.flat().length, elements.length);
  assert.equal(difference(ofJoins(lines), expected(keys, run.shape)), '');
  const lefts = elements.map(idOf).filter((id) => isLeft({ id }));
  assertRules(lines, rules, lefts);
  assertNothingLeft(saved);
}

/** As one who has all the input sees it. */
function byKey(elements: readonly Element[]): readonly (readonly Arrival[])[] {
  const keys = new Map<string, Arrival[]>();
  for (const element of elements) {
    const { key, t, v } = element;
    const arrival = { id: idOf(element), key, t, v, watermark: Number.NEGATIVE_INFINITY };
    keys.set(key, [...(keys.get(key) ?? []), arrival]);
  }
  return [...keys.values()];
}

describe('two streams that meet', () => {
  test('within the bound of disorder, any history gives what a plain computation over the whole input gives', async () => {
    let pairs = 0;
    await fc.assert(
      fc.asyncProperty(runs, async (run) => {
        const result = await perform(run, { share: 0, most: 1 });
        pairs += result.lines.filter((line) => /^near /.test(line)).length;
        check(result, byKey(result.elements), run);
      }),
      parameters,
    );
    assert.ok(pairs > 20 * parameters.numRuns, `${pairs} pairs were found`);
  });

  test('beyond it, main and late output are disjoint and everything, and each pair is found that should be', async () => {
    let late = 0;
    await fc.assert(
      fc.asyncProperty(runs, async (run) => {
        const result = await perform(run, { share: 0.3, most: 150 });
        late += result.lines.filter((line) => /^late near /.test(line)).length;
        check(result, arrivalsOf(result.lines), run);
      }),
      parameters,
    );
    assert.ok(late > 5 * parameters.numRuns, `${late} elements were late`);
  });
});

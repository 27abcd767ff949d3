/** How far event time has come: by splits, sources, operators in a row, and across a restore. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { present } from '../../src/base/assert.js';
import type { JobBuilder } from '../../src/graph/define.js';
import type { Stream } from '../../src/graph/stream.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { take } from '../../src/testing/taken.js';
import fc from '../helpers/property.js';
import { Feed } from '../time/feed.js';
import { Driven } from './driving.js';
import { lateOf, NONE, timed, watermark } from './timed.js';

const END = Number.POSITIVE_INFINITY;
const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';

const plain = (feed: Feed<number>, outOfOrderness: number) => (job: JobBuilder) =>
  timed(job.source('in', feed.source()).assignTimestamps((t) => t, { outOfOrderness }));

describe('the watermark', () => {
  test('is the greatest timestamp so far, less the disorder that is allowed and one', async () => {
    const feed = new Feed<number>('a');
    const driven = await Driven.open(plain(feed, 5));
    assert.equal(await watermark(driven), NONE);
    feed.give('a', 100);
    assert.equal(await watermark(driven), 94);
    feed.give('a', 99, 97);
    assert.equal(await watermark(driven), 94);
    feed.give('a', 103, 101);
    assert.equal(await watermark(driven), 97);
  });

  test('counts from before 1970 as well', async () => {
    const feed = new Feed<number>('a');
    const driven = await Driven.open(plain(feed, 0));
    feed.give('a', Number.MIN_SAFE_INTEGER + 1);
    assert.equal(await watermark(driven), Number.MIN_SAFE_INTEGER);
    feed.give('a', -1);
    assert.equal(await watermark(driven), -2);
  });

  test('is none where it would be before the first time there is', async () => {
    const feed = new Feed<number>('a');
    const driven = await Driven.open(plain(feed, 5));
    feed.give('a', Number.MIN_SAFE_INTEGER);
    assert.equal(await watermark(driven), NONE);
    const again = await Driven.open(plain(feed, 5), { restore: await take(driven.dataflow, 1) });
    assert.equal(await watermark(again), NONE);
    feed.give('a', 0);
    assert.equal(await watermark(again), -6);
  });

  test('is the least over the splits, whoever reads them', async () => {
    for (const parallelism of [1, 2, 3, 7]) {
      const feed = new Feed<number>('a', 'b', 'c');
      const driven = await Driven.open(plain(feed, 0), { parallelism });
      feed.give('a', 100);
      feed.give('b', 50);
      assert.equal(await watermark(driven), NONE, 'a split that gave nothing may give anything');
      feed.give('c', 70);
      assert.equal(await watermark(driven), 49);
      feed.give('b', 90);
      assert.equal(await watermark(driven), 69);
    }
  });

  test('is not held back by a split that was read to its end, and is at its own when all were', async () => {
    const feed = new Feed<number>('a', 'b');
    const driven = await Driven.open(plain(feed, 0));
    feed.give('a', 100);
    feed.give('b', 50);
    assert.equal(await watermark(driven), 49);
    feed.end('b');
    assert.equal(await watermark(driven), 99);
    feed.end('a');
    assert.equal(await watermark(driven), END);
  });

  test('is at its end, too, where there never was an element', async () => {
    const feed = new Feed<number>('a', 'b');
    const driven = await Driven.open(plain(feed, 0));
    feed.end();
    assert.equal(await watermark(driven), END);
  });

  test('is the least of the sources', async () => {
    const builds: readonly ((one: Stream<number>, other: Stream<number>) => Stream<number>)[] = [
      (one, other) => one.union(other).assignTimestamps((t) => t, { outOfOrderness: 5 }),
      (one, other) =>
        one
          .map((t) => t)
          .assignTimestamps((t) => t, { outOfOrderness: 0 })
          .union(other.filter(() => true).assignTimestamps((t) => t, { outOfOrderness: 20 })),
    ];
    const found: number[][] = [];
    for (const build of builds) {
      const [left, right] = [new Feed<number>('a'), new Feed<number>('a')];
      const driven = await Driven.open((job) =>
        timed(build(job.source('left', left.source()), job.source('right', right.source()))),
      );
      left.give('a', 100);
      const seen = [await watermark(driven)];
      right.give('a', 110);
      seen.push(await watermark(driven));
      right.end();
      seen.push(await watermark(driven));
      left.end();
      found.push([...seen, await watermark(driven)]);
    }
    assert.deepEqual(found, [
      [NONE, 94, 94, END],
      [NONE, 89, 99, END],
    ]);
  });

  test('reaches operators in a row, one after the other', async () => {
    const feed = new Feed<number>('a');
    const driven = await Driven.open((job) => {
      const first = job
        .source('in', feed.source())
        .assignTimestamps((t) => t, { outOfOrderness: 0 })
        .keyBy((t) => t)
        .process('first', { onElement: () => undefined });
      timed(first.map((t: number) => t));
    });
    feed.give('a', 10);
    assert.equal(await watermark(driven), 9);
    assert.equal(await watermark(driven, 'first'), 9);
  });
});

describe('splits that wait for their turn', () => {
  const inTurn = (feed: Feed<number>, given: boolean) => (job: JobBuilder) =>
    timed(
      job
        .source('in', feed.source({ concurrency: 1 }))
        .assignTimestamps((t) => t, { outOfOrderness: 0, inTurn: given }),
    );

  test('hold event time back', async () => {
    const feed = new Feed<number>('a', 'b');
    const driven = await Driven.open(inTurn(feed, false));
    feed.give('a', 10);
    feed.give('b', 7);
    assert.equal(await watermark(driven), NONE);
    feed.end('a');
    assert.equal(await watermark(driven), 6);
  });

  test('do not where it is said that they follow each other in time', async () => {
    const feed = new Feed<number>('a', 'b');
    const driven = await Driven.open(inTurn(feed, true));
    feed.give('a', 10);
    assert.equal(await watermark(driven), 9);
    feed.end('a');
    assert.equal(await watermark(driven), 9, 'the next has begun, and may give anything');
    feed.give('b', 20);
    assert.equal(await watermark(driven), 19);
    assert.equal(lateOf(driven), 0);
  });

  test('do so after a restore where they had begun', async () => {
    const feed = new Feed<number>('a', 'b', 'c');
    const wide = await Driven.open(inTurn(feed, true), { parallelism: 2 });
    feed.give('a', 30);
    feed.give('b', 20);
    assert.equal(await watermark(wide), 19);
    const narrow = await Driven.open(inTurn(feed, true), { restore: await take(wide.dataflow, 1) });
    feed.give('a', 40);
    assert.equal(await watermark(narrow), 19, 'b waits, but was read up to 20');
    feed.end('a');
    feed.give('b', 35);
    assert.equal(await watermark(narrow), 34);
  });

  test('are waited for where another subtask has come to a later one', async () => {
    const feed = new Feed<number>('1', '2', '3', '4');
    const driven = await Driven.open(inTurn(feed, true), { parallelism: 2 });
    feed.give('2', 25);
    feed.end('2');
    feed.give('4', 45);
    feed.give('1', 15);
    assert.equal(await watermark(driven), 14);
    feed.end('1');
    feed.give('3', 35);
    assert.equal(await watermark(driven), 34);
    assert.equal(lateOf(driven), 0);
  });

  test('do not let another source run ahead in the moment between two of them', async () => {
    const [days, live] = [new Feed<number>('1', '2', '3'), new Feed<number>('a')];
    const driven = await Driven.open((job) => {
      const inOrder = job
        .source('days', days.source({ concurrency: 1 }))
        .assignTimestamps((t) => t, { outOfOrderness: 0, inTurn: true });
      const other = job.source('live', live.source()).assignTimestamps((t) => t, { outOfOrderness: 0 });
      timed(inOrder.union(other));
    });
    live.give('a', 1000);
    days.give('1', 10);
    days.end('1');
    days.give('2', 20);
    days.end('2');
    days.give('3', 30);
    assert.equal(await watermark(driven), 29);
    assert.equal(lateOf(driven), 0);
  });
});

describe('idle splits', () => {
  const idle = (feed: Feed<number>, ms: number) => (job: JobBuilder) =>
    timed(job.source('in', feed.source()).assignTimestamps((t) => t, { outOfOrderness: 0, idle: ms }));

  test('do not hold event time back while they give nothing, and come back without turning it back', async () => {
    const feed = new Feed<number>('a', 'b');
    const driven = await Driven.open(idle(feed, 1000));
    feed.give('a', 100);
    assert.equal(await watermark(driven), NONE);
    driven.clock.advance(999);
    feed.give('a', 110);
    assert.equal(await watermark(driven), NONE);
    assert.equal(driven.dataflow.waitMs(driven.clock.monotonic()), 1, 'says when to look again');
    driven.clock.advance(1);
    assert.equal(await watermark(driven), 109);
    feed.give('b', 50);
    assert.equal(await watermark(driven), 109);
    assert.equal(lateOf(driven), 1);
    feed.give('a', 200);
    assert.equal(await watermark(driven), 109, 'b holds it back again');
    feed.give('b', 150);
    assert.equal(await watermark(driven), 149);
  });

  test('are not those that could not be heard while the process stood still', async () => {
    const feed = new Feed<number>('a', 'b');
    const driven = await Driven.open(idle(feed, 1000));
    feed.give('a', 100);
    feed.give('b', 50);
    assert.equal(await watermark(driven), 49);
    driven.clock.advance(60_000);
    driven.dataflow.stalled(60_000);
    feed.give('a', 200);
    assert.equal(await watermark(driven), 49);
    driven.clock.advance(1000);
    feed.give('a', 210);
    assert.equal(await watermark(driven), 209);
  });

  test('all of them: event time stands still', async () => {
    const feed = new Feed<number>('a', 'b');
    const driven = await Driven.open(idle(feed, 10));
    feed.give('a', 100);
    feed.give('b', 50);
    assert.equal(await watermark(driven), 49);
    driven.clock.advance(1_000);
    assert.equal(await watermark(driven), 49);
    feed.give('a', 120);
    assert.equal(await watermark(driven), 119);
  });

  test('are not those that have something at hand which may not be read yet', async () => {
    const feed = new Feed<number>('a', 'b');
    const driven = await Driven.open((job) =>
      timed(
        job
          .source('in', feed.source({ rate: 1 }))
          .assignTimestamps((t) => t, { outOfOrderness: 0, idle: 10 }),
      ),
    );
    feed.give('a', ...Array.from({ length: 10 }, (_, n) => 100 + n));
    feed.give('b', 50);
    await driven.step();
    driven.clock.advance(100);
    assert.equal(await watermark(driven), NONE);
    driven.clock.advance(20_000);
    assert.equal(await watermark(driven), 49);
    assert.equal(lateOf(driven), 0);
  });

  test('count as idle anew after a restore, which does not turn event time back', async () => {
    const feed = new Feed<number>('a', 'b');
    const clock = new ManualClock();
    const before = await Driven.open(idle(feed, 10), { clock });
    feed.give('a', 100);
    feed.give('b', 50);
    await before.settle();
    clock.advance(10);
    feed.give('a', 110);
    assert.equal(await watermark(before), 109);
    const restore = await take(before.dataflow, 1);
    const after = await Driven.open(idle(feed, 10), { clock, restore, parallelism: 2 });
    feed.give('a', 200);
    assert.equal(await watermark(after), 109);
    feed.give('b', 60);
    assert.equal(await watermark(after), 109);
    assert.equal(lateOf(after), 1);
    clock.advance(9);
    feed.give('a', 210);
    assert.equal(await watermark(after), 109);
    clock.advance(1);
    assert.equal(await watermark(after), 209);
  });

  test('of one source leave event time to the others', async () => {
    const [quiet, busy] = [new Feed<number>('a'), new Feed<number>('a')];
    const driven = await Driven.open((job) => {
      const options = { outOfOrderness: 0, idle: 10 };
      const one = job.source('quiet', quiet.source()).assignTimestamps((t) => t, options);
      const other = job.source('busy', busy.source()).assignTimestamps((t) => t, options);
      timed(one.union(other));
    });
    quiet.give('a', 5);
    busy.give('a', 100);
    assert.equal(await watermark(driven), 4);
    driven.clock.advance(10);
    busy.give('a', 200);
    assert.equal(await watermark(driven), 199);
    quiet.give('a', 6);
    assert.equal(await watermark(driven), 199);
    assert.equal(lateOf(driven), 1);
  });
});

test('splits found later hold event time back from then on, and do not turn it back', async () => {
  const feed = new Feed<number>('a');
  const driven = await Driven.open((job) =>
    timed(job.source('in', feed.source({ rediscover: 1 })).assignTimestamps((t) => t, { outOfOrderness: 0 })),
  );
  feed.give('a', 100);
  assert.equal(await watermark(driven), 99);
  feed.add('b');
  await driven.dataflow.compiled.sources[0]?.rediscover();
  feed.give('a', 200);
  assert.equal(await watermark(driven), 99);
  feed.give('b', 120);
  assert.equal(await watermark(driven), 119);
  feed.end();
  await watermark(driven);
  assert.notEqual(await watermark(driven), END, 'such a source never ends');
});

describe('a drain', () => {
  test('is the end of time, though sources have more; taken back, event time is where it was', async () => {
    const feed = new Feed<number>('a', 'b');
    const driven = await Driven.open(plain(feed, 0));
    feed.give('a', 100);
    feed.give('b', 50);
    assert.equal(await watermark(driven), 49);
    driven.dataflow.drain();
    feed.give('a', 200);
    assert.equal(await watermark(driven), END);
    assert.equal(driven.dataflow.elements, 2, 'nothing is read any more');
    driven.dataflow.undrain();
    assert.equal(await watermark(driven), 49);
    feed.give('b', 150);
    assert.equal(await watermark(driven), 149);
    assert.equal(driven.dataflow.elements, 4);
  });

  test('taken back leaves event time no earlier than it was, though all splits are idle', async () => {
    const feed = new Feed<number>('a');
    const driven = await Driven.open((job) =>
      timed(job.source('in', feed.source()).assignTimestamps((t) => t, { outOfOrderness: 0, idle: 10 })),
    );
    feed.give('a', 100);
    assert.equal(await watermark(driven), 99);
    driven.clock.advance(10);
    await driven.settle();
    driven.dataflow.drain();
    assert.equal(await watermark(driven), END);
    driven.dataflow.undrain();
    assert.equal(await watermark(driven), 99);
    feed.give('a', 50);
    await driven.settle();
    assert.equal(lateOf(driven), 1);
  });
});

describe('after a restore', () => {
  const PARALLELISMS = [1, 2, 3, 4, 5, 6, 7];

  test('at any parallelism event time is where it was', async () => {
    const feed = new Feed<number>('a', 'b', 'c');
    const before = await Driven.open(plain(feed, 3), { parallelism: 3 });
    feed.give('a', 100);
    feed.give('b', 90);
    feed.give('c', 80);
    feed.end('c');
    assert.equal(await watermark(before), 86);
    const taken = await take(before.dataflow, 1);
    for (const parallelism of PARALLELISMS) {
      const after = await Driven.open(plain(feed, 3), { parallelism, restore: taken });
      const time = present(after.dataflow.compiled.times.get('timed'), 'the time of an operator');
      assert.equal(time.watermark, 86, 'before the first step');
      assert.equal(await watermark(after), 86);
      const again = await take(after.dataflow, 2);
      const third = await Driven.open(plain(feed, 3), { parallelism: 8 - parallelism, restore: again });
      assert.equal(await watermark(third), 86);
    }
  });

  test('it is where it was though a split is new, and though more disorder is allowed now', async () => {
    const feed = new Feed<number>('a');
    const before = await Driven.open(plain(feed, 0));
    feed.give('a', 100);
    assert.equal(await watermark(before), 99);
    const taken = await take(before.dataflow, 1);
    feed.add('b');
    const after = await Driven.open(plain(feed, 50), { restore: taken });
    assert.equal(await watermark(after), 99);
    feed.give('b', 99);
    assert.equal(await watermark(after), 99);
    assert.equal(lateOf(after), 1);
    feed.give('a', 170);
    feed.give('b', 165);
    assert.equal(await watermark(after), 114);
  });

  test('the end of time is none: what comes all the same is not late for that', async () => {
    const feed = new Feed<number>('a');
    const before = await Driven.open(plain(feed, 0));
    feed.give('a', 100);
    await before.settle();
    before.dataflow.drain();
    assert.equal(await watermark(before), END);
    const after = await Driven.open(plain(feed, 0), { restore: await take(before.dataflow, 1) });
    assert.equal(await watermark(after), 99, 'from the splits');
    feed.give('a', 150);
    assert.equal(await watermark(after), 149);
    assert.equal(lateOf(after), 0);
  });

  type Event =
    | { readonly kind: 'give'; readonly split: number; readonly times: readonly number[] }
    | { readonly kind: 'end'; readonly split: number }
    | { readonly kind: 'restore'; readonly parallelism: number };
  const SPLITS = ['a', 'b', 'c', 'd'];
  const split = fc.nat(SPLITS.length - 1);
  const events: fc.Arbitrary<Event[]> = fc.array(
    fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          kind: fc.constant('give' as const),
          split,
          times: fc.array(fc.integer({ min: -50, max: 1000 }), { minLength: 1, maxLength: 3 }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('end' as const), split }) },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('restore' as const),
          parallelism: fc.constantFrom(...PARALLELISMS),
        }),
      },
    ),
    { maxLength: 25 },
  );

  test('of any history, event time is what the splits gave, and never falls behind', async () => {
    await fc.assert(
      fc.asyncProperty(events, fc.nat(20), async (happened, outOfOrderness) => {
        const feed = new Feed<number>(...SPLITS);
        let driven = await Driven.open(plain(feed, outOfOrderness));
        const greatest = new Map(SPLITS.map((id) => [id, NONE]));
        let expected = NONE;
        for (const event of happened) {
          const id = present(SPLITS[event.kind === 'restore' ? 0 : event.split], 'a split');
          if (event.kind === 'restore') {
            const restore = await take(driven.dataflow, 1);
            driven = await Driven.open(plain(feed, outOfOrderness), {
              parallelism: event.parallelism,
              restore,
            });
          } else if (event.kind === 'end') {
            feed.end(id);
            greatest.delete(id);
          } else if (greatest.has(id)) {
            feed.give(id, ...event.times);
            greatest.set(id, Math.max(present(greatest.get(id), 'a split'), ...event.times));
          }
          const least = Math.min(...greatest.values());
          expected = Math.max(expected, least === END ? END : least - outOfOrderness - 1);
          assert.equal(await watermark(driven), expected);
        }
      }),
      { numRuns: LONG ? 2_000 : 60 },
    );
  });
});

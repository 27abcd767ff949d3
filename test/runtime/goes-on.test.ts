/** Event time where an attempt goes on from the middle of an advance, or behind an end of time that was none. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JobBuilder } from '../../src/graph/define.js';
import { type } from '../../src/graph/type.js';
import type { WindowOf } from '../../src/graph/window.js';
import { windows } from '../../src/graph/windows.js';
import { take } from '../../src/testing/taken.js';
import { Feed } from '../time/feed.js';
import { Driven } from './driving.js';

interface Order {
  readonly key: string;
  readonly t: number;
}

/** More than fire in one step. */
const KEYS = Array.from({ length: 700 }, (_, n) => `k${n}`);
/** Timers of one time fire in the order in which keys came: what is kept of this one goes last. */
const LAST = 'k699';

test('timers of an advance that a snapshot fell into fire before what more is known by then', async () => {
  const feed = new Feed<Order>('a', 'b');
  const log: string[] = [];
  const build = (job: JobBuilder) =>
    job
      .source('in', feed.source())
      .assignTimestamps(({ t }) => t, { outOfOrderness: 0 })
      .keyBy(({ key }) => key)
      .process('first', {
        timers: { at: 'event' },
        emits: type<Order>(),
        onElement(order, ctx) {
          if (order.key === 'ahead') ctx.timers.at.set(500);
          else ctx.emit(order);
        },
        onTimer: { at: (at, ctx) => ctx.emit({ key: ctx.key, t: at }) },
      })
      .keyBy(({ key }) => key)
      .process('second', {
        timers: { at: 'event' },
        onElement(order, ctx) {
          if (order.key === 'ahead') log.push('element');
          else ctx.timers.at.set(100);
        },
        onTimer: { at: () => void log.push('timer') },
      });
  const driven = await Driven.open(build);
  feed.give('a', { key: 'ahead', t: 0 }, ...KEYS.map((key) => ({ key, t: 0 })), { key: 'x', t: 9_000 });
  feed.give('b', { key: 'x', t: 400 });
  while (log.length === 0) await driven.step();
  assert.ok(log.length < KEYS.length, 'cut short');
  feed.end('b');
  await new Promise<void>((resolve) => setImmediate(resolve));
  const { dataflow } = driven;
  const before = log.length;
  // The end of the split is known, and in the snapshot, and event time has not come to it.
  assert.deepEqual(
    [...(dataflow.compiled.sources[0]?.positions() ?? [])].map(({ done }) => done),
    [false, true],
  );
  const again = await Driven.open(build, { restore: await take(dataflow, 1), parallelism: 3 });
  await again.settle();
  assert.equal(log.indexOf('element'), KEYS.length + 1, 'all timers at 100 come first');
  assert.ok(before < KEYS.length);
});

describe('panes that are kept for lateness', () => {
  const build = (feed: Feed<Order>, results: string[], slide: number) => (job: JobBuilder) =>
    void job
      .source('in', feed.source())
      .assignTimestamps(({ t }) => t, { outOfOrderness: 0 })
      .keyBy(({ key }) => key)
      .window('panes', {
        assign: slide === 10 ? windows.tumbling(10) : windows.sliding(10, slide),
        lateness: 100,
        aggregate: {
          init: () => 0,
          add: (sum: number) => sum + 1,
          merge: (a: number, b: number) => a + b,
          result: (sum: number, { key, end }: WindowOf<string>) => `${key} to ${end}: ${sum}`,
        },
      })
      .map((result) => results.push(result));

  for (const slide of [10, 5]) {
    test(`are no reason to give none after an end that was none, each ${slide}`, async () => {
      const feed = new Feed<Order>('a');
      feed.give('a', ...KEYS.map((key) => ({ key, t: 5 })));
      feed.end();
      const results: string[] = [];
      const driven = await Driven.open(build(feed, results, slide));
      while (results.length < KEYS.length * (10 / slide)) await driven.step();
      const restore = await take(driven.dataflow, 1);
      feed.add('b');
      results.length = 0;
      const again = await Driven.open(build(feed, results, slide), { restore, parallelism: 3 });
      feed.give('b', { key: LAST, t: 6 }, ...KEYS.map((key) => ({ key, t: 31 })), { key: 'x', t: 300 });
      await again.settle();
      assert.ok(results.includes(`${LAST} to 10: 2`), 'with what came since');
      for (const key of KEYS) assert.ok(results.includes(`${key} to 40: 1`), `a pane of ${key}`);
    });

    test(`are no reason to give none after a drain that was taken back, each ${slide}`, async () => {
      const feed = new Feed<Order>('a');
      const results: string[] = [];
      const driven = await Driven.open(build(feed, results, slide));
      feed.give('a', ...KEYS.map((key) => ({ key, t: 5 })));
      await driven.settle();
      assert.equal(results.length, 0);
      driven.dataflow.drain();
      while (results.length < KEYS.length * (10 / slide)) await driven.step();
      driven.dataflow.undrain();
      results.length = 0;
      feed.give('a', { key: LAST, t: 6 }, ...KEYS.map((key) => ({ key, t: 31 })), { key: 'x', t: 300 });
      await driven.settle();
      assert.ok(results.includes(`${LAST} to 10: 2`), 'with what came since');
      for (const key of KEYS) assert.ok(results.includes(`${key} to 40: 1`), `a pane of ${key}`);
    });
  }
});

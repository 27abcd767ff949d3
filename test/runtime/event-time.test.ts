/** Timestamps of elements, and timers of event time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TidemarkError } from '../../src/base/errors.js';
import { collect } from '../../src/connectors/collect.js';
import { state } from '../../src/graph/declare-state.js';
import type { JobBuilder } from '../../src/graph/define.js';
import { type } from '../../src/graph/type.js';
import { entriesOf, take } from '../../src/testing/taken.js';
import { Feed } from '../time/feed.js';
import { Driven, failureOf, splitsOf } from './driving.js';

interface Order {
  readonly key: string;
  readonly t: number;
  readonly set?: readonly number[];
  readonly delete?: readonly number[];
  readonly clear?: boolean;
}

interface Fired {
  readonly key: string;
  readonly name: string;
  readonly at: number;
  readonly timestamp: number | undefined;
  readonly watermark: number;
}

const END = Number.POSITIVE_INFINITY;

/** Elements set timers; each that fires is a line. */
function timers(feed: Feed<Order>, fired: Fired[], outOfOrderness = 0) {
  return (job: JobBuilder): void =>
    job
      .source('in', feed.source())
      .assignTimestamps(({ t }) => t, { outOfOrderness })
      .keyBy(({ key }) => key)
      .process('timed', {
        timers: { a: 'event', b: 'event' },
        emits: type<Fired>(),
        onElement(order, ctx) {
          if (order.clear) ctx.timers.a.clear();
          for (const time of order.set ?? []) ctx.timers[time % 2 === 0 ? 'a' : 'b'].set(time);
          for (const time of order.delete ?? []) ctx.timers[time % 2 === 0 ? 'a' : 'b'].delete(time);
        },
        onTimer: {
          a: (at, ctx) =>
            ctx.emit({ key: ctx.key, name: 'a', at, timestamp: ctx.timestamp, watermark: ctx.watermark() }),
          b: (at, ctx) =>
            ctx.emit({ key: ctx.key, name: 'b', at, timestamp: ctx.timestamp, watermark: ctx.watermark() }),
        },
      })
      .sink('out', collect(fired));
}

const times = (fired: readonly Fired[]) => fired.map(({ at }) => at);

describe('event timers', () => {
  test('fire once the watermark has reached their time, in the order of their times, with their time as timestamp', async () => {
    const feed = new Feed<Order>('a');
    const fired: Fired[] = [];
    const driven = await Driven.open(timers(feed, fired, 10));
    feed.give('a', { key: 'x', t: 100, set: [107, 89, 105, 91, 93] });
    feed.give('a', { key: 'y', t: 101, set: [92] });
    await driven.settle();
    assert.deepEqual(times(fired), [89], 'the watermark is 90');
    feed.give('a', { key: 'y', t: 116 });
    await driven.settle();
    const [, first] = fired;
    assert.deepEqual(first, { key: 'x', name: 'b', at: 91, timestamp: 91, watermark: 105 });
    assert.deepEqual(times(fired), [89, 91, 92, 93, 105]);
  });

  test('are one by key, name and time, and can be taken back', async () => {
    const feed = new Feed<Order>('a');
    const fired: Fired[] = [];
    const driven = await Driven.open(timers(feed, fired), { parallelism: 3 });
    feed.give('a', { key: 'x', t: 0, set: [10, 10, 12, 14, 15] }, { key: 'y', t: 1, set: [10, 20, 22] });
    feed.give('a', { key: 'x', t: 2, set: [10], delete: [12, 15, 99] }, { key: 'y', t: 3, clear: true });
    feed.end();
    await driven.settle();
    assert.deepEqual(fired.map(({ key, at }) => `${key} ${at}`).toSorted(), ['x 10', 'x 14']);
  });

  test('set for what is past fire before the next batch, and those set while they fire, too', async () => {
    const seen: string[] = [];
    const feed = new Feed<number>('a');
    for (const t of [100, 200, 300]) feed.give('a', t);
    const driven = await Driven.open((job) =>
      job
        .source('in', feed.source())
        .assignTimestamps((t) => t, { outOfOrderness: 0 })
        .keyBy(() => 'k')
        .process('timed', {
          timers: { past: 'event' },
          onElement(t, ctx) {
            seen.push(`element ${t} at ${ctx.watermark()}`);
            ctx.timers.past.set(t - 150);
          },
          onTimer: {
            past(at, ctx) {
              seen.push(`timer ${at} at ${ctx.watermark()}`);
              if (Math.abs(at % 100) === 50) ctx.timers.past.set(at - 5);
              // Not due yet.
              if (at === 145) ctx.timers.past.set(ctx.watermark() + 2);
            },
          },
        }),
    );
    await driven.settle();
    feed.end();
    await driven.settle();
    assert.deepEqual(seen, [
      ...['element 100 at -Infinity', 'timer -50 at 99', 'timer -55 at 99'],
      ...['element 200 at 99', 'timer 50 at 199', 'timer 45 at 199'],
      ...['element 300 at 199', 'timer 150 at 299', 'timer 145 at 299', 'timer 301 at Infinity'],
    ]);
  });

  test('all fire at the end of input, however far ahead they are', async () => {
    const feed = new Feed<Order>('a', 'b');
    const fired: Fired[] = [];
    const driven = await Driven.open(timers(feed, fired));
    feed.give('a', { key: 'x', t: 0, set: [Number.MAX_SAFE_INTEGER, 5_000_000, 31] });
    feed.end();
    await driven.settle();
    assert.deepEqual(times(fired), [31, 5_000_000, Number.MAX_SAFE_INTEGER]);
    assert.deepEqual(new Set(fired.map(({ watermark }) => watermark)), new Set([END]));
    assert.equal(driven.dataflow.ended, true);
    driven.dataflow.dropTimers();
    assert.equal(driven.dataflow.droppedTimers, 0);
  });

  test('all fire at a drain, and none of those twice when it is taken back', async () => {
    const feed = new Feed<Order>('a');
    const fired: Fired[] = [];
    const driven = await Driven.open(timers(feed, fired));
    feed.give('a', { key: 'x', t: 10, set: [20, 30] });
    await driven.settle();
    driven.dataflow.drain();
    feed.give('a', { key: 'x', t: 12, set: [25, 40] });
    await driven.settle();
    assert.deepEqual(times(fired), [20, 30]);
    driven.dataflow.undrain();
    await driven.settle();
    assert.deepEqual(times(fired), [20, 30]);
    feed.give('a', { key: 'x', t: 36 });
    await driven.settle();
    assert.deepEqual(times(fired), [20, 30, 25]);
    feed.end();
    await driven.settle();
    assert.deepEqual(times(fired), [20, 30, 25, 40]);
  });
});

describe('an advance of more timers than a step fires', () => {
  const KEYS = 150;
  const EACH = 7;

  /** Timers of the first operator emit to the second, which sets one of its own for the same time. */
  function chain(feed: Feed<Order>, log: string[]) {
    return (job: JobBuilder): void =>
      job
        .source('in', feed.source())
        .assignTimestamps(({ t }) => t, { outOfOrderness: 0 })
        .keyBy(({ key }) => key)
        .process('first', {
          state: { fired: state.number(0) },
          timers: { at: 'event' },
          emits: type<{ key: string; at: number }>(),
          onElement(order, ctx) {
            for (const time of order.set ?? []) ctx.timers.at.set(time);
          },
          onTimer: {
            at(at, ctx) {
              ctx.state.fired.add(1);
              ctx.emit({ key: ctx.key, at });
            },
          },
        })
        .keyBy(({ key }) => key.length)
        .process('second', {
          timers: { at: 'event' },
          state: { due: state.map<number, number>() },
          emits: type<string>(),
          onElement({ at }, ctx) {
            assert.ok(ctx.watermark() < at, 'what the first emits comes before its watermark');
            ctx.state.due.set(at, (ctx.state.due.get(at) ?? 0) + 1);
            ctx.timers.at.set(at);
          },
          onTimer: {
            at(at, ctx) {
              ctx.emit(`${ctx.key} ${at} ${ctx.state.due.get(at)}`);
              ctx.state.due.delete(at);
            },
          },
        })
        .sink('out', collect(log));
  }

  const keys = Array.from({ length: KEYS }, (_, n) => `${n}`);
  const times = Array.from({ length: EACH }, (_, n) => 1_000 + n * 3);
  const expected = [1, 2, 3]
    .flatMap((length) =>
      times.map((at) => `${length} ${at} ${keys.filter((key) => key.length === length).length}`),
    )
    .toSorted();

  const fill = (feed: Feed<Order>) => {
    feed.give('a', ...keys.map((key) => ({ key, t: 0, set: times })));
    feed.give('a', { key: 'last', t: 5_000 });
  };

  test('is cut short; a snapshot between holds what is still to fire, and no element comes before', async () => {
    let cuts = 0;
    for (const parallelism of [1, 3, 7]) {
      const feed = new Feed<Order>('a');
      fill(feed);
      const before: string[] = [];
      let driven = await Driven.open(chain(feed, before), { parallelism });
      const output: string[] = [];
      // A crash after each step: what was emitted since the snapshot before is kept, as it is in the snapshot.
      for (let i = 0, log = before; ; i++) {
        const worked = await driven.step();
        output.push(...log);
        if (!worked && i > 3) break;
        const taken = await take(driven.dataflow, i + 1);
        const tables = taken.tables.filter(({ kind }) => kind === 'event-timer').map(({ id }) => id);
        const left = [...entriesOf(taken)].filter(({ table }) => tables.includes(table)).length;
        if (left > 0 && left < KEYS * EACH) cuts++;
        log = [];
        driven = await Driven.open(chain(feed, log), {
          parallelism: 1 + ((parallelism + i) % 7),
          restore: taken,
        });
      }
      assert.deepEqual(output.toSorted(), expected);
    }
    assert.ok(cuts > 10, `${cuts} snapshots fell between two timers of one advance`);
  });

  test('goes on before event time does, though more could be known by then', async () => {
    const feed = new Feed<Order>('a', 'b');
    const log: string[] = [];
    const driven = await Driven.open((job) =>
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
            if (order.key === 'ahead') log.push(`element ${order.t} at ${ctx.watermark()}`);
            else for (const time of order.set ?? []) ctx.timers.at.set(time);
          },
          onTimer: { at: (at) => void log.push(`timer ${at}`) },
        }),
    );
    feed.give('a', { key: 'ahead', t: 0 }, ...keys.map((key) => ({ key, t: 0, set: times })));
    feed.give('a', { key: 'x', t: 9_000 });
    feed.give('b', { key: 'x', t: 300 });
    await driven.settle();
    assert.equal(log.length, 0);
    feed.give('b', { key: 'x', t: 400, set: Array.from({ length: 700 }, (_, n) => n) });
    while (log.length === 0) await driven.step();
    assert.ok(log.length < 300, 'cut short');
    feed.end('b');
    await driven.settle();
    const ahead = log.findIndex((line) => line.startsWith('element'));
    assert.equal(ahead, 400, 'after all that were due at 399, before the others');
  });

  test('goes on before the next batch is read', async () => {
    const feed = new Feed<Order>('a');
    fill(feed);
    const log: string[] = [];
    const driven = await Driven.open(chain(feed, log));
    await driven.step();
    await driven.step();
    feed.give('a', { key: 'more', t: 5_001, set: [10_000] });
    const { compiled } = driven.dataflow;
    let steps = 0;
    while (driven.dataflow.elements < KEYS + 2) {
      assert.ok(++steps < 50);
      await driven.step();
      const pending = compiled.keyed.map(({ backend }) => backend.nextTimer('event'));
      const second = compiled.times.get('second')?.watermark ?? 0;
      if (second > 0) assert.ok(Math.min(...pending) > 4_999, 'the second goes on once the first is done');
    }
    assert.ok(steps > (KEYS * EACH) / 256, 'several steps fired');
    assert.deepEqual(log.toSorted(), expected);
  });
});

describe('timestamps', () => {
  const failure = (timestamp: unknown): Promise<TidemarkError | undefined> =>
    failureOf((job) =>
      job
        .source('in', splitsOf({ a: [{ id: 'the-element', timestamp }] }))
        .assignTimestamps((e) => e.timestamp as number, { outOfOrderness: 0 })
        .keyBy((e) => e.id)
        .process('any', { onElement: () => undefined }),
    );

  test('that are no whole numbers of safe size are refused, and the element is shown', async () => {
    const wrong = [
      Number.NaN,
      1.5,
      2 ** 53,
      -(2 ** 53),
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      '1000',
      undefined,
      null,
      1000n,
      true,
      new Date(1000),
    ];
    for (const timestamp of wrong) {
      const error = await failure(timestamp);
      assert.equal(error?.code, 'TIMESTAMP_REFUSED', String(timestamp));
      assert.match(error?.details.element ?? '', /the-element/);
    }
    const date = await failure(new Date(1000));
    assert.match(date?.message ?? '', /found the Date 1970-01-01T00:00:01.000Z/);
    assert.match(date?.details.hint ?? '', /date\.getTime\(\)/);
  });

  test('that are promises are refused like any promise', async () => {
    const error = await failure(Promise.resolve(5));
    assert.match(error?.message ?? '', /promise/i);
    assert.notEqual(error?.code, 'INTERNAL');
  });

  test('of any safe whole number are taken', async () => {
    for (const timestamp of [0, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, -0])
      assert.equal(await failure(timestamp), undefined, String(timestamp));
  });

  test('that throw fail the job where they are', async () => {
    const error = await failureOf((job) =>
      job
        .source('in', splitsOf({ a: ['the-element'] }))
        .assignTimestamps(
          () => {
            throw new Error('no clock');
          },
          { outOfOrderness: 0 },
        )
        .keyBy((e) => e)
        .process('any', { onElement: () => undefined }),
    );
    assert.equal(error?.code, 'USER_CODE');
    assert.match(error?.message ?? '', /no clock/);
  });

  test('are those of the element at hand, through everything stateless, and undefined where there are none', async () => {
    const seen: string[] = [];
    const driven = await Driven.open((job) => {
      const source = job.source('in', splitsOf({ a: [3, 1, 2] }, 3));
      source
        .assignTimestamps((t) => t * 10, { outOfOrderness: 100 })
        .flatMap((t) => [t, t + 0.5])
        .map((t) => `${t}`)
        .keyBy((text) => text)
        .process('with', {
          onElement: (text, ctx) => void seen.push(`${text} at ${ctx.timestamp}`),
        });
      source
        .keyBy((t) => t)
        .process('without', {
          onElement: (t, ctx) => void seen.push(`plain ${t} at ${ctx.timestamp} ${ctx.watermark()}`),
        });
    });
    await driven.settle();
    assert.deepEqual(seen, [
      ...['3 at 30', '3.5 at 30', 'plain 3 at undefined -Infinity'],
      ...['1 at 10', '1.5 at 10', 'plain 1 at undefined -Infinity'],
      ...['2 at 20', '2.5 at 20', 'plain 2 at undefined -Infinity'],
    ]);
  });
});

test('elements at or behind the watermark are counted as late where there are event timers, and processed', async () => {
  const feed = new Feed<Order>('a');
  const fired: Fired[] = [];
  const driven = await Driven.open(timers(feed, fired, 10), { parallelism: 2 });
  feed.give('a', { key: 'x', t: 100 });
  await driven.settle();
  feed.give(
    'a',
    { key: 'y', t: 90 },
    { key: 'y', t: 89, set: [88] },
    { key: 'y', t: 88 },
    { key: 'y', t: 91 },
  );
  await driven.settle();
  const operators = driven.dataflow.compiled.processes.get('timed') ?? [];
  const late = operators.map((operator) => operator.late ?? Number.NaN);
  assert.deepEqual(
    late.toSorted((a, b) => a - b),
    [0, 2],
    'the watermark was 89',
  );
  assert.deepEqual(times(fired), [88]);
});

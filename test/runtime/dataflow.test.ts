/** The dataflow, step by step: what flows where, and what fails it. Time is the test's own. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { subtaskOf } from '../../src/base/key-groups.js';
import { collect } from '../../src/connectors/collect.js';
import { state } from '../../src/graph/declare-state.js';
import { type } from '../../src/graph/type.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { Driven, splitsOf } from './driving.js';

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);

describe('elements', () => {
  test('go to every user of a stream, in the order of the graph, and union takes a stream as often as it is named', async () => {
    const out: string[] = [];
    const driven = await Driven.open((job) => {
      const source = job.source('in', splitsOf({ a: [1, 2] }));
      const doubled = source.map((n) => `doubled ${2 * n}`);
      const named = source.filter((n) => n > 1).map((n) => `kept ${n}`);
      source
        .map((n) => `plain ${n}`)
        .union(doubled, named, doubled)
        .sink('out', collect(out));
    });
    await driven.settle();
    const expected = ['plain 1', 'doubled 2', 'doubled 2', 'plain 2', 'doubled 4', 'doubled 4', 'kept 2'];
    assert.deepEqual(out.toSorted(), expected.toSorted());
    // An element has passed through everything before the next one begins.
    assert.equal(
      out.slice(0, 3).every((text) => / [12]$/.test(text)),
      true,
    );
    assert.equal(driven.dataflow.elements, 2);
  });

  test('of flatMap come from arrays, generators and any other iterable', async () => {
    const out: unknown[] = [];
    const driven = await Driven.open((job) => {
      const source = job.source('in', splitsOf({ a: ['ab'] }));
      source.flatMap((text) => [...text]).sink('array', collect(out));
      source
        .flatMap(function* (text) {
          yield text.length;
          yield text.length + 1;
        })
        .sink('generator', collect(out));
      source.flatMap((text) => new Set(text)).sink('set', collect(out));
      source.flatMap(() => []).sink('none', collect(out));
    });
    await driven.settle();
    assert.deepEqual(out.map(String).toSorted(), ['2', '3', 'a', 'a', 'b', 'b']);
  });

  test('of one key meet in the subtask that owns its key group, with its state', async () => {
    const parallelism = 3;
    const seen = new Map<number, Set<number>>();
    const driven = await Driven.open(
      (job) =>
        job
          .source('in', splitsOf({ a: numbers(60), b: numbers(60) }, 7))
          .keyBy((n) => n % 20)
          .process('count', {
            state: { count: state.number(0) },
            onElement(_n, ctx) {
              ctx.state.count.add(1);
              const subtasks = seen.get(ctx.key) ?? new Set();
              seen.set(ctx.key, subtasks.add(ctx.subtask));
            },
          }),
      { parallelism, maxParallelism: 16 },
    );
    await driven.settle();
    assert.equal(seen.size, 20);
    for (const subtasks of seen.values()) assert.equal(subtasks.size, 1);
    const counts = driven.dataflow.compiled.keyed.map((operator) => operator.in);
    assert.equal(
      counts.reduce((sum, n) => sum + n, 0),
      120,
    );
    const { keyed } = driven.dataflow.compiled;
    for (const { range, subtask } of keyed) {
      for (let group = range.start; group <= range.end; group++) {
        assert.equal(subtaskOf(group, parallelism, 16), subtask);
      }
    }
    assert.deepEqual([keyed[0]?.range.start, keyed.at(-1)?.range.end], [0, 15]);
  });

  test('on a side output reach its readers; a side without readers is dropped', async () => {
    const [main, rare, common]: [string[], string[], string[]] = [[], [], []];
    const driven = await Driven.open((job) => {
      const sorted = job
        .source('in', splitsOf({ a: numbers(6) }))
        .keyBy((n) => n % 2)
        .process('sort', {
          sides: { rare: type<number>(), unread: type<number>() },
          emits: type<number>(),
          onElement(n, ctx) {
            ctx.side.unread(n);
            if (n === 3) ctx.side.rare(n);
            else ctx.emit(n);
          },
        });
      sorted.map((n) => `main ${n}`).sink('main', collect(main));
      sorted.side.rare.map((n) => `rare ${n}`).sink('rare', collect(rare));
      sorted.side.rare.union(sorted).map(String).sink('both', collect(common));
    });
    await driven.settle();
    assert.deepEqual(
      main.toSorted(),
      [0, 1, 2, 4, 5].map((n) => `main ${n}`),
    );
    assert.deepEqual(rare, ['rare 3']);
    assert.deepEqual(common.toSorted(), ['0', '1', '2', '3', '4', '5']);
  });
});

describe('processing-time timers', () => {
  interface Fired {
    readonly key: string;
    readonly name: string;
    readonly at: number;
    readonly now: number;
  }

  /** Each element sets timers as told: `[key, name, times]`. */
  async function timers(elements: readonly (readonly [string, 'a' | 'b', ...number[]])[], parallelism = 1) {
    const fired: Fired[] = [];
    const driven = await Driven.open(
      (job) =>
        job
          .source('in', splitsOf({ all: elements }, 100))
          .keyBy(([key]) => key)
          .process('timed', {
            timers: { a: 'processing', b: 'processing' },
            emits: type<Fired>(),
            onElement([, name, ...times], ctx) {
              for (const time of times) ctx.timers[name].set(time);
            },
            onTimer: {
              a: (at, ctx) => ctx.emit({ key: ctx.key, name: 'a', at, now: ctx.now() }),
              b: (at, ctx) => ctx.emit({ key: ctx.key, name: 'b', at, now: ctx.now() }),
            },
          })
          .sink('out', collect(fired)),
      { parallelism },
    );
    await driven.settle();
    return { driven, fired };
  }

  test('fire once, in order, when their time has come and not before', async () => {
    const { driven, fired } = await timers([
      ['x', 'a', 30, 10, 20, 10],
      ['x', 'b', 10],
      ['y', 'a', 10, 1_000],
    ]);
    assert.deepEqual(fired, []);
    driven.clock.advance(9);
    await driven.settle();
    assert.deepEqual(fired, []);
    assert.equal(driven.dataflow.waitMs(driven.clock.monotonic()), 1);
    driven.clock.advance(1);
    await driven.settle();
    const at10 = fired.map(({ key, name, at }) => `${key} ${name} ${at}`);
    assert.deepEqual(at10, ['x a 10', 'x b 10', 'y a 10'], 'unique by key, name and time; in the order set');
    driven.clock.advance(100);
    await driven.settle();
    assert.deepEqual(
      fired.slice(3).map(({ at, now }) => ({ at, now })),
      [
        { at: 20, now: 110 },
        { at: 30, now: 110 },
      ],
    );
    await driven.settle();
    assert.equal(fired.length, 5);
  });

  test('in the past fire at once, and a callback may set, move and delete them', async () => {
    const fired: string[] = [];
    const driven = await Driven.open(
      (job) =>
        job
          .source('in', splitsOf({ all: ['k'] }))
          .keyBy((key) => key)
          .process('timed', {
            timers: { tick: 'processing', never: 'processing', moved: 'processing' },
            onElement(_e, ctx) {
              ctx.timers.tick.set(5);
              ctx.timers.never.set(7);
              ctx.timers.moved.set(6);
              ctx.timers.moved.set(60);
            },
            onTimer: {
              tick(at, ctx) {
                fired.push(`tick ${at}`);
                if (at < 8) ctx.timers.tick.set(at + 1);
                ctx.timers.never.clear();
                ctx.timers.moved.delete(6);
              },
              never: (at) => void fired.push(`never ${at}`),
              moved: (at) => void fired.push(`moved ${at}`),
            },
          }),
      { clock: new ManualClock(100) },
    );
    await driven.settle();
    assert.deepEqual(fired, ['tick 5', 'tick 6', 'tick 7', 'tick 8', 'moved 60']);
  });

  test('that are still pending at the end of input are dropped and counted, and never fire', async () => {
    const { driven, fired } = await timers(
      [
        ['x', 'a', 10, 20],
        ['y', 'b', 30],
        ['z', 'b', 5],
      ],
      2,
    );
    driven.clock.advance(5);
    await driven.settle();
    assert.equal(driven.dataflow.ended, true);
    driven.dataflow.dropTimers();
    assert.equal(driven.dataflow.droppedTimers, 3);
    driven.clock.advance(1_000);
    await driven.settle();
    assert.deepEqual(
      fired.map(({ key, at }) => ({ key, at })),
      [{ key: 'z', at: 5 }],
    );
    assert.equal(driven.dataflow.waitMs(driven.clock.monotonic()), Number.POSITIVE_INFINITY);
  });

  test('are bounded in a step: an avalanche of them does not hold up a barrier', async () => {
    const { driven, fired } = await timers([['x', 'a', ...numbers(2_000)]]);
    assert.equal(fired.length, 1, 'the one at 0 was due');
    driven.clock.advance(10_000);
    await driven.step();
    assert.ok(fired.length > 1 && fired.length < 1_000, `${fired.length} in one step`);
    await driven.settle();
    assert.deepEqual(
      fired.map(({ at }) => at),
      numbers(2_000),
    );
  });
});

describe('a source', () => {
  test('deals its splits by sorted id: the nth to subtask n mod parallelism, whatever the order they come in', async () => {
    const ids = ['b', 'ä', 'a', '10', '9', 'B'];
    const driven = await Driven.open(
      (job) =>
        job.source('in', splitsOf(Object.fromEntries(ids.map((id) => [id, [id]])))).sink('out', collect([])),
      { parallelism: 4 },
    );
    const dealt = driven.dataflow.compiled.sources[0]?.subtasks.map(({ splits }) =>
      splits.map(({ id }) => id),
    );
    assert.deepEqual(dealt, [['10', 'b'], ['9', 'ä'], ['B'], ['a']]);
    await driven.settle();
    assert.equal(driven.dataflow.ended, true);
  });

  test('with a concurrency reads its splits one after another, and keeps those not yet taken', async () => {
    const out: string[] = [];
    const splits = { a: ['a1', 'a2'], b: ['b1'], c: ['c1', 'c2'] };
    const driven = await Driven.open((job) =>
      job.source('in', splitsOf(splits, 1, { concurrency: 1 })).sink('out', collect(out)),
    );
    await driven.step();
    const [source] = driven.dataflow.compiled.sources;
    const positions = [...(source?.positions() ?? [])];
    assert.deepEqual(positions, [
      { id: 'a', position: 1, done: false },
      { id: 'b', position: 0, done: false },
      { id: 'c', position: 0, done: false },
    ]);
    await driven.settle();
    assert.deepEqual(out, ['a1', 'a2', 'b1', 'c1', 'c2']);
    assert.deepEqual(
      [...(source?.positions() ?? [])].map(({ position, done }) => [position, done]),
      [
        [2, true],
        [1, true],
        [2, true],
      ],
    );
  });

  test('that is always ready does not starve another', async () => {
    const out: number[] = [];
    const driven = await Driven.open((job) => {
      const many = job.source('many', splitsOf({ a: numbers(50), b: numbers(50) }));
      job
        .source('few', splitsOf({ a: [-1, -2, -3] }))
        .union(many)
        .sink('out', collect(out));
    });
    for (let i = 0; i < 12; i++) await driven.step();
    assert.ok(out.includes(-3), out.join());
  });

  test('with a rate gives no more than that, on any clock, and catches up no more than a moment', async () => {
    const rate = 100;
    const out: number[] = [];
    const driven = await Driven.open((job) =>
      job.source('in', splitsOf({ a: numbers(500), b: numbers(500) }, 2, { rate })).sink('out', collect(out)),
    );
    await driven.settle();
    const first = out.length;
    assert.ok(first > 0 && first <= 4, `${first} at once`);
    for (let ms = 10; ms <= 2_000; ms += 10) {
      driven.clock.advance(10);
      await driven.settle();
      // A bucket that may go into debt by one batch.
      assert.ok(out.length <= first + (rate * ms) / 1_000 + 2, `${out.length} after ${ms} ms`);
      assert.ok(out.length >= (rate * ms) / 1_000 - 2, `${out.length} after ${ms} ms`);
    }
    const before = out.length;
    driven.clock.advance(60_000);
    await driven.settle();
    assert.ok(out.length - before <= 6, `${out.length - before} after a pause`);
    const wait = driven.dataflow.waitMs(driven.clock.monotonic());
    assert.ok(wait > 0 && wait <= 40, `waits ${wait} ms`);
  });

  test('with nothing to read has ended, and one that finds more splits later has not', async () => {
    const found: Record<string, number[]> = {};
    const driven = await Driven.open((job) => {
      job.source('none', splitsOf({})).sink('a', collect([]));
    });
    assert.equal(driven.dataflow.ended, true);

    const out: number[] = [];
    const growing = await Driven.open((job) => {
      job.source('in', splitsOf(found, 1, { rediscover: 10 })).sink('out', collect(out));
    });
    await growing.settle();
    assert.equal(growing.dataflow.ended, false);
    found['x'] = [1, 2];
    await growing.dataflow.compiled.sources[0]?.rediscover();
    await growing.settle();
    found['y'] = [3];
    await growing.dataflow.compiled.sources[0]?.rediscover();
    await growing.settle();
    assert.deepEqual(out, [1, 2, 3]);
    assert.equal(growing.dataflow.ended, false);
  });
});

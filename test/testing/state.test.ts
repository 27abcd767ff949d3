/** Looking at what a job keeps: every kind of state, timers, watermarks; snapshots of one test taken over by another. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { z } from 'zod';
import {
  defineJob,
  defineSink,
  defineSource,
  fileSink,
  fromArray,
  key,
  type Stream,
  schema,
  state,
  stdout,
  triggers,
  type,
  windows,
} from '../../src/index.js';
import { ManualClock, testJob, testOperator } from '../../src/testing.js';

const HOUR = 3_600_000;

interface Trade {
  readonly at: number;
  readonly of: string;
  readonly price: number;
}

const folder = mkdtempSync(join(tmpdir(), 'tidemark-testing-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe('keyed state', () => {
  const ledger = (trades: Stream<Trade>) =>
    trades
      .keyBy((t) => [t.of, t.price > 0], key.tuple(key.string, key.boolean))
      .process('ledger', {
        state: {
          last: state.value<Trade>(),
          count: state.number(0),
          prices: state.list<number>(),
          byHour: state.map<number, number>(),
          dearest: state.reducing<number>((a, b) => Math.max(a, b)),
          mean: state.aggregating({
            init: () => ({ n: 0, sum: 0 }),
            add: (a, price: number) => ({ n: a.n + 1, sum: a.sum + price }),
            result: (a) => a.sum / a.n,
          }),
        },
        emits: type<number>(),
        onElement(t, { state: kept, emit: _emit, ...ctx }) {
          kept.last.set(t);
          kept.count.add(1);
          kept.prices.add(t.price);
          kept.byHour.set(Math.floor(t.at / HOUR), t.price);
          kept.dearest.add(t.price);
          kept.mean.add(t.price);
          ctx.log(`${kept.mean.get()}`);
        },
      });

  test('of every kind is read by key', async () => {
    const op = await testOperator(ledger, { parallelism: 2 });
    const trades = [1, 5, 3].map((price, i) => ({ at: i * HOUR, of: 'a', price }));
    op.pushAll(trades);
    const of = ['a', true];
    assert.deepEqual(op.state('ledger.last', of), trades[2]);
    assert.equal(op.state('ledger.count', of), 3);
    assert.deepEqual(op.state('ledger.prices', of), [1, 5, 3]);
    assert.deepEqual(
      op.state('ledger.byHour', of),
      new Map([
        [0, 1],
        [1, 5],
        [2, 3],
      ]),
    );
    assert.equal(op.state('ledger.dearest', of), 5);
    assert.deepEqual(op.state('ledger.mean', of), { n: 3, sum: 9 });
    assert.deepEqual(op.log, ['1', '3', '3']);
    for (const name of ['last', 'count', 'prices', 'byHour', 'dearest', 'mean'])
      assert.equal(op.state(`ledger.${name}`, ['a', false]), undefined, name);
    assert.throws(() => op.state('ledger.last', 'a'), { code: 'KEY_REFUSED', message: /key of ledger.last/ });
    assert.throws(() => op.state('ledger.least', of), {
      code: 'USAGE',
      message: /there are: ledger.last, ledger.count/,
    });
  });

  test('with a ttl is undefined once it has expired', async () => {
    const op = await testOperator((names: Stream<string>) =>
      names
        .keyBy((name) => name)
        .process('seen', {
          state: {
            value: state.value<string>({ ttl: '1m' }),
            number: state.number(0, { ttl: '1m' }),
            list: state.list<string>({ ttl: '1m' }),
            map: state.map<string, string>({ ttl: '1m' }),
          },
          onElement(name, ctx) {
            ctx.state.value.set(name);
            ctx.state.number.add(1);
            ctx.state.list.add(name);
            ctx.state.map.set(`${ctx.now()}`, name);
          },
        }),
    );
    const read = () => ['value', 'number', 'list', 'map'].map((name) => op.state(`seen.${name}`, 'a'));
    op.push('a');
    op.advance('30s');
    op.push('a');
    op.advance('30s');
    assert.deepEqual(read(), ['a', 2, ['a', 'a'], new Map([['30000', 'a']])]);
    op.advance('30s');
    assert.deepEqual(read(), [undefined, undefined, undefined, undefined]);
  });
});

describe('windows', () => {
  const count = {
    init: () => 0,
    add: (n: number) => n + 1,
    merge: (a: number, b: number) => a + b,
    result: (n: number) => n,
  };
  const keyed = (trades: Stream<Trade>) => trades.keyBy((t) => t.of);
  const trade = (at: number): Trade => ({ at, of: 'a', price: 1 });

  test('panes hold what was gathered, slices what belongs to several', async () => {
    const op = await testOperator((trades: Stream<Trade>) => ({
      all: keyed(trades).window('all', { assign: windows.tumbling('1h'), apply: (some) => [some.length] }),
      sliding: keyed(trades).window('sliding', { assign: windows.sliding('1h', '20m'), aggregate: count }),
      session: keyed(trades).window('session', { assign: windows.session('10m'), aggregate: count }),
      every: keyed(trades).window('every', {
        assign: windows.global(),
        trigger: triggers.count(3),
        reduce: (a) => a,
      }),
    }));
    const minute = 60_000;
    for (const at of [5, 12, 50]) op.push(trade(at * minute), at * minute);
    const pane = (start: number, end: number, value: unknown) => ({
      window: { start: start * minute, end: end * minute },
      value,
    });
    assert.deepEqual(op.state('all', 'a'), [
      pane(
        0,
        60,
        [5, 12, 50].map((at) => trade(at * minute)),
      ),
    ]);
    assert.deepEqual(op.state('sliding', 'a'), [pane(0, 20, 2), pane(40, 60, 1)]);
    assert.deepEqual(op.state('sliding.slices', 'a'), op.state('sliding', 'a'));
    assert.deepEqual(op.state('session', 'a'), [pane(5, 22, 2), pane(50, 60, 1)]);
    assert.deepEqual(op.state('every', 'a'), [
      {
        window: { start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY },
        value: trade(5 * minute),
      },
    ]);
    assert.deepEqual(op.output('every'), [trade(5 * minute)]);
    assert.deepEqual(op.timers('session.event', 'a'), [22 * minute - 1]);
    assert.deepEqual(op.state('all', 'b'), []);
    assert.throws(() => op.late('every'), { code: 'USAGE', message: /nothing is late/ });
  });
});

describe('a whole definition', () => {
  const hourly = defineJob('hourly', {}, (job) => {
    const windowed = job
      .source('trades', fromArray<Trade>([]))
      .assignTimestamps((t) => t.at, { outOfOrderness: '10m' })
      .keyBy((t) => t.of)
      .window('hourly', {
        assign: windows.tumbling('1h'),
        apply: (some, w) => [{ end: w.end, n: some.length }],
      });
    windowed.sink('out', stdout());
    windowed.late.sink('late', stdout());
  });
  const trade = (hours: number): Trade => ({ at: hours * HOUR, of: 'a', price: 1 });

  test('event time, late elements and panes are seen between batches of one', async () => {
    const trades = [0.5, 1.5, 0.25].map(trade);
    const job = await testJob(hourly, { inputs: { trades }, batch: 1 });
    await job.step();
    await job.step();
    assert.equal(job.watermarkOf('hourly'), 0.5 * HOUR - 600_001);
    await job.step();
    assert.deepEqual(job.takeOutput('out'), [{ end: HOUR, n: 1 }]);
    assert.equal(await job.run(), 'ended');
    assert.deepEqual(job.takeOutput('out'), [{ end: 2 * HOUR, n: 1 }]);
    assert.deepEqual(job.output('late'), [trades[2]]);
    assert.equal(job.late('hourly'), 1);
    assert.equal(job.watermarkOf('hourly'), Number.POSITIVE_INFINITY);
    await assert.rejects(testJob(hourly, { batch: 0 }), { code: 'USAGE' });
  });

  test('its snapshot goes on in a piece of it, and back', async () => {
    const trades = [0.1, 0.2, 1.5].map(trade);
    const job = await testJob(hourly, { inputs: { trades }, batch: 1, clock: new ManualClock(77) });
    for (let batches = 0; batches < 2; ) if (await job.step()) batches++;
    const snapshot = await job.snapshot();
    const piece = (some: Stream<Trade>) =>
      some
        .keyBy((t) => t.of)
        .window('hourly', {
          assign: windows.tumbling('1h'),
          apply: (all, w) => [{ end: w.end, n: all.length }],
        });
    const op = await testOperator(piece, { restore: snapshot, parallelism: 3 });
    assert.equal(op.clock.now(), 77);
    op.push(trade(0.3), 0.3 * HOUR);
    const next = await testJob(hourly, { restore: await op.snapshot(), inputs: { trades: trades.slice(2) } });
    await next.run();
    assert.deepEqual(next.output('out'), [
      { end: HOUR, n: 3 },
      { end: 2 * HOUR, n: 1 },
    ]);
  });

  test('another input takes the place of what a snapshot was reading, and a captured sink that of one that commits', async () => {
    const out = join(folder, 'out');
    const counted = defineJob('counted', {}, (job) => {
      job
        .source('words', fromArray(['a', 'b', 'a']))
        .keyBy((word) => word)
        .process('count', {
          state: { seen: state.number(0) },
          emits: type<string>(),
          onElement(word, ctx) {
            ctx.state.seen.add(1);
            ctx.emit(`${word} ${ctx.state.seen.get()}`);
          },
        })
        .sink('out', fileSink(out));
    });
    const live = await testJob(counted, { liveSinks: true });
    await live.run();
    assert.equal(live.state('count.seen', 'a'), 2);
    assert.equal(live.state('count.seen', 'b'), 1, 'looking does not end the transaction');
    const snapshot = await live.snapshot();
    await live.close();
    assert.equal(readdirSync(out).filter((name) => name.startsWith('part-')).length, 1);

    const next = await testJob(counted, { restore: snapshot, inputs: { words: ['a', 'c'] } });
    assert.equal(await next.run(), 'ended');
    assert.deepEqual(next.output('out'), ['a 3', 'c 1']);
    const third = await testJob(counted, {
      restore: await next.snapshot(),
      inputs: { words: ['a', 'c', 'c'] },
    });
    await third.run();
    assert.deepEqual(third.output('out'), ['c 2'], 'behind what this input had given already');
  });
});

test('state of sinks and sources is read without a key', async () => {
  const numbers = defineSource({
    position: schema(z.number()),
    state: { read: state.operatorUnion<string>() },
    splits: () => ['x', 'y'].map((id) => ({ id, start: 0 })),
    async *read({ split, position, state: { read } }) {
      if (position > 0) return;
      yield { elements: [1, 2], position: 2, state: { read: [...read, split] } };
    },
  });
  const holding = defineSink({
    state: { held: state.operatorList<number>() },
    open: ({ state: { held } }) => ({
      write(elements: readonly number[]) {
        for (const element of elements) held.add(element);
      },
    }),
  });
  const definition = defineJob('holding', {}, (job) => job.source('numbers', numbers).sink('hold', holding));
  const job = await testJob(definition, { liveSinks: true, parallelism: 2 });
  await job.run();
  assert.deepEqual(job.state('hold.held'), [1, 2, 1, 2]);
  assert.deepEqual(job.state('numbers.read'), ['x', 'y']);
  assert.throws(() => job.timers('hold.held', 1), { code: 'USAGE' });
});

/** What docs/timers.md says, and its example on a few flights. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Flight } from '../../fixtures/jobs/flight.js';
import quietAlarms from '../../fixtures/jobs/quiet-alarms.js';
import { collect, defineJob, fromArray, type Stream, TidemarkError, type } from '../../src/index.js';
import { testJob, testOperator } from '../../src/testing.js';

function flight(date: string): Flight {
  return { date, delay: 0, distance: 100, origin: 'ATL', destination: 'BOS' };
}

test('quiet-alarms: the same in batches of any size', async () => {
  const flights = ['01 08:00', '01 09:00', '02 09:00', '03 09:01', '03 09:02', '03 09:02'].map((time) =>
    flight(`2001/01/${time}`),
  );
  for (const batch of [1, 2, 3, 512]) {
    const job = await testJob(quietAlarms, { inputs: { flights }, batch, parallelism: 2 });
    assert.equal(await job.run(), 'ended');
    assert.deepEqual(job.output('out'), [
      { airport: 'ATL', quietSince: '2001-01-02T09:00:00.000Z' },
      { airport: 'ATL', quietSince: '2001-01-03T09:02:00.000Z' },
    ]);
    await job.close();
  }
});

interface Order {
  readonly id: string;
  readonly at: number;
  readonly says: 'check' | 'check twice' | 'not' | 'none' | 'close' | 'nothing';
}

/** What becomes of timers that orders set: `name@time ctx.timestamp`. */
function orders(input: readonly Order[]) {
  return defineJob('orders', {}, (job) => {
    job
      .source('orders', fromArray(input))
      .assignTimestamps((order) => order.at, { outOfOrderness: 0 })
      .keyBy((order) => order.id)
      .process('timers', {
        timers: { check: 'event', close: 'processing' },
        emits: type<string>(),
        onElement({ says, at }, ctx) {
          const { check, close } = ctx.timers;
          if (says === 'check' || says === 'check twice') check.set(at + 10);
          if (says === 'check twice') {
            check.set(at + 10);
            check.set(at + 5);
          }
          if (says === 'not') check.delete(at + 9);
          if (says === 'none') check.clear();
          if (says === 'close') close.set(ctx.now() + 100);
          ctx.emit(`${ctx.key} ${says}`);
        },
        onTimer: {
          check: (time, ctx) => ctx.emit(`${ctx.key} check@${time} ${ctx.timestamp}`),
          close: (time, ctx) => ctx.emit(`${ctx.key} close@${time} ${ctx.timestamp}`),
        },
      })
      .sink('out', collect([]));
  });
}

test('a timer is one by key, name and time; delete takes one away, clear all of the key', async () => {
  const inputs: readonly Order[] = [
    { id: 'a', at: 0, says: 'check twice' },
    { id: 'b', at: 0, says: 'check twice' },
    { id: 'c', at: 0, says: 'check twice' },
    { id: 'a', at: 1, says: 'not' },
    { id: 'b', at: 1, says: 'none' },
    { id: 'a', at: 2, says: 'none' },
    { id: 'a', at: 2, says: 'check' },
  ];
  const job = await testJob(orders(inputs), { parallelism: 4 });
  await job.run();
  const fired = job.output('out').filter((line) => String(line).includes('@'));
  assert.deepEqual(fired.toSorted(), ['a check@12 12', 'c check@10 10', 'c check@5 5']);
  await job.close();
});

test('a time that has come fires before anything more is read', async () => {
  const input: readonly Order[] = [
    { id: 'a', at: 100, says: 'nothing' },
    { id: 'a', at: 50, says: 'check' },
    { id: 'a', at: 101, says: 'nothing' },
    { id: 'a', at: 102, says: 'nothing' },
  ];
  const orderOf = async (batch: number) => {
    const job = await testJob(orders([]), { inputs: { orders: input }, batch });
    await job.run();
    await job.close();
    return job.output('out');
  };
  const [check, fired, nothing] = ['a check', 'a check@60 60', 'a nothing'];
  assert.deepEqual(await orderOf(1), [nothing, check, fired, nothing, nothing]);
  assert.deepEqual(await orderOf(2), [nothing, check, fired, nothing, nothing]);
  assert.deepEqual(await orderOf(3), [nothing, check, nothing, fired, nothing]);
});

test('a processing timer outlives a restore, and time spent down counts; the end of input drops it', async () => {
  const input: readonly Order[] = [
    { id: 'a', at: 0, says: 'close' },
    { id: 'a', at: 1, says: 'nothing' },
  ];
  const first = await testJob(orders([]), { inputs: { orders: input }, batch: 1 });
  while (first.output('out').length < 1) await first.step();
  const snapshot = await first.snapshot();
  assert.deepEqual(first.timers('timers.close', 'a'), [100]);
  await first.close();

  const later = await testJob(orders([]), { inputs: { orders: input }, batch: 1, restore: snapshot });
  later.clock.advance(5_000);
  await later.run();
  assert.deepEqual(later.output('out'), ['a close@100 undefined', 'a nothing']);
  await later.close();

  const atOnce = await testJob(orders([]), { inputs: { orders: input }, restore: snapshot, parallelism: 3 });
  assert.equal(await atOnce.run(), 'ended');
  await atOnce.advance(5_000);
  assert.deepEqual(atOnce.output('out'), ['a nothing']);
  await atOnce.close();
});

test('a timer takes whole milliseconds, and what it does not take is named', async () => {
  for (const [time, found] of [
    [Number.NaN, 'NaN'],
    [1.5, '1.5'],
    [new Date(5), 'a Date'],
    ['5', 'a string'],
  ] as const) {
    const op = await testOperator((stream: Stream<string>) =>
      stream
        .keyBy((key) => key)
        .process('wakes', {
          timers: { wake: 'processing' },
          onElement: (_key, ctx) => ctx.timers.wake.set(time as number),
          onTimer: { wake: () => undefined },
        }),
    );
    assert.throws(
      () => op.push('a'),
      (error) =>
        error instanceof TidemarkError &&
        error.code === 'VALUE_REFUSED' &&
        error.message.includes(`key "a": expected a time in whole milliseconds since 1970, found ${found}`) &&
        error.details.hint?.includes('date.getTime()') === true,
    );
    await op.close();
  }
});

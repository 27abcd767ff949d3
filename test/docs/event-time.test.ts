/** What docs/event-time.md says, and its examples on a few flights. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import busyWeeks from '../../fixtures/jobs/busy-weeks.js';
import { departure, type Flight } from '../../fixtures/jobs/flight.js';
import { collect, defineJob, defineSource, fromArray, schema, type, windows } from '../../src/index.js';
import { testJob } from '../../src/testing.js';

function flight(date: string, rest: Partial<Flight> = {}): Flight {
  return { date, delay: 0, distance: 100, origin: 'ATL', destination: 'BOS', ...rest };
}

test('busy-weeks: weeks begin on Monday', async () => {
  const flights = [flight('2001/01/07 23:59'), flight('2001/01/08 00:00'), flight('2001/01/08 00:00')];
  const job = await testJob(busyWeeks, { inputs: { flights } });
  assert.equal(await job.run(), 'ended');
  assert.deepEqual(job.output('out'), [
    { origin: 'ATL', week: '2001-01-01', flights: 1 },
    { origin: 'ATL', week: '2001-01-08', flights: 2 },
  ]);
  await job.close();
});

/** Splits by name: batches of timestamps, and the letter of the split. One is read after the other. */
const files = (splits: Readonly<Record<string, readonly (readonly number[])[]>>) =>
  defineSource({
    position: schema(z.object({ next: z.number() })),
    concurrency: 1,
    splits: () => Object.keys(splits).map((id) => ({ id, start: { next: 0 } })),
    async *read({ split, position }) {
      for (const [at, batch] of [...(splits[split] ?? []).entries()].slice(position.next))
        yield { elements: batch, position: { next: at + 1 } };
    },
  });

/** What an operator sees: `element@watermark`. */
function watching(splits: Parameters<typeof files>[0], options: { readonly inTurn?: boolean } = {}) {
  const seen: string[] = [];
  const definition = defineJob('watching', {}, (job) => {
    job
      .source('times', files(splits))
      .assignTimestamps((time) => time, { outOfOrderness: 5, ...options })
      .keyBy(() => 'all')
      .process('watch', {
        timers: { due: 'event' },
        emits: type<number>(),
        onElement(time, ctx) {
          seen.push(`${time}@${ctx.watermark()}`);
          assert.equal(ctx.timestamp, time);
          ctx.timers.due.set(time);
          ctx.emit(time);
        },
        onTimer: { due: (at, ctx) => void seen.push(`due ${at}@${ctx.watermark()} ${ctx.timestamp}`) },
      })
      .sink('out', collect([]));
  });
  return { definition, seen };
}

test('event time moves between batches, behind the greatest timestamp, and ends with the input', async () => {
  const { definition, seen } = watching({ a: [[10, 20], [18, 14, 30], [24]] });
  const job = await testJob(definition);
  assert.equal(await job.run(), 'ended');
  assert.deepEqual(seen, [
    '10@-Infinity',
    '20@-Infinity',
    'due 10@14 10',
    '18@14',
    '14@14',
    '30@14',
    'due 14@24 14',
    'due 18@24 18',
    'due 20@24 20',
    '24@24',
    'due 24@24 24',
    'due 30@Infinity 30',
  ]);
  // 14 and 24 came at or behind the watermark: counted, and processed like any other.
  assert.equal(job.late('watch'), 2);
  assert.equal(job.watermarkOf('watch'), Number.POSITIVE_INFINITY);
  await job.close();
});

test('a split that waits holds event time back, unless splits come in turn', async () => {
  const splits = { a: [[10], [20], [30]], b: [[40], [50]] };
  const all = watching(splits);
  const job = await testJob(all.definition);
  await job.run();
  assert.deepEqual(all.seen.slice(0, 5), [
    '10@-Infinity',
    '20@-Infinity',
    '30@-Infinity',
    '40@-Infinity',
    'due 10@34 10',
  ]);
  const inTurn = watching(splits, { inTurn: true });
  const turned = await testJob(inTurn.definition);
  await turned.run();
  // A split that was read to its end does not count any more: event time waits until the next has given something.
  assert.deepEqual(inTurn.seen.slice(0, 7), [
    '10@-Infinity',
    '20@4',
    'due 10@14 10',
    '30@14',
    '40@14',
    'due 20@34 20',
    'due 30@34 30',
  ]);
  for (const one of [job, turned]) await one.close();
});

test('what was late before a restore is late after it', async () => {
  const { definition, seen } = watching({ a: [[100], [40], [41]] });
  const first = await testJob(definition, { parallelism: 2 });
  for (let steps = 0; steps < 2; ) if (await first.step()) steps++;
  await first.close();
  const next = await testJob(definition, { parallelism: 3, restore: await first.snapshot() });
  await next.run();
  assert.deepEqual(seen.slice(0, 5), ['100@-Infinity', '40@94', 'due 40@94 40', '41@94', 'due 41@94 41']);
  await next.close();
});

test('what is no timestamp fails the job, with the element', async () => {
  const definition = defineJob('wrong', {}, (job) => {
    job
      .source('flights', fromArray([flight('yesterday')]))
      .assignTimestamps(departure, { outOfOrderness: '5m', idle: '30s', inTurn: true })
      .keyBy((one) => one.origin)
      .window('weeks', { assign: windows.tumbling('7d'), reduce: (a) => a })
      .sink('out', collect([]));
  });
  const job = await testJob(definition);
  await assert.rejects(job.run(), { code: 'TIMESTAMP_REFUSED', message: /found NaN/ });
  await job.close();
});

test('windows without timestamps are found before anything runs', () => {
  const definition = defineJob('untimed', {}, (job) => {
    job
      .source('flights', fromArray([flight('2001/01/01 00:00')]))
      .keyBy((one) => one.origin)
      .window('weeks', { assign: windows.tumbling('7d'), reduce: (a) => a })
      .sink('out', collect([]));
  });
  assert.throws(() => definition.build({}), { code: 'GRAPH_INVALID', message: /assignTimestamps/ });
});

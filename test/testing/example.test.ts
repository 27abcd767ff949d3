import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineJob, fileSink, files, param, type Stream, state, type, windows } from 'tidemark';
import { testJob, testOperator } from 'tidemark/testing';

interface Visit {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly page: string;
}

// Visits of each page by the hour. A piece of a dataflow is a function, which `via` and `testOperator` take.
const perHour = (visits: Stream<Visit>) =>
  visits
    .keyBy((visit) => visit.page)
    .window('per-hour', {
      assign: windows.tumbling('1h'),
      lateness: '5m',
      aggregate: {
        init: () => 0,
        add: (n, _visit: Visit) => n + 1,
        result: (n, window) => ({ page: window.key, end: window.end, visits: n }),
      },
    });

// A page that nobody visits for ten minutes, by the clock, is idle.
const idle = (visits: Stream<Visit>) =>
  visits
    .keyBy((visit) => visit.page)
    .process('idle', {
      state: { seen: state.number(0) },
      timers: { alarm: 'processing' },
      emits: type<string>(),
      onElement(_visit, ctx) {
        ctx.state.seen.add(1);
        ctx.timers.alarm.clear();
        ctx.timers.alarm.set(ctx.now() + 600_000);
      },
      onTimer: { alarm: (_time, ctx) => ctx.emit(`${ctx.key} is idle after ${ctx.state.seen.get()}`) },
    });

// In a project of yours this stands in a file of its own, as its default export.
const definition = defineJob(
  'visits',
  { params: { input: param.string(), output: param.string() } },
  (job, p) => {
    const visits = job
      .source('visits', files<Visit>(p.input, { format: 'json' }))
      .assignTimestamps((visit) => visit.at, { outOfOrderness: '1m' });
    const hourly = visits.via(perHour);
    hourly.sink('hourly', fileSink(`${p.output}/hourly`));
    hourly.late.sink('late', fileSink(`${p.output}/late`));
    visits.via(idle).sink('alarms', fileSink(`${p.output}/alarms`));
  },
);

const HOUR = 3_600_000;
const visit = (hours: number): Visit => ({ at: hours * HOUR, page: '/' });

test('the whole definition: given input in, what reaches the sinks out', async () => {
  const job = await testJob(definition, {
    params: { input: '-', output: '-' },
    inputs: { visits: [visit(0.1), visit(0.2), visit(1.5), visit(0.3)] },
    batch: 1, // event time advances after each element, so that the last one is late
  });
  assert.equal(await job.run(), 'ended');
  assert.deepEqual(job.output('hourly'), [
    { page: '/', end: HOUR, visits: 2 },
    { page: '/', end: 2 * HOUR, visits: 1 },
  ]);
  assert.deepEqual(job.output('late'), [visit(0.3)]);
  assert.equal(job.late('per-hour'), 1);
  assert.equal(job.state('idle.seen', '/'), 4);
  await job.close();
});

test('one operator: the test says what comes, and how far event time is', async () => {
  const op = await testOperator(perHour);
  op.push(visit(0.1), 0.1 * HOUR);
  op.push(visit(0.9), 0.9 * HOUR);
  assert.deepEqual(op.state('per-hour', '/'), [{ window: { start: 0, end: HOUR }, value: 2 }]);
  op.watermark(HOUR - 1); // no element at or before this is expected any more
  assert.deepEqual(op.takeOutput(), [{ page: '/', end: HOUR, visits: 2 }]);
  op.push(visit(0.5), 0.5 * HOUR); // late, but not too late: fires again
  assert.deepEqual(op.takeOutput(), [{ page: '/', end: HOUR, visits: 3 }]);
  op.watermark(HOUR + 300_000);
  op.push(visit(0.5), 0.5 * HOUR);
  assert.deepEqual(op.takeOutput(), []);
  assert.deepEqual(op.takeOutput('late'), [visit(0.5)]);
  await op.close();
});

test('the clock, and a snapshot restored at another parallelism', async () => {
  const op = await testOperator(idle);
  op.push(visit(0));
  op.advance('9m');
  op.push(visit(0));
  assert.deepEqual(op.timers('idle.alarm', '/'), [19 * 60_000]);
  const snapshot = await op.snapshot();

  const wider = await testOperator(idle, { restore: snapshot, parallelism: 4 });
  wider.advance('9m');
  assert.deepEqual(wider.output(), []);
  wider.advance('1m');
  assert.deepEqual(wider.output(), ['/ is idle after 2']);
});

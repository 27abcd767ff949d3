/** What docs/windows.md says, and its examples on a few elements. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import badDays from '../../fixtures/jobs/bad-days.js';
import everyHundred from '../../fixtures/jobs/every-hundred.js';
import type { Flight } from '../../fixtures/jobs/flight.js';
import flightWindows from '../../fixtures/jobs/flight-windows.js';
import quietAirports from '../../fixtures/jobs/quiet-airports.js';
import {
  type AnyTrigger,
  defineJob,
  fileSink,
  fromArray,
  triggers,
  type WindowAssigner,
  windows,
} from '../../src/index.js';
import { type TestJobOptions, testJob } from '../../src/testing.js';

const HOUR = 3_600_000;

function flight(time: string, delay = 0): Flight {
  return { date: `2001/01/${time}`, delay, distance: 100, origin: 'ATL', destination: 'BOS' };
}

test('flight-windows: each flight in one hour and in eighteen windows of three', async () => {
  const flights = [
    flight('01 08:05', 10),
    flight('01 08:59', 20),
    flight('01 09:00', 60),
    flight('01 08:58'),
  ];
  const job = await testJob(flightWindows, { inputs: { flights }, batch: 1 });
  assert.equal(await job.run(), 'ended');
  const row = { origin: 'ATL', start: '2001-01-01T08:00:00.000Z', end: '2001-01-01T09:00:00.000Z' };
  assert.deepEqual(job.output('by-hour')[0], { ...row, flights: 2, mean: 15, worst: 20 });
  const sliding = job.output('by-three-hours') as readonly { readonly flights: number }[];
  // The last came after its hour, though not after all windows of three hours that hold it.
  assert.deepEqual(job.output('late'), [{ window: 'hourly', flight: flight('01 08:58') }]);
  assert.equal(
    sliding.reduce((sum, { flights }) => sum + flights, 0),
    3 * 18 + 17,
  );
  await job.close();
});

test('quiet-airports: flights three hours apart are two sessions', async () => {
  const flights = ['08:00', '10:59', '13:59', '16:58', '21:00'].map((time) => flight(`01 ${time}`));
  const job = await testJob(quietAirports, { inputs: { flights } });
  await job.run();
  const quiet = job.output('out') as readonly { readonly minutes: number; readonly sessions: number }[];
  assert.deepEqual(
    quiet.map(({ minutes, sessions }) => [minutes, sessions]),
    [
      [180, 1],
      [242, 2],
    ],
  );
  await job.close();
});

test('bad-days: a result at the first bad flight, another at the end of the day', async () => {
  const flights = [flight('01 08:00'), flight('01 09:00', 200), flight('01 10:00', 300), flight('02 08:00')];
  const job = await testJob(badDays, { inputs: { flights } });
  await job.run();
  const day = { origin: 'ATL', day: '2001-01-01' };
  assert.deepEqual(job.output('out'), [
    { ...day, flights: 2, bad: 1 },
    { ...day, flights: 3, bad: 2 },
  ]);
  await job.close();
});

test('every-hundred: each flight in one result, the rest in none', async () => {
  const flights = Array.from({ length: 250 }, (_, i) => flight('01 08:00', i));
  const job = await testJob(everyHundred, { inputs: { flights } });
  await job.run();
  const means = job.output('out').map((row) => (row as { readonly mean: number }).mean);
  assert.deepEqual(means, [49.5, 149.5]);
  await job.close();
});

interface Visit {
  readonly user: string;
  /** Milliseconds. */
  readonly at: number;
  readonly pages: number;
  readonly patience: number;
}

function visit(at: number, pages = 1): Visit {
  return { user: 'ann', at, pages, patience: pages * 10 };
}

const site = defineJob('site', {}, (job) => {
  const visits = job
    .source('visits', fromArray<Visit>([]))
    .assignTimestamps((one) => one.at, { outOfOrderness: 0 })
    .keyBy((one) => one.user);
  const hourly = visits.window('hourly', {
    assign: windows.tumbling('1h'),
    lateness: '10m',
    reduce: (a, b) => ({ ...a, pages: a.pages + b.pages }),
  });
  hourly.sink('pages', fileSink('out/pages'));
  hourly.late.sink('late', fileSink('out/late'));
});

test('lateness: each late element gives the new result; after that it goes to the late output', async () => {
  const minute = HOUR / 60;
  const visits = [visit(0), visit(62 * minute), visit(30 * minute), visit(70 * minute), visit(31 * minute)];
  const job = await testJob(site, { inputs: { visits }, batch: 1 });
  await job.run();
  const pages = job.output('pages').map((one) => (one as Visit).pages);
  assert.deepEqual(pages, [1, 2, 2]);
  assert.deepEqual(job.output('late'), [visit(31 * minute)]);
  assert.equal(job.late('hourly'), 1);
  await job.close();
});

/** The windows of timestamps, as `start-end: timestamps`, in the order of their results. */
async function panesOf(
  assign: WindowAssigner<Visit>,
  times: readonly (number | Visit)[],
  more: Pick<TestJobOptions, 'batch'> & { readonly trigger?: AnyTrigger<unknown> } = {},
) {
  const { trigger, ...options } = more;
  const definition = defineJob('panes', {}, (job) => {
    const gathered = job
      .source('visits', fromArray<Visit>([]))
      .assignTimestamps((one) => one.at, { outOfOrderness: 0 })
      .keyBy((one) => one.user)
      .window('panes', {
        assign,
        ...(trigger === undefined ? {} : { trigger }),
        apply: (all, { start, end }) => [`${start}-${end}: ${all.map(({ at }) => at).join(' ')}`],
      });
    gathered.sink('out', fileSink('out/panes'));
    gathered.late.sink('late', fileSink('out/late'));
  });
  const visits = times.map((time) => (typeof time === 'number' ? visit(time) : time));
  const job = await testJob(definition, { inputs: { visits }, ...options });
  await job.run();
  await job.close();
  return { out: job.output('out'), late: job.output('late').map((one) => (one as Visit).at) };
}

test('assigners: as the page lists them', async () => {
  const [hours, days, sliding, sessions, patient, global] = [
    windows.tumbling('1h'),
    windows.tumbling('1d', { offset: '-8h' }),
    windows.sliding('3h', '10m'),
    windows.session('30m'),
    windows.session((visit: Visit) => visit.patience),
    windows.global(),
  ];
  assert.deepEqual((await panesOf(hours, [HOUR, 1])).out, [`0-${HOUR}: 1`, `${HOUR}-${2 * HOUR}: ${HOUR}`]);
  assert.deepEqual((await panesOf(days, [-1])).out, [`${-8 * HOUR}-${16 * HOUR}: -1`]);
  assert.equal((await panesOf(sliding, [0])).out.length, 18);
  const half = HOUR / 2;
  assert.deepEqual((await panesOf(sessions, [0, half - 1, 2 * half - 1])).out, [
    `0-${2 * half - 1}: 0 ${half - 1}`,
    `${2 * half - 1}-${3 * half - 1}: ${2 * half - 1}`,
  ]);
  assert.deepEqual((await panesOf(patient, [visit(0, 2), visit(15, 1), visit(25, 1)])).out, [
    '0-25: 0 15',
    '25-35: 25',
  ]);
  assert.deepEqual((await panesOf(global, [5, 3, 4], { trigger: triggers.count(2) })).out, [
    '-Infinity-Infinity: 5 3',
  ]);
});

test('sliding windows with gaps: an element in a gap is in none, and is not late', async () => {
  assert.deepEqual(await panesOf(windows.sliding(5, 10), [1, 7, 12]), {
    out: ['0-5: 1', '10-15: 12'],
    late: [],
  });
});

test('triggers: what has not shown in a result by the end does not', async () => {
  const tumbling = windows.tumbling(10);
  const of = async (trigger: AnyTrigger<unknown>, ...times: number[]) =>
    (await panesOf(tumbling, times, { trigger, batch: 1 })).out;
  assert.deepEqual(await of(triggers.eventTime(), 1, 2, 3), ['0-10: 1 2 3']);
  assert.deepEqual(await of(triggers.count(2), 1, 2, 3), ['0-10: 1 2']);
  assert.deepEqual(await of(triggers.count(2), 1, 2, 3, 4), ['0-10: 1 2', '0-10: 1 2 3 4']);
  const purging = triggers.purging(triggers.count(2));
  assert.deepEqual(await of(purging, 1, 2, 3, 4), ['0-10: 1 2', '0-10: 3 4']);
  // At 4, though it is told only once event time has moved to 5; at 8, and at the end.
  assert.deepEqual(await of(triggers.continuous(4), 1, 6, 7, 30), [
    '0-10: 1 6',
    ...['0-10: 1 6 7', '0-10: 1 6 7'],
    ...['30-40: 30', '30-40: 30', '30-40: 30'],
  ]);
});

test('a late element begins a session of its own where the one it belonged to is forgotten', async () => {
  const { out, late } = await panesOf(windows.session(10), [80, 85, 96, 90, 120, 100], { batch: 1 });
  assert.deepEqual(out, ['80-95: 80 85', '90-106: 96 90', '120-130: 120']);
  assert.deepEqual(late, [100]);
});

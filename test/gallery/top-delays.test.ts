/** gallery/top-delays: the ranks of each day, held against a plain computation. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Flight } from '../../fixtures/jobs/flight.js';
import topDelays from '../../fixtures/jobs/gallery/top-delays.js';
import { testJob } from '../../src/testing.js';
import { crashed, FLIGHTS, finish, groupBy, lines } from './flights.js';

/** Day by day, over all flights at once. */
function plain(flights: readonly Flight[]) {
  const days = groupBy(flights, ({ date }) => date.slice(0, 10).replaceAll('/', '-'));
  return [...days].flatMap(([day, own]) => {
    const airports = [...groupBy(own, ({ origin }) => origin)].map(([origin, from]) => ({
      origin,
      flights: from.length,
      minutes: from.reduce((sum, { delay }) => sum + (delay > 0 ? delay : 0), 0),
    }));
    return airports.flatMap((airport) => {
      const rank = 1 + airports.filter(({ minutes }) => minutes > airport.minutes).length;
      return rank > 10 || airport.minutes === 0 ? [] : [{ day, rank, ...airport }];
    });
  });
}

test('crashed midway, on with another parallelism: the ranks of the plain computation', async () => {
  const expected = plain(FLIGHTS);
  assert.ok(expected.length > 900, 'ten a day, and more');
  assert.equal(expected.length, 905);
  const output = await crashed(
    topDelays,
    { params: { rate: '1000000' }, sinks: ['out'] },
    { after: 20, parallelism: 7 },
  );
  assert.deepEqual(lines(output('out')), lines(expected));
});

test('equal ones share a rank, stand in the order of their codes, and are all there at the end', async () => {
  const flight = (origin: string, delay: number): Flight => ({
    ...{ date: '2001/01/01 08:00', distance: 100, destination: 'BOS' },
    ...{ origin, delay },
  });
  const codes = ['ORD', 'ATL', 'DFW', 'LAX', 'PHX', 'STL', 'DEN', 'LAS', 'MSP', 'SFO', 'EWR'];
  const flights = [
    ...codes.map((origin, i) => flight(origin, i < 2 ? 90 : i < 9 ? 60 - i : 30)),
    flight('HNL', 10),
    flight('OAK', -10),
  ];
  const job = await testJob(topDelays, { inputs: { flights } });
  await finish(job);
  const ranks = job.output('out').map((row) => {
    const { rank, origin } = row as { readonly rank: number; readonly origin: string };
    return `${rank} ${origin}`;
  });
  assert.deepEqual(ranks, [
    ...['1 ATL', '1 ORD', '3 DFW', '4 LAX', '5 PHX', '6 STL', '7 DEN', '8 LAS', '9 MSP'],
    ...['10 EWR', '10 SFO'],
  ]);
  await job.close();
});

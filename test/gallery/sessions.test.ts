/** gallery/sessions: the waves of the flights and those that come too late, held against a plain computation. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Flight } from '../../fixtures/jobs/flight.js';
import sessions from '../../fixtures/jobs/gallery/sessions.js';
import { crashed, FLIGHTS, HOUR, iso, left, lines, MINUTE } from './flights.js';

interface Wave {
  start: number;
  end: number;
  flights: number;
  minutes: number;
  given: boolean;
}

const LATENESS = HOUR / 2;

/** What is given when event time advances behind each flight: by the words of docs/windows.md, airport by airport. */
function plain(flights: readonly Flight[], gap: number) {
  const airports = new Map<string, Wave[]>();
  const waves: unknown[] = [];
  const late: Flight[] = [];
  let watermark = Number.NEGATIVE_INFINITY;
  const give = (airport: string, wave: Wave) => {
    wave.given = true;
    const { start, end, flights, minutes } = wave;
    waves.push({ airport, from: iso(start), to: iso(end - gap), flights, meanDelay: minutes / flights });
  };
  const advance = (to: number) => {
    watermark = to;
    for (const [airport, own] of airports) {
      for (const wave of own) if (!wave.given && wave.end - 1 <= watermark) give(airport, wave);
      airports.set(
        airport,
        own.filter(({ end }) => end - 1 + LATENESS > watermark),
      );
    }
  };
  let greatest = Number.NEGATIVE_INFINITY;
  for (const flight of flights) {
    const time = left(flight) - flight.delay * MINUTE;
    const own = airports.get(flight.origin) ?? [];
    const touched = own.filter(({ start, end }) => start < time + gap && time < end);
    const wave = {
      start: Math.min(time, ...touched.map(({ start }) => start)),
      end: Math.max(time + gap, ...touched.map(({ end }) => end)),
      flights: touched.reduce((sum, { flights }) => sum + flights, 1),
      minutes: touched.reduce((sum, { minutes }) => sum + minutes, flight.delay),
      given: false,
    };
    if (wave.end - 1 + LATENESS <= watermark) late.push(flight);
    else {
      airports.set(flight.origin, [...own.filter((one) => !touched.includes(one)), wave]);
      if (wave.end - 1 <= watermark) give(flight.origin, wave);
    }
    greatest = Math.max(greatest, time);
    advance(greatest - HOUR / 2 - 1);
  }
  advance(Number.POSITIVE_INFINITY);
  return { waves, late };
}

test('crashed midway, on with another parallelism: each wave, and each late flight, of the plain computation', async () => {
  const { waves, late } = plain(FLIGHTS, HOUR);
  assert.ok(late.length > 100 && waves.length > 10_000, 'both are put to the test');
  // So few a second come one by one.
  const options = { params: { rate: '50' }, sinks: ['out', 'late'] };
  const output = await crashed(sessions, options, { after: 7_000, parallelism: 7 });
  assert.deepEqual(lines(output('out')), lines(waves));
  assert.deepEqual(lines(output('late')), lines(late));
});

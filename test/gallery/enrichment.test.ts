/** gallery/enrichment: late flights with what a real service says of their airport, held against a plain computation. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import enrichment from '../../fixtures/jobs/gallery/enrichment.js';
import { type TestJob, testJob } from '../../src/testing.js';
import { PROJECT } from '../crash/harness.js';
import { FLIGHTS, lines } from './flights.js';

interface Service {
  readonly url: string;
  /** The airports asked about, in order. */
  readonly asked: readonly string[];
  close(): void;
}

interface Serving {
  serve(options: { readonly fail?: number; readonly delay?: number }): Promise<Service>;
}

const { serve }: Serving = await import(pathToFileURL(join(PROJECT, 'fixtures/gallery/airports.mjs')).href);

const LATE = FLIGHTS.filter(({ delay }) => delay >= 120);

/** A comma within quotes parts nothing. */
const AIRPORTS = new Map(
  readFileSync(join(PROJECT, 'fixtures/inputs/airports.csv'), 'utf8')
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/).map((cell) => cell.replaceAll('"', '')))
    .map(([code = '', name, city, state]) => [code, { code, name, city, state }]),
);

/** Whether it has come to its end. The clock moves when no answer is awaited, so that none is too late by it. */
async function moveOn(job: TestJob): Promise<boolean> {
  if ((await job.run()) === 'ended') return true;
  job.clock.advance('100ms');
  return false;
}

test('every seventh answer fails, it crashes with questions under way, and goes on: each late flight once', async () => {
  const service = await serve({ fail: 7, delay: 2 });
  after(() => service.close());
  const options = { params: { service: service.url, rate: '1000000' }, cwd: PROJECT };
  const first = await testJob(enrichment, { ...options, parallelism: 3 });
  while (first.output('out').length < 50) await moveOn(first);
  const answered = service.asked.length;
  // The clock stands still as soon as there are two questions, so that the snapshot is quicker than the answers.
  for (let step = 0; service.asked.length < answered + 2; step++) {
    if (!(await first.step())) first.clock.advance('20ms');
    assert.ok(step < 10_000, 'nobody asks');
  }
  const snapshot = await first.snapshot();
  const committed = [...first.output('out')];
  await first.close();

  const next = await testJob(enrichment, { ...options, restore: snapshot, parallelism: 2 });
  while (!(await moveOn(next)));
  const expected = LATE.map((flight) => ({ ...flight, airport: AIRPORTS.get(flight.origin) }));
  assert.equal(expected.length, 296);
  assert.deepEqual(lines([...committed, ...next.output('out')]), lines(expected));
  assert.deepEqual(next.output('unanswered'), []);
  const failed = Math.floor(service.asked.length / 7);
  assert.ok(service.asked.length - failed > expected.length, 'what was under way is asked again');
  await next.close();
});

test('an airport that the service does not know has none; where no service is, flights are put aside, to come again', async () => {
  const service = await serve({});
  after(() => service.close());
  const flights = [
    { date: '2001/01/01 08:00', delay: 150, distance: 100, origin: 'XYZ', destination: 'BOS' },
  ];
  const options = { inputs: { flights } };
  const known = await testJob(enrichment, { ...options, params: { service: service.url } });
  while (!(await moveOn(known)));
  assert.deepEqual(known.output('out'), [{ ...flights[0], airport: null }]);
  assert.deepEqual(service.asked, ['XYZ'], 'that is an answer: it is asked for once');
  await known.close();

  const nowhere = await testJob(enrichment, { ...options, params: { service: 'http://127.0.0.1:1' } });
  while (!(await moveOn(nowhere)));
  assert.deepEqual(nowhere.output('out'), []);
  const unanswered = { ...flights[0], airport: null, unanswered: 'TypeError: fetch failed' };
  assert.deepEqual(nowhere.output('unanswered'), [unanswered]);
  await nowhere.close();

  // As a file, for the schema of the source is to be asked, too.
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const input = join(folder, 'part-1.jsonl');
  writeFileSync(input, `${JSON.stringify({ ...unanswered, origin: 'ATL' })}\n`);
  const again = await testJob(enrichment, { params: { input, service: service.url } });
  while (!(await moveOn(again)));
  const airport = AIRPORTS.get('ATL');
  assert.deepEqual(again.output('out'), [{ ...flights[0], origin: 'ATL', airport }]);
  await again.close();
});

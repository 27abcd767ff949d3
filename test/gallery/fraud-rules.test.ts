/** gallery/fraud-rules: alerts while rules come and go in the file that is followed, held against a plain computation. */
import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fraudRules from '../../fixtures/jobs/gallery/fraud-rules.js';
import { type TestJob, testJob } from '../../src/testing.js';
import { PROJECT } from '../crash/harness.js';
import { FLIGHTS, groupBy, HOUR, left } from './flights.js';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The flights, by their place in the file, at which a rule alarms that has always been there. */
function plain(rule: string, delay: number, flights: number, hours: number): readonly string[] {
  const alerts: { readonly place: number; readonly line: string }[] = [];
  const places = FLIGHTS.map((flight, place) => ({ flight, place }));
  for (const [airport, own] of groupBy(places, ({ flight }) => flight.origin)) {
    const bad = own.filter(({ flight }) => flight.delay >= delay);
    for (const [i, { flight, place }] of bad.entries()) {
      const recent = bad.slice(0, i + 1).filter((one) => left(one.flight) > left(flight) - hours * HOUR);
      if (recent.length !== flights) continue;
      const delays = recent.map((one) => one.flight.delay);
      alerts.push({ place, line: JSON.stringify({ rule, airport, at: flight.date, delays }) });
    }
  }
  return alerts.sort((a, b) => a.place - b.place).map(({ line }) => line);
}

const hourLate = plain('two an hour late', 60, 2, 6);
const fourLate = plain('four late', 15, 4, 6);

function alertsOf(outputs: readonly unknown[], rule: string): readonly string[] {
  return outputs.map((row) => JSON.stringify(row)).filter((line) => JSON.parse(line).rule === rule);
}

/** From which of the plain alerts to which it has given all, once each. */
function runOf(outputs: readonly unknown[], rule: string, expected: readonly string[]) {
  const places = alertsOf(outputs, rule).map((line) => expected.indexOf(line));
  places.sort((a, b) => a - b);
  const begin = places[0] ?? -1;
  assert.deepEqual(
    places,
    places.map((_, i) => begin + i),
    rule,
  );
  return { begin, end: begin + places.length };
}

/** Moves the clock until so much has been looked for in vain, and takes what has come. */
async function until(job: TestJob, found: () => boolean): Promise<void> {
  for (let steps = 0; !found(); steps++) {
    assert.ok(steps < 100_000, 'waited in vain');
    if (!(await job.step())) job.clock.advance('20ms');
  }
}

test('rules come and go while it runs; it crashes, and goes on with another parallelism', async () => {
  const rules = join(folder, 'rules.jsonl');
  copyFileSync(join(PROJECT, 'fixtures/gallery/rules.jsonl'), rules);
  const options = { params: { rules, rate: '1000' }, cwd: PROJECT };
  const first = await testJob(fraudRules, { ...options, parallelism: 3 });
  const alerts = () => first.output('alerts');
  await until(first, () => alerts().length >= 10);
  appendFileSync(rules, 'four late, please\n{"rule": "four late", "delay": 15, "flights": 4, "hours": 6}\n');
  await until(first, () => alertsOf(alerts(), 'four late').length >= 10);
  const snapshot = await first.snapshot();
  const committed = [...alerts()];
  await until(first, () => alerts().length >= committed.length + 5);
  assert.equal(first.output('refused').length, 1);
  await first.close();

  // The rules are state: that the file is read no second time, and could be gone, does not matter.
  const next = await testJob(fraudRules, { ...options, restore: snapshot, parallelism: 7 });
  const all = () => [...committed, ...next.output('alerts')];
  await until(next, () => alertsOf(all(), 'two an hour late').length >= 30);
  appendFileSync(rules, '{"rule": "two an hour late", "off": true}\n');
  await until(next, () => alertsOf(all(), 'four late').length >= 60);
  assert.equal(runOf(all(), 'two an hour late', hourLate).begin, 0);
  const { begin, end } = runOf(all(), 'four late', fourLate);
  assert.ok(begin > 0 && end < fourLate.length, 'it was not there from the beginning');
  assert.deepEqual(next.output('refused'), []);
  assert.equal((next.state('watch.rules') as ReadonlyMap<string, unknown>).size, 1);
  await next.close();
});

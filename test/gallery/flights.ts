/** What the tests of the gallery have in common: the flights, and a job that crashes on its way and goes on elsewhere. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Flight } from '../../fixtures/jobs/flight.js';
import type { Definition } from '../../src/graph/definition.js';
import { type TestJob, type TestJobOptions, testJob } from '../../src/testing.js';
import { PROJECT } from '../crash/harness.js';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

export const FLIGHTS: readonly Flight[] = readFileSync(
  join(PROJECT, 'fixtures/inputs/flights-20k.jsonl'),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line));

/** Milliseconds since 1970, read by another road than the jobs'. */
export function left({ date }: Flight): number {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0] = date.split(/\D/).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute);
}

export function iso(time: number): string {
  return new Date(time).toISOString();
}

export function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value]);
  return groups;
}

/** Looks without work after which one waits for the disk, too. */
const LOOKS = 50;

/** Runs to the end of all inputs, however slowly they come: the clock moves when nothing else does. */
export async function finish(job: TestJob): Promise<void> {
  do
    for (let looks = 0; looks < LOOKS; looks++) {
      if (await job.step()) looks = 0;
      else job.clock.advance('1s');
    }
  while ((await job.run()) === 'idle');
}

/** One more step, when the clock has to move for it, too. */
async function step(job: TestJob): Promise<void> {
  while (!(await job.step())) job.clock.advance('100ms');
}

/** The rows as lines, in one order. */
export function lines(rows: readonly unknown[]): readonly string[] {
  return rows.map((row) => JSON.stringify(row)).sort();
}

interface Crash {
  /** Steps before the snapshot that the next one goes on from. */
  readonly after: number;
  readonly parallelism: number;
}

/** Steps that a crash takes back. */
const LOST = 5;

/**
 * What reaches a sink of a job that crashes midway and goes on at another parallelism: what the first gave after its
 * snapshot was never committed, and what the next gives takes its place.
 */
export async function crashed(
  definition: Definition,
  { sinks, ...options }: TestJobOptions & { readonly sinks: readonly string[] },
  { after, parallelism }: Crash,
): Promise<(sink: string) => readonly unknown[]> {
  const first = await testJob(definition, { parallelism: 3, cwd: PROJECT, ...options });
  for (let done = 0; done < after; done++) await step(first);
  const snapshot = await first.snapshot();
  const lengths = new Map<string, number>();
  const committed = (sink: string) => first.output(sink).slice(0, lengths.get(sink));
  for (const sink of sinks) lengths.set(sink, first.output(sink).length);
  for (let done = 0; done < LOST; done++) await step(first);
  await first.close();
  const next = await testJob(definition, { cwd: PROJECT, ...options, restore: snapshot, parallelism });
  await finish(next);
  await next.close();
  return (sink) => [...committed(sink), ...next.output(sink)];
}

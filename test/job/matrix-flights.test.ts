/**
 * The job matrix, for jobs of event time: each fixture job that reads the flights, cut midway, goes on at other
 * parallelisms from its snapshot and from a savepoint's archive. What it gave before the cut and after it are together
 * exactly the rows that a plain program computes (fixtures/expected/compute-flights.mjs): none is missing, none is there
 * twice. Then some of them as processes, killed on their way, from their native archives and on the other backend.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import airportFacts from '../../fixtures/jobs/airport-facts.js';
import badDays from '../../fixtures/jobs/bad-days.js';
import busyWeeks from '../../fixtures/jobs/busy-weeks.js';
import delayLimits from '../../fixtures/jobs/delay-limits.js';
import everyHundred from '../../fixtures/jobs/every-hundred.js';
import flightWindows from '../../fixtures/jobs/flight-windows.js';
import grouped from '../../fixtures/jobs/grouped.js';
import inAndOut from '../../fixtures/jobs/in-and-out.js';
import newRoutes from '../../fixtures/jobs/new-routes.js';
import quietAirports from '../../fixtures/jobs/quiet-airports.js';
import quietAlarms from '../../fixtures/jobs/quiet-alarms.js';
import stranded from '../../fixtures/jobs/stranded.js';
import wayBack from '../../fixtures/jobs/way-back.js';
import type { Definition } from '../../src/graph/definition.js';
import { type TestJob, testJob } from '../../src/testing.js';
import { committedLines, PROJECT, Sandbox } from '../crash/harness.js';
import { archiveOf } from './matrix-archive.js';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const RESTORES = [
  { from: 'snapshot', parallelism: 7 },
  { from: 'archive', parallelism: 1 },
  { from: 'archive', parallelism: 128 },
] as const;

/** What has reached a sink, by the name of the sink: a row a line of JSON. */
type Output = (sink: string) => readonly string[];

interface Row {
  readonly definition: Definition;
  /** Steps (batches, or bounded runs of timers) before a cut. */
  readonly cuts: readonly number[];
  /** The lines of the golden file, made of what the job gave. */
  readonly lines: (output: Output) => readonly string[];
}

const plain = (definition: Definition): Row => ({
  definition,
  cuts: LONG ? [0, 1, 2, 3, 5, 8, 13, 21, 34] : [25],
  lines: (output) => output('out'),
});

const ROWS: readonly Row[] = [
  { definition: flightWindows, cuts: LONG ? [0, 1, 30, 100, 300, 700] : [300], lines: windowLines },
  ...[quietAirports, quietAlarms, busyWeeks, badDays, everyHundred].map(plain),
  ...[delayLimits, newRoutes, airportFacts].map(plain),
  ...[wayBack, stranded, inAndOut].map(plain),
];

/** As in the golden file of flight-windows: by airport, the digest of its rows in order of time. */
function windowLines(output: Output): readonly string[] {
  assert.deepEqual(output('late'), [], 'the input is in order');
  const hourly = byOrigin(output('by-hour'));
  const sliding = byOrigin(output('by-three-hours'));
  assert.deepEqual([...hourly.keys()].sort(), [...sliding.keys()].sort());
  return [...hourly].map(([origin, rows]) =>
    JSON.stringify({ origin, hourly: digest(rows), sliding: digest(sliding.get(origin) ?? []) }),
  );
}

interface Pane {
  readonly start: string;
  readonly flights: number;
  readonly line: string;
}

function byOrigin(lines: readonly string[]): Map<string, Pane[]> {
  const panes = new Map<string, Pane[]>();
  for (const line of lines) {
    const { origin, start, flights } = JSON.parse(line);
    const own = panes.get(origin);
    if (own === undefined) panes.set(origin, [{ start, flights, line }]);
    else own.push({ start, flights, line });
  }
  return panes;
}

function digest(panes: readonly Pane[]) {
  const sorted = [...panes].sort((a, b) => (a.start < b.start ? -1 : 1));
  const sha256 = createHash('sha256');
  for (const { line } of sorted) sha256.update(`${line}\n`);
  const flights = sorted.reduce((sum, pane) => sum + pane.flights, 0);
  return { panes: sorted.length, flights, sha256: sha256.digest('hex') };
}

function assertGolden(row: Row, output: Output, what: string): void {
  const { name } = row.definition;
  const golden: readonly unknown[] = JSON.parse(
    readFileSync(join(PROJECT, `fixtures/expected/${name}.json`), 'utf8'),
  );
  const expected = golden.map((line) => JSON.stringify(line)).sort();
  assert.ok(expected.length > 100, 'a golden file says something');
  assert.deepEqual([...row.lines(output)].sort(), expected, `${name} ${what}`);
}

const outputOf =
  (jobs: readonly TestJob[]): Output =>
  (sink) =>
    jobs.flatMap((job) => job.output(sink).map((value) => JSON.stringify(value)));

for (const [nth, row] of ROWS.entries()) {
  const { definition } = row;
  test(`${definition.name}: cut midway and restored, its rows are the golden ones`, async () => {
    for (const cut of row.cuts) {
      const first = await testJob(definition, { parallelism: 3, cwd: PROJECT });
      for (let steps = 0; steps < cut; ) if (await first.step()) steps++;
      const snapshot = await first.snapshot();
      await first.close();
      const path = join(folder, `${definition.name}-${cut}.tar`);
      await archiveOf(definition, snapshot, path, folder);
      // Hundreds of thousands of rows take their time.
      const few = LONG
        ? RESTORES
        : definition === flightWindows
          ? RESTORES.slice(-1)
          : RESTORES.slice(nth % 2, (nth % 2) + 2);
      for (const { from, parallelism } of few) {
        const restore = from === 'archive' ? path : snapshot;
        const next = await testJob(definition, { restore, parallelism, cwd: PROJECT });
        assert.equal(await next.run(), 'ended');
        await next.close();
        assertGolden(row, outputOf([first, next]), `cut after ${cut}, ${from}, at ${parallelism}`);
      }
    }
  });
}

test('the golden files are what compute-flights.mjs computes', () => {
  const expected = join(PROJECT, 'fixtures/expected');
  const computed = mkdtempSync(join(folder, 'expected-'));
  execFileSync(process.execPath, [join(expected, 'compute-flights.mjs'), computed]);
  const names = ROWS.map(({ definition }) => `${definition.name}.json`);
  assert.deepEqual(readdirSync(computed).sort(), names.sort());
  for (const name of names)
    assert.ok(readFileSync(join(computed, name)).equals(readFileSync(join(expected, name))), name);
});

test('grouped: every row is in one group, or in the state of the sink', async () => {
  const flights = readFileSync(join(PROJECT, 'fixtures/inputs/flights-20k.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
  const expected = flights.flatMap((line) => {
    const { origin, delay } = JSON.parse(line);
    return delay > 0 ? [JSON.stringify({ origin, delay })] : [];
  });
  // The writers of parallelism 3 and 128 have no input but one: the source is one file. What they hold is dealt to all.
  for (const parallelism of [1, 3, 128]) {
    const params = { output: join(folder, `grouped-${parallelism}`) };
    const options = { params, liveSinks: true, cwd: PROJECT };
    const first = await testJob(grouped, { ...options, parallelism: 3 });
    for (let steps = 0; steps < 9; ) if (await first.step()) steps++;
    const snapshot = await first.snapshot();
    assert.ok((first.state('groups.rest') as readonly unknown[]).length > 0);
    await first.close();
    const next = await testJob(grouped, { ...options, parallelism, restore: snapshot });
    assert.equal(await next.run(), 'ended');
    const rest = next.state('groups.rest') as readonly unknown[];
    await next.close();
    const groups = readdirSync(params.output).flatMap((file) =>
      readFileSync(join(params.output, file), 'utf8').trimEnd().split('\n'),
    );
    const rows: unknown[] = groups.flatMap((group) => {
      const those: readonly unknown[] = JSON.parse(group);
      assert.equal(those.length, 100);
      return those;
    });
    assert.ok(groups.length > 50);
    const found = [...rows, ...rest].map((row) => JSON.stringify(row));
    assert.deepEqual(found.sort(), expected.toSorted(), `at ${parallelism}`);
  }
});

interface Mode {
  readonly name: string;
  readonly row: Row;
  readonly flags: readonly string[];
  /** Flags of each restore: none is the same parallelism and backend. */
  readonly restores: readonly (readonly string[])[];
}

const MEMORY = ['--backend', 'memory', '--checkpoint-mode', 'incremental'];
const DISK = ['--backend', 'disk'];

const modesOf = (row: Row): readonly Mode[] => [
  {
    name: `${row.definition.name}, disk`,
    row,
    flags: DISK,
    restores: [[], ['-p', '7', ...MEMORY, '--convert']],
  },
  {
    name: `${row.definition.name}, memory`,
    row,
    flags: MEMORY,
    restores: [[], ['-p', '7', ...DISK, '--convert']],
  },
];

/** With `TIDEMARK_TEST_LONG=1` every job in both, in all ways. */
const MODES: readonly Mode[] = LONG
  ? ROWS.flatMap(modesOf)
  : ROWS.flatMap(modesOf).flatMap((mode) => {
      if (mode.name === 'flight-windows, disk') return [{ ...mode, restores: mode.restores.slice(0, 1) }];
      return mode.name === 'quiet-airports, memory' ? [{ ...mode, restores: mode.restores.slice(1) }] : [];
    });

/** The folder below the job's output that a sink writes. */
const FOLDERS: Readonly<Record<string, string>> = {
  out: '',
  'by-hour': 'hourly',
  'by-three-hours': 'sliding',
  late: 'late',
};

describe('cut by kills and packed', { concurrency: 2 }, () => {
  for (const { name, row, flags, restores } of MODES) {
    test(name, async () => {
      const sandbox = new Sandbox();
      after(() => sandbox.remove());
      const job = row.definition.name;
      const first = sandbox.path('first');
      const options = ['-p', '3', '--checkpoint-interval', '20ms', '--param', `output=${first}`];
      const run = ['run', `fixtures/jobs/${job}.ts`, '--resume', ...options, ...flags];
      const killed = await sandbox.start(run, { TIDEMARK_FAILPOINT: 'checkpoint-before-commit:2' }).finished;
      assert.equal(killed.signal, 'SIGKILL', killed.stderr);
      const archive = sandbox.path('native.tar');
      const packed = await sandbox.start(['externalize', job, '-o', archive]).finished;
      assert.equal(packed.code, 0, packed.stderr);
      for (const [at, there] of restores.entries()) {
        const next = sandbox.path(`next-${at}`);
        // A machine under load may come to the end of the input before the second checkpoint.
        const named = ['--name', `next-${at}`, '--param', `output=${next}`, '--after-drain'];
        const { code, stderr } = await sandbox.start(['restore', archive, ...named, ...there]).finished;
        assert.equal(code, 0, stderr);
        const output: Output = (sink) =>
          [first, next].flatMap((target) => committedLines(join(target, FOLDERS[sink] ?? sink)));
        assertGolden(row, output, `killed, packed, restored with ${there.join(' ')}`);
      }
    });
  }
});

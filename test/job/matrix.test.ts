/**
 * The job matrix: every fixture job, cut midway, goes on at other parallelisms from its snapshot as it is and from a
 * savepoint's archive, to the same golden result. And the jobs as processes, killed on their way, in every mode of
 * checkpoints: from their native archives unchanged, and at another parallelism on the other backend.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import flightDelays from '../../fixtures/jobs/flight-delays.js';
import wordCount from '../../fixtures/jobs/word-count.js';
import type { Definition } from '../../src/graph/definition.js';
import { type TestJob, testJob } from '../../src/testing.js';
import { committedLines, PROJECT, Sandbox } from '../crash/harness.js';
import { archiveOf } from './matrix-archive.js';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
/** Batches processed before the cut. */
const CUTS = LONG ? [0, 1, 5, 8] : [0, 5];
const FROM = ['snapshot', 'archive'] as const;
/** Each end of the range both ways; all in all ways with `TIDEMARK_TEST_LONG=1`. */
const RESTORES = LONG
  ? [1, 3, 7, 128].flatMap((parallelism) => FROM.map((from) => [from, parallelism] as const))
  : ([
      ['snapshot', 1],
      ['archive', 7],
      ['archive', 128],
    ] as const);

interface Row {
  readonly name: string;
  readonly definition: Definition;
  readonly keyOf: (line: never) => string;
  readonly golden: string;
}

const ROWS: readonly Row[] = [
  {
    name: 'word-count',
    definition: wordCount,
    keyOf: ({ word }: { word: string }) => word,
    golden: 'word-count',
  },
  {
    name: 'flight-delays',
    definition: flightDelays,
    keyOf: ({ origin }: { origin: string }) => origin,
    golden: 'flight-delays',
  },
];

/** The last line of each key, in the golden files' shape. */
function lastOfEach(row: Row, jobs: readonly TestJob[]): Record<string, unknown> {
  const last = new Map<string, unknown>();
  for (const job of jobs) for (const line of job.output('out')) last.set(row.keyOf(line as never), line);
  return Object.fromEntries([...last].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function golden(row: Row): Record<string, unknown> {
  const expected = JSON.parse(readFileSync(join(PROJECT, `fixtures/expected/${row.golden}.json`), 'utf8'));
  if (row.name !== 'word-count') {
    const rows = (Array.isArray(expected) ? expected : Object.values(expected)) as { origin: string }[];
    return Object.fromEntries(rows.map((one) => [one.origin, one]));
  }
  return Object.fromEntries(Object.entries(expected).map(([word, seen]) => [word, { word, seen }]));
}

for (const row of ROWS) {
  test(`${row.name}: cut midway and restored, its result is the golden one`, async () => {
    const expected = golden(row);
    for (const cut of CUTS) {
      const first = await testJob(row.definition, { parallelism: 2, cwd: PROJECT });
      for (let batch = 0; batch < cut; ) if (await first.step()) batch++;
      const snapshot = await first.snapshot();
      await first.close();
      const path = join(folder, `${row.name}-${cut}.tar`);
      await archiveOf(row.definition, snapshot, path, folder);
      for (const [from, parallelism] of RESTORES) {
        const restore = from === 'archive' ? path : snapshot;
        const next = await testJob(row.definition, { restore, parallelism, cwd: PROJECT });
        assert.equal(await next.run(), 'ended');
        const what = `cut after ${cut}, ${from}, at ${parallelism}`;
        assert.deepEqual(lastOfEach(row, [first, next]), expected, what);
        await next.close();
      }
    }
  });
}

interface Mode {
  readonly name: string;
  readonly flags: readonly string[];
  /** Flags of each restore: none is the same parallelism and backend, and the other says what another takes. */
  readonly restores: readonly (readonly string[])[];
  readonly rows: readonly Row[];
}

/** With `TIDEMARK_TEST_LONG=1` every job in every mode. */
const rowsFrom = (name: string) => (LONG ? ROWS : ROWS.filter((row) => row.name === name));

/** Whole state is read in one way, wherever it goes. */
const UNCHANGED: readonly (readonly string[])[] = LONG ? [[]] : [];

const MODES: readonly Mode[] = [
  {
    name: 'memory, full',
    flags: ['--backend', 'memory'],
    restores: [...UNCHANGED, ['-p', '7', '--backend', 'disk']],
    rows: rowsFrom('word-count'),
  },
  {
    name: 'memory, incremental',
    flags: ['--backend', 'memory', '--checkpoint-mode', 'incremental'],
    restores: [[], ['-p', '7', '--backend', 'disk', '--convert']],
    rows: rowsFrom('word-count'),
  },
  {
    name: 'disk, incremental',
    flags: ['--backend', 'disk'],
    restores: [[], ['-p', '7', '--backend', 'memory', '--checkpoint-mode', 'full', '--convert']],
    rows: rowsFrom('flight-delays'),
  },
  {
    name: 'disk, full',
    flags: ['--backend', 'disk', '--checkpoint-mode', 'full'],
    restores: [...UNCHANGED, ['-p', '7', '--backend', 'memory']],
    rows: rowsFrom('word-count'),
  },
];
/** Each time the job is killed at its first checkpoint, which then holds what an attempt has changed. */
const KILLS = 2;

/** The last line of each key: counts only grow. Every line is there once. */
function lastLines(row: Row, folders: readonly string[]): Record<string, unknown> {
  const lines = folders.flatMap(committedLines);
  assert.equal(new Set(lines).size, lines.length, 'no line twice');
  const last = new Map<string, { readonly seen?: number; readonly flights?: number }>();
  const many = (line: { readonly seen?: number; readonly flights?: number } | undefined) =>
    line?.seen ?? line?.flights ?? 0;
  for (const text of lines) {
    const line = JSON.parse(text);
    const key = row.keyOf(line as never);
    if (many(line) > many(last.get(key))) last.set(key, line);
  }
  const all = [...last.values()].reduce((sum, line) => sum + many(line), 0);
  assert.equal(lines.length, all, 'every line');
  return Object.fromEntries([...last].sort(([a], [b]) => (a < b ? -1 : 1)));
}

describe('cut by kills and packed', { concurrency: 2 }, () => {
  for (const mode of MODES) {
    test(mode.name, async () => {
      for (const row of mode.rows) {
        const sandbox = new Sandbox();
        after(() => sandbox.remove());
        const first = sandbox.path('first');
        const options = ['-p', '3', '--checkpoint-interval', '20ms', '--param', `output=${first}`];
        const run = ['run', `fixtures/jobs/${row.name}.ts`, '--resume', ...options, ...mode.flags];
        for (let kill = 0; kill < KILLS; kill++) {
          const { signal, stderr } = await sandbox.start(run, {
            TIDEMARK_FAILPOINT: 'checkpoint-before-commit',
          }).finished;
          assert.equal(signal, 'SIGKILL', stderr);
        }
        const archive = sandbox.path('native.tar');
        const packed = await sandbox.start(['externalize', row.name, '-o', archive]).finished;
        assert.equal(packed.code, 0, packed.stderr);
        const expected = golden(row);
        for (const [at, flags] of mode.restores.entries()) {
          const next = sandbox.path(`next-${at}`);
          const named = ['--name', `next-${at}`, '--param', `output=${next}`];
          const { code, stderr } = await sandbox.start(['restore', archive, ...named, ...flags]).finished;
          assert.equal(code, 0, stderr);
          assert.deepEqual(lastLines(row, [first, next]), expected, `${row.name} ${flags.join(' ')}`);
        }
      }
    });
  }
});

/**
 * The job matrix: every fixture job, cut midway, goes on at other parallelisms from its snapshot as it is and from a
 * savepoint's archive, to the same golden result.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import flightDelays from '../../fixtures/jobs/flight-delays.js';
import wordCount from '../../fixtures/jobs/word-count.js';
import { writeArchive } from '../../src/archive/write.js';
import { operatorId } from '../../src/base/operator-id.js';
import { realDisk } from '../../src/base/real-disk.js';
import type { Definition } from '../../src/graph/definition.js';
import { type TakenSnapshot, type TestJob, testJob } from '../../src/testing.js';
import { PROJECT } from '../crash/harness.js';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Batches processed before the cut. */
const CUTS = [0, 1, 5, 8];
const PARALLELISMS = [1, 3, 7, 128];

interface Row {
  readonly name: string;
  readonly definition: Definition;
  /** The operator with state, and its key type. */
  readonly operator: string;
  readonly keyOf: (line: never) => string;
  readonly golden: string;
}

const ROWS: readonly Row[] = [
  {
    name: 'word-count',
    definition: wordCount,
    operator: 'count',
    keyOf: ({ word }: { word: string }) => word,
    golden: 'word-count',
  },
  {
    name: 'flight-delays',
    definition: flightDelays,
    operator: 'delays',
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

async function archiveOf(snapshot: TakenSnapshot, row: Row, path: string): Promise<void> {
  async function* blocks() {
    for (const { payload, entries } of snapshot.chunks) yield { payload: Buffer.from(payload), entries };
  }
  const uids = [...new Set(snapshot.tables.map(({ operator }) => operator))];
  const prepared = await writeArchive({
    disk: realDisk,
    spoolFolder: folder,
    tables: snapshot.tables.map((table) => ({ ...table, entries: 0, bytes: 0 })),
    operators: uids.map((uid) => ({
      uid,
      operatorId: operatorId(uid),
      kind: uid === row.operator ? 'process' : 'source',
      maxParallelism: snapshot.maxParallelism,
      keyType: uid === row.operator ? 'auto' : null,
    })),
    blocks: blocks(),
    kind: 'savepoint',
    drained: false,
    provenance: {
      job: { id: '0123456789ab', name: row.name },
      attempt: 1,
      checkpointId: snapshot.checkpoint,
      parallelism: 2,
      time: 0,
      barrierTime: snapshot.barrierTime,
      host: 'test',
      toolVersion: 'test',
      reason: null,
      parentDigest: null,
      bundleHash: null,
      definitionFile: null,
      gitCommit: null,
      params: {},
      cwd: PROJECT,
      lineage: [],
      targets: [],
    },
    output: { path },
  });
  await prepared.commit();
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
      await archiveOf(snapshot, row, path);
      for (const parallelism of PARALLELISMS) {
        for (const restore of [snapshot, path]) {
          const next = await testJob(row.definition, { restore, parallelism, cwd: PROJECT });
          assert.equal(await next.run(), 'ended');
          const what = `cut after ${cut}, ${typeof restore === 'string' ? 'archive' : 'snapshot'}, at ${parallelism}`;
          assert.deepEqual(lastOfEach(row, [first, next]), expected, what);
          await next.close();
        }
      }
    }
  });
}

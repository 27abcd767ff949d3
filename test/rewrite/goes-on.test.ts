/**
 * Jobs go on from rewritten archives: cut midway, cut anew into 1024 key groups, restored at parallelism 200. What they gave
 * before and after are together exactly the rows of the golden files: windows, timers and folded state have moved with
 * their keys; positions, watermarks and broadcast state have stayed.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import airportFacts from '../../fixtures/jobs/airport-facts.js';
import badDays from '../../fixtures/jobs/bad-days.js';
import busyWeeks from '../../fixtures/jobs/busy-weeks.js';
import delayLimits from '../../fixtures/jobs/delay-limits.js';
import everyHundred from '../../fixtures/jobs/every-hundred.js';
import newRoutes from '../../fixtures/jobs/new-routes.js';
import quietAirports from '../../fixtures/jobs/quiet-airports.js';
import quietAlarms from '../../fixtures/jobs/quiet-alarms.js';
import { openArchive } from '../../src/archive/read.js';
import { realDisk } from '../../src/base/real-disk.js';
import { nameProblem } from '../../src/graph/names.js';
import { rewriteArchive } from '../../src/rewrite/rewrite.js';
import { testJob } from '../../src/testing.js';
import { PROJECT } from '../crash/harness.js';
import { archiveOf } from '../job/matrix-archive.js';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-goes-on-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
/** Windows, timers and broadcast state; with TIDEMARK_TEST_LONG=1 the others of their kind. */
const JOBS = [busyWeeks, quietAirports, delayLimits];
const MORE_JOBS = [badDays, everyHundred, newRoutes, airportFacts, quietAlarms];
const CUTS = LONG ? [1, 5, 13, 34] : [25];

async function rewriteTo(input: string, path: string, maxParallelism: string) {
  const { prepared, report } = await rewriteArchive({
    disk: realDisk,
    input,
    output: { path },
    spoolFolder: folder,
    request: { rename: [], drop: [], filter: [], map: [], maxParallelism },
    startMapper: () => Promise.reject(new Error('nothing is mapped')),
    nameProblem,
    reason: null,
    toolVersion: 'test',
    now: 0,
  });
  await prepared?.commit();
  return report;
}

for (const definition of LONG ? [...JOBS, ...MORE_JOBS] : JOBS) {
  test(`${definition.name}: cut into 1024 key groups midway, its rows are the golden ones at parallelism 200`, async () => {
    for (const cut of CUTS) {
      const first = await testJob(definition, { parallelism: 3, cwd: PROJECT });
      for (let steps = 0; steps < cut; ) if (await first.step()) steps++;
      const snapshot = await first.snapshot();
      await first.close();
      const [narrow, wide, back] = ['narrow', 'wide', 'back'].map((what) =>
        join(folder, `${definition.name}-${cut}-${what}.tar`),
      ) as [string, string, string];
      await archiveOf(definition, snapshot, narrow, folder);
      const report = await rewriteTo(narrow, wide, '1024');
      // Soon after the beginning there may be no keys.
      assert.ok(cut < 10 || report.states.reduce((sum, { moved }) => sum + moved, 0) > 0);

      const next = await testJob(definition, { restore: wide, parallelism: 200, cwd: PROJECT });
      assert.equal(await next.run(), 'ended');
      await next.close();
      const rows = [first, next].flatMap((job) => job.output('out').map((row) => JSON.stringify(row)));
      const golden: readonly unknown[] = JSON.parse(
        readFileSync(join(PROJECT, `fixtures/expected/${definition.name}.json`), 'utf8'),
      );
      assert.deepEqual(rows.sort(), golden.map((row) => JSON.stringify(row)).sort());

      await rewriteTo(wide, back, String(snapshot.maxParallelism));
      assert.equal(await digestOf(back), await digestOf(narrow));
    }
  });
}

async function digestOf(path: string): Promise<string> {
  const archive = await openArchive(realDisk, path);
  try {
    return archive.manifest.digest;
  } finally {
    await archive.close();
  }
}

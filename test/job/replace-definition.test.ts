import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { homePaths } from '../../src/base/home.js';
import { systemRandom } from '../../src/base/random.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { prepareJob, replaceDefinition } from '../../src/job/prepare.js';

const JOBS = resolve(import.meta.dirname, '../../../fixtures/jobs');

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-replace-'));
});
after(() => rm(folder, { recursive: true }));

test('a job that somebody runs keeps its code, however late that shows; a free one takes the new', async () => {
  const home = homePaths(join(folder, 'home'));
  const catalog = Catalog.open(home, { create: true, clock: systemClock, random: systemRandom });
  after(() => catalog.close());
  const options = { params: {}, flags: {}, cwd: folder, environment: {} };
  const job = await prepareJob(home, catalog, { ...options, definition: join(JOBS, 'slow-count.ts') });
  const mended = join(JOBS, 'exits.ts');

  const runner = catalog.lockJob(job.id, { pid: process.pid });
  await assert.rejects(replaceDefinition(home, catalog, job, mended, options), { code: 'JOB_RUNNING' });
  assert.deepEqual(catalog.job(job.id).definition, job.definition);
  assert.deepEqual(catalog.job(job.id).bundle, job.bundle);

  runner?.release();
  const replaced = await replaceDefinition(home, catalog, job, mended, options);
  assert.equal(replaced.definition, mended);
  assert.notEqual(replaced.bundle, job.bundle);
  const lock = catalog.lockJob(job.id, { pid: process.pid });
  assert.ok(lock, 'it is free again');
  lock.release();
});

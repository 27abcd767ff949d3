import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { homePaths } from '../../src/base/home.js';
import { systemRandom } from '../../src/base/random.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { prepareJob } from '../../src/job/prepare.js';
import { Runner } from '../../src/job/runner.js';
import { PROJECT, Sandbox } from '../crash/harness.js';

const sandbox = new Sandbox();
after(() => sandbox.remove());

test('a runner that is told to suspend before its first attempt leaves a suspended job suspended', async () => {
  const home = homePaths(sandbox.home);
  const catalog = Catalog.open(home, { create: true, clock: systemClock, random: systemRandom });
  const params = { output: sandbox.path('out') };
  const given = {
    definition: 'fixtures/jobs/slow-count.ts',
    params,
    flags: {},
    cwd: PROJECT,
    environment: {},
  };
  const job = await prepareJob(home, catalog, given);
  const quiet = { stdout: async () => undefined, onEvent: () => undefined, environment: process.env };
  for (let time = 0; time < 2; time++) {
    const runner = await Runner.start({ home, catalog, job: job.id, ...quiet });
    runner.suspend('signal');
    assert.equal((await runner.ended).state, 'suspended');
  }
  catalog.close();
});

/** `restore --convert`: the job has its own copy from then on, and nothing is left of what was given up. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { homePaths } from '../../src/base/home.js';
import { systemRandom } from '../../src/base/random.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { restoreConverted } from '../../src/job/own-origin.js';
import { planRestore } from '../../src/job/restore.js';
import type { CheckpointRow, JobRow, StatusDocument } from '../../src/job/status.js';
import { tidemark } from './command.js';
import { countedTo, Place, refused, type Saved } from './place.js';
import { assertRemembered, writeDefinitions } from './remembering.js';

describe('restore --convert', () => {
  const place = new Place();
  const jobs = () => place.path('.tidemark/jobs');
  let done = 0;
  before(async () => {
    await place.make();
    await writeDefinitions(place);
    const params = ['--param', 'output=first', '--checkpoint-interval', '100ms'];
    await place.json('run', 'same.ts', '-d', '--backend', 'disk', ...params);
    await place.json('wait', 'remembering', '--until', 'checkpoint');
    await place.json('checkpoint', 'remembering');
    await place.json('suspend', 'remembering');
    await place.json<Saved>('externalize', 'remembering', '-o', 'a.tar');
    done = countedTo(await place.json<Parameters<typeof countedTo>[0]>('inspect', 'a.tar'));
  });
  after(() => place.remove());

  const given = (name: string, more: number) => {
    const params = { output: name, count: done + more, rate: 4_000 };
    return [
      '--name',
      name,
      ...Object.entries(params).flatMap(([key, value]) => ['--param', `${key}=${value}`]),
    ];
  };

  it('--dry-run says so, and converts nothing', async () => {
    const known = await readdir(jobs());
    const args = ['restore', 'a.tar', '--convert', '--dry-run', '-p', '3', '--param', 'output=dry'];
    const plan = await place.json<Record<string, unknown>>(...args);
    assert.equal(plan['convert'], true);
    assert.equal(plan['refusal'], null);
    const { stdout } = await place.run(...args);
    assert.match(stdout, /^ +is converted to a savepoint first, in the home$/m);
    assert.match(stdout, /^backend +disk, checkpoints incremental$/m);
    assert.deepEqual(await readdir(jobs()), known);
  });

  it('the archive may vanish; the copy goes with the first checkpoint, and the job goes on from that', async () => {
    place.bash('cp a.tar copy.tar');
    const args = ['restore', 'copy.tar', '--convert', '-p', '3', '--checkpoint-interval', '0', '-d'];
    const { id } = await place.json<JobRow>(...args, ...given('own', 3_000), '--param', 'rate=1000');
    const copy = join(jobs(), id, 'origin.savepoint.tar');
    await rm(place.path('copy.tar'));
    await kill(place, 'own');
    assert.ok(existsSync(copy));
    await place.json('resume', 'own');
    await place.json<CheckpointRow>('checkpoint', 'own');
    assert.equal(existsSync(copy), false);
    await kill(place, 'own');
    await place.json('resume', 'own');
    await place.json('wait', 'own', '--until', 'finished', '--timeout', '1m');
    assertRemembered(place.path('own'), done, done + 3_000);
  });

  it('a job that ends before its first checkpoint leaves no copy', async () => {
    const args = ['restore', 'a.tar', '--convert', '-p', '2', '--checkpoint-interval', '0', '-d'];
    const { id } = await place.json<JobRow>(...args, ...given('canceled', 100_000));
    const copy = join(jobs(), id, 'origin.savepoint.tar');
    assert.ok(existsSync(copy));
    await place.json('cancel', 'canceled');
    assert.equal(existsSync(copy), false);
  });

  it('a savepoint needs none', async () => {
    await place.json<Saved>('convert', 'a.tar', '-o', 'b.tar');
    const plan = await place.json<Record<string, unknown>>(
      'restore',
      'b.tar',
      '--convert',
      '--dry-run',
      ...given('b', 1),
    );
    assert.equal(plan['convert'], false);
  });

  it('what is refused anyway is refused before, and leaves nothing', async () => {
    const known = await readdir(jobs());
    const restore = ['restore', 'a.tar', '--convert', '-d', '--param', 'output=refused'];
    await refused(place, 5, 'NAME_TAKEN', ...restore);
    await refused(place, 6, 'INCOMPATIBLE', ...restore, '--name', 'refused', '-p', '1000');
    assert.deepEqual(await readdir(jobs()), known);
  });

  it('interrupted, it leaves nothing; killed, what it leaves is removed by the next one', async () => {
    const known = await readdir(jobs());
    const home = homePaths(place.path('.tidemark'));
    const catalog = Catalog.open(home, { create: false, clock: systemClock, random: systemRandom });
    try {
      const options = {
        params: { output: 'never' },
        flags: {},
        sinks: undefined,
        name: 'never',
        convert: true,
      };
      const allowed = {
        allowNonRestored: false,
        afterDrain: false,
        cwd: place.cwd,
        environment: process.env,
      };
      const plan = await planRestore(home, { archive: place.path('a.tar'), ...options, ...allowed });
      const stop = new AbortController();
      const gaveUp = restoreConverted(catalog, plan, {
        signal: stop.signal,
        onProgress: () => stop.abort(),
      });
      await assert.rejects(gaveUp, (error) => error === stop.signal.reason);
    } finally {
      catalog.close();
    }
    assert.deepEqual(await readdir(jobs()), known);
    const args = ['restore', 'a.tar', '--convert', '-p', '2', ...given('again', 50)];
    const env = { TIDEMARK_FAILPOINT: 'restore-converted' };
    assert.equal((await tidemark(args, { cwd: place.cwd, env })).code, 'SIGKILL');
    const [stray = ''] = (await readdir(jobs())).filter((id) => !known.includes(id));
    assert.match(stray, /^[a-z0-9]+$/);
    await refused(place, 4, 'JOB_NOT_FOUND', 'status', stray);
    const leaks = await place.json<{ unfinished: readonly { path: string }[] }>('prune', '--dry-run');
    assert.deepEqual(
      leaks.unfinished.map(({ path }) => path),
      [join(jobs(), stray, 'origin.savepoint.tar')],
    );
    await utimes(join(jobs(), stray), 0, 0);
    const row = await place.json<JobRow>(...args);
    assert.equal(row.state, 'finished');
    assert.deepEqual((await readdir(jobs())).sort(), [...known, row.id].sort());
    assertRemembered(place.path('again'), done, done + 50);
  });
});

async function kill(place: Place, job: string): Promise<void> {
  const { pid } = await place.json<StatusDocument>('status', job);
  assert.ok(pid !== null);
  process.kill(pid, 'SIGKILL');
  for (;;) if ((await place.json<JobRow>('status', job)).state === 'lost') return;
}

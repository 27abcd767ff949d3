import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { homePaths } from '../../src/base/home.js';
import { systemRandom } from '../../src/base/random.js';
import { realDisk } from '../../src/base/real-disk.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { sweepHome } from '../../src/job/sweep.js';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const FROZEN = {
  definition: '/job.ts',
  bundle: 'a'.repeat(64),
  params: {},
  cwd: '/',
  settings: {},
  parallelism: 1,
  maxParallelism: 128,
};

test('what crashed processes left is swept; what a live job may be writing is not', async () => {
  const home = homePaths(join(folder, 'home'));
  const catalog = Catalog.open(home, { create: true, clock: systemClock, random: systemRandom });
  const mine = catalog.createJob({ ...FROZEN, name: 'mine' });
  const other = catalog.createJob({ ...FROZEN, name: 'other' });
  mkdirSync(home.segments, { recursive: true });
  mkdirSync(home.bundles, { recursive: true });
  const places = [home.segments, home.bundles, home.job(mine.id).folder, home.job(other.id).folder];
  const plant = (name: string, ageMs: number) => {
    for (const place of places) {
      const path = join(place, name);
      writeFileSync(path, 'x');
      const time = (Date.now() - ageMs) / 1000;
      utimesSync(path, time, time);
    }
  };
  const left = (place: string) =>
    readdirSync(place)
      .filter((name) => name.endsWith('.tmp'))
      .sort();
  plant('new.tmp', 0);
  plant('old.tmp', 2 * 3_600_000);
  writeFileSync(home.segment('b'.repeat(64)), 'orphan');

  const lock = catalog.lockJob(other.id, {});
  assert.ok(lock);
  await sweepHome(realDisk, catalog, mine.id, Date.now());
  assert.deepEqual(left(home.segments), ['new.tmp'], 'the other job lives and may be writing');
  assert.deepEqual(left(home.bundles), ['new.tmp']);
  assert.deepEqual(left(home.job(mine.id).folder), []);
  assert.deepEqual(left(home.job(other.id).folder), ['new.tmp', 'old.tmp'], 'not ours');
  assert.deepEqual(
    readdirSync(home.segments).filter((name) => name.endsWith('.seg')),
    [],
  );

  lock.release();
  await sweepHome(realDisk, catalog, mine.id, Date.now());
  assert.deepEqual(left(home.segments), []);
  catalog.close();
});

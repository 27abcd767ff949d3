import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { homePaths } from '../../src/base/home.js';
import { claimTarget } from '../../src/catalog/target-lock.js';
import { openHome, type RunningJob, startJob, type TestHome, tempFolder } from './fixture.js';
import { startPeer } from './peer.js';

function ownerOf({ job }: RunningJob, { home }: TestHome) {
  return { job: job.id, name: job.name, home: home.root };
}

/** Two jobs of two homes, and a folder both want. */
function rivals(t: TestContext) {
  const [home, otherHome] = [openHome(t), openHome(t)];
  const [mine, theirs] = [startJob(t, home, 'mine'), startJob(t, otherHome, 'theirs')];
  const folder = join(tempFolder(t), 'deep', 'out');
  return { home, otherHome, mine, theirs, folder, me: ownerOf(mine, home), them: ownerOf(theirs, otherHome) };
}

function refusal(claim: () => unknown): TidemarkError {
  try {
    claim();
  } catch (error) {
    assert.ok(error instanceof TidemarkError);
    assert.equal(error.code, 'TARGET_LOCKED');
    assert.equal(error.exitCode, 5);
    return error;
  }
  throw new Error('the target was given');
}

test('a target is given to one, and again to the same job’s next attempt', (t) => {
  const { folder, me } = rivals(t);
  const claim = claimTarget(folder, me);
  assert.match(refusal(() => claimTarget(folder, me)).message, /another sink or attempt of this job/);
  claim.release(false);
  claimTarget(folder, me).release(true);
  assert.equal(existsSync(join(folder, '.tidemark', 'owner.json')), false);
});

test('a target is one folder, whatever link leads there', (t) => {
  const { folder, me } = rivals(t);
  const claim = claimTarget(folder, me);
  const link = join(tempFolder(t), 'link');
  symlinkSync(folder, link);
  const error = refusal(() => claimTarget(link, me));
  assert.match(error.message, /another sink or attempt of this job writes into .*link/);
  claim.release(true);
  claimTarget(link, me).release(true);
});

test('another job is told who writes there, also in another process', async (t) => {
  const { folder, me, them } = rivals(t);
  const peer = await startPeer(t);
  await peer.tell({ do: 'claim', path: folder, owner: them });
  const error = refusal(() => claimTarget(folder, me));
  assert.ok(error.message.includes(`job theirs (${them.job}) of ${them.home} is writing`), error.message);
  assert.match(
    error.hint ?? '',
    /elsewhere \(--param\), or nowhere \(--sinks mute\); or end that one: tidemark cancel/,
  );
  assert.ok(error.hint?.includes(`tidemark cancel ${them.job} --home ${them.home}`));
  await peer.kill();
  const after = refusal(() => claimTarget(folder, me));
  assert.match(after.message, /may be resumed$/);
});

test('a job that may come back keeps its target; one that is over does not', (t) => {
  const { folder, me, them, theirs, otherHome } = rivals(t);
  claimTarget(folder, them).release(false);
  for (const state of ['restarting', 'suspended'] as const) {
    otherHome.catalog.transition(them.job, theirs.epoch, state);
    const error = refusal(() => claimTarget(folder, me));
    assert.ok(error.hint?.includes(`tidemark cancel ${them.job} --home ${them.home}`), error.hint);
    if (state === 'restarting') continue;
    otherHome.catalog.transition(them.job, theirs.epoch, 'canceled');
  }
  claimTarget(folder, me).release(false);
  assert.deepEqual(JSON.parse(readFileSync(join(folder, '.tidemark', 'owner.json'), 'utf8')), me);
});

test('a job that forgets its ownership leaves the target to any other', (t) => {
  const { folder, me, them } = rivals(t);
  claimTarget(folder, them).release(true);
  claimTarget(folder, me).release(true);
});

test('where the owner’s home is gone, the way out is the file', (t) => {
  const { folder, me, them } = rivals(t);
  claimTarget(folder, { ...them, home: join(tempFolder(t), 'gone') }).release(false);
  const error = refusal(() => claimTarget(folder, me));
  const record = join(folder, '.tidemark', 'owner.json');
  assert.ok(error.hint?.includes(`rm ${record}`), error.hint);
  rmSync(record);
  claimTarget(folder, me).release(false);
});

test('a home that was moved keeps its targets, a copied one does not share them', (t) => {
  const folder = join(tempFolder(t), 'out');
  const root = join(tempFolder(t), 'first');
  const home = openHome(t, root);
  const owner = ownerOf(startJob(t, home, 'job'), home);
  home.catalog.jobs({ all: true });
  claimTarget(folder, owner).release(false);
  const moved = `${root}-moved`;
  cpSync(root, moved, { recursive: true });
  refusal(() => claimTarget(folder, { ...owner, home: moved }));
  renameSync(root, `${root}-away`);
  claimTarget(folder, { ...owner, home: moved }).release(false);
  assert.equal(JSON.parse(readFileSync(join(folder, '.tidemark', 'owner.json'), 'utf8')).home, moved);
  assert.equal(existsSync(homePaths(moved).catalog), true);
  renameSync(`${root}-away`, root);
});

test('an owner’s record that is damaged is refused, and the lock is free again', (t) => {
  const { folder, me } = rivals(t);
  claimTarget(folder, me).release(false);
  const record = join(folder, '.tidemark', 'owner.json');
  for (const text of ['', '{', '[]', '7', '{"job":1}', `{"job":"${'x'.repeat(100_000)}"}`]) {
    writeFileSync(record, text);
    assert.throws(() => claimTarget(folder, me), { code: 'TARGET_CORRUPT', exitCode: 7 }, text.slice(0, 20));
  }
  rmSync(record);
  claimTarget(folder, me).release(true);
});

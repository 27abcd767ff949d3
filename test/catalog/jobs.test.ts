import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { JOB_ID } from '../../src/base/ids.js';
import { seededRandom } from '../../src/base/random.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { storedJob, withLost } from '../../src/catalog/job-row.js';
import { openCatalog } from '../../src/catalog/open.js';
import { frozen, openHome, startJob, takeLock, tempFolder } from './fixture.js';
import { startPeer } from './peer.js';

test('a job keeps what was frozen, and its folder is its owner’s only', (t) => {
  const home = openHome(t);
  const made = frozen('word-count', { params: JSON.parse('{"__proto__": "x", "a": "é😀"}') });
  const job = home.catalog.createJob(made);
  assert.match(job.id, JOB_ID);
  const {
    id,
    state,
    epoch,
    restarts,
    createdAt,
    endedBy,
    startedAt,
    endedAt,
    error,
    pid,
    socket,
    metrics,
    origin,
    ...rest
  } = job;
  assert.equal(origin, undefined);
  assert.deepEqual(rest, made);
  assert.deepEqual(
    { state, epoch, restarts, createdAt },
    {
      state: 'created',
      epoch: 0,
      restarts: 0,
      createdAt: home.clock.time,
    },
  );
  for (const absent of [endedBy, startedAt, endedAt, error, pid, socket, metrics])
    assert.equal(absent, undefined);
  assert.equal(statSync(home.home.job(id).folder).mode & 0o777, 0o700);
  assert.equal(statSync(home.home.root).mode & 0o777, 0o700);
});

test('a name is held until its job is finished, canceled or failed', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  for (const [to, hint] of [
    ['suspended', /resume held, or tidemark cancel held/],
    ['finished', undefined],
    ['canceled', undefined],
    ['failed', undefined],
  ] as const) {
    const { job, epoch, lock } = startJob(t, home, 'held');
    assert.throws(() => catalog.createJob(frozen('held')), { code: 'NAME_TAKEN', message: /is running$/ });
    catalog.transition(job.id, epoch, to);
    lock.release();
    if (hint === undefined) continue;
    assert.throws(
      () => catalog.createJob(frozen('held')),
      (error: Error & { hint?: string; code?: string }) =>
        error.code === 'NAME_TAKEN' && hint.test(error.hint ?? ''),
    );
    catalog.transition(job.id, epoch, 'canceled');
  }
});

test('a lost job holds its name, and says that it is lost', (t) => {
  const home = openHome(t);
  const { lock } = startJob(t, home, 'held');
  lock.release();
  assert.throws(() => home.catalog.createJob(frozen('held')), { code: 'NAME_TAKEN', message: /is lost$/ });
});

test('a failed job is not resumed under a name that another holds', (t) => {
  const home = openHome(t);
  const failed = startJob(t, home, 'name');
  home.catalog.transition(failed.job.id, failed.epoch, 'failed');
  startJob(t, home, 'name');
  assert.throws(() => home.catalog.beginAttempt(failed.job.id, { pid: 1, socket: undefined }), {
    code: 'NAME_TAKEN',
  });
});

test('a reference is a name, an id or a unique prefix of one', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  const old = startJob(t, home, 'twice');
  catalog.transition(old.job.id, old.epoch, 'failed');
  const newer = startJob(t, home, 'twice');
  assert.equal(catalog.job('twice').id, newer.job.id, 'the live one');
  assert.equal(catalog.job(old.job.id).id, old.job.id);
  assert.equal(catalog.job(old.job.id.slice(0, 7)).id, old.job.id);
  catalog.transition(newer.job.id, newer.epoch, 'finished');
  assert.equal(catalog.job('twice').id, newer.job.id, 'the newest of those that ended');
  for (const absent of ['', 'nobody', '%', '_', `${old.job.id}0`, 'TWICE'])
    assert.throws(() => catalog.job(absent), { code: 'JOB_NOT_FOUND' }, absent);
});

test('the name’s holder goes before a newer job that ended', (t) => {
  const home = openHome(t);
  const first = startJob(t, home, 'name');
  home.catalog.transition(first.job.id, first.epoch, 'failed');
  const second = startJob(t, home, 'name');
  home.catalog.transition(second.job.id, second.epoch, 'failed');
  home.catalog.beginAttempt(first.job.id, { pid: 1, socket: undefined });
  assert.equal(home.catalog.job('name').id, first.job.id);
});

test('a prefix of several ids is refused with the candidates', (t) => {
  const { catalog } = openHome(t);
  const ids = Array.from({ length: 60 }, (_, i) => catalog.createJob(frozen(`job-${i}`)).id);
  const shared = ids.map(([first]) => first).find((first, i, all) => all.indexOf(first) !== i);
  assert.ok(shared, 'of 60 random ids two begin alike');
  assert.throws(() => catalog.job(shared), { code: 'JOB_AMBIGUOUS', message: new RegExp(shared) });
});

test('lost is told from the lock, never from the process id', async (t) => {
  const home = openHome(t);
  const peer = await startPeer(t);
  const { id } = home.catalog.createJob(frozen('far'));
  assert.equal(home.catalog.job(id).state, 'lost', 'created, and no runner yet');
  await peer.tell({ do: 'open', path: home.home.root });
  assert.equal(await peer.tell({ do: 'begin', job: id }), 1);
  assert.equal(home.catalog.job(id).state, 'running');
  await peer.kill();
  assert.equal(home.catalog.job(id).state, 'lost');
  assert.deepEqual(
    home.catalog.jobs({ all: false }).map(({ state }) => state),
    ['lost'],
  );
  takeLock(t, home.catalog, id);
  assert.equal(home.catalog.beginAttempt(id, { pid: 1, socket: undefined }), 2);
  assert.deepEqual(
    home.catalog.attempts(id).map(({ outcome }) => outcome),
    ['lost', undefined],
  );
});

test('a job that ends between the look at its row and at its lock is not lost', (t) => {
  const home = openHome(t);
  const db = openCatalog(home.home, { create: false, clock: home.clock, random: seededRandom(1) });
  t.after(() => db.close());
  const context = { db, home: home.home, clock: home.clock, random: seededRandom(1) };
  const { job, epoch, lock } = startJob(t, home, 'job');
  const seen = storedJob(context, job.id);
  home.catalog.transition(job.id, epoch, 'finished', { endedBy: 'input' });
  lock.release();
  assert.equal(withLost(context, seen).state, 'finished');
});

test('jobs are listed newest first, the ended ones only when asked for', (t) => {
  const home = openHome(t);
  const ids = (['finished', 'canceled', 'failed', 'suspended'] as const).map((to) => {
    const { job, epoch } = startJob(t, home, to);
    home.catalog.transition(job.id, epoch, to);
    return job.id;
  });
  assert.deepEqual(
    home.catalog.jobs({ all: true }).map(({ id }) => id),
    ids.toReversed(),
  );
  assert.deepEqual(
    home.catalog.jobs({ all: false }).map(({ name }) => name),
    ['suspended', 'failed'],
  );
});

test('two processes fill one new home, and no name is given twice', async (t) => {
  const root = join(tempFolder(t), '.tidemark');
  const peers = await Promise.all([startPeer(t), startPeer(t), startPeer(t)]);
  await Promise.all(peers.map((peer) => peer.tell({ do: 'open', path: root })));
  const made = await Promise.all(
    peers.map((peer, i) => peer.tell({ do: 'create', name: `of-${i}`, count: 25 })),
  );
  const outcomes = await Promise.allSettled(
    peers.map((peer) => peer.tell({ do: 'create', name: 'wanted', count: 1 })),
  );
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
  assert.deepEqual(
    refused.map(({ reason }) => reason.code),
    ['NAME_TAKEN', 'NAME_TAKEN'],
  );
  const { catalog } = openHome(t, root);
  assert.equal(catalog.jobs({ all: true }).length, made.flat().length + 1);
});

test('what needs a home does not make one', (t) => {
  const home = openHome(t);
  const { clock } = home;
  const absent = { ...home.home, root: '/nowhere', catalog: '/nowhere/catalog.db' };
  const open = () =>
    Catalog.open(absent, { create: false, clock, random: { bytes: () => Buffer.alloc(8), next: () => 0 } });
  assert.throws(open, { code: 'HOME_NOT_FOUND', exitCode: 4 });
});

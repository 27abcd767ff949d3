import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AssertionFailed } from '../../src/base/assert.js';
import { KEPT_ATTEMPTS } from '../../src/catalog/attempts.js';
import { holdsName, isLive, isOver, JOB_STATES, mayFollow } from '../../src/catalog/job-state.js';
import type { JobState } from '../../src/catalog/records.js';
import { completed, frozen, openHome, startJob, type TestHome, takeLock } from './fixture.js';

/** DESIGN 3, written out a second time: `from` → every state that may follow. */
const ALLOWED = `
created    running canceled failed suspended lost
running    restarting finished canceled failed suspended lost
restarting running canceled failed suspended lost
finished
canceled
failed     running canceled
suspended  running canceled
lost       running canceled`;

const allowed = new Map(
  ALLOWED.trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .map(([from = '', ...to]) => [from, new Set(to)]),
);

test('every pair of states is allowed or refused as the design says', () => {
  for (const from of JOB_STATES)
    for (const to of JOB_STATES)
      assert.equal(mayFollow(from, to), allowed.get(from)?.has(to), `${from} → ${to}`);
  const those = (is: (state: JobState) => boolean) => JOB_STATES.filter(is);
  assert.deepEqual(those(isLive), ['created', 'running', 'restarting']);
  assert.deepEqual(those(isOver), ['finished', 'canceled']);
  assert.deepEqual(those(holdsName), ['created', 'running', 'restarting', 'suspended', 'lost']);
});

/** A job brought into a state, its lock held here. */
function jobIn(t: Parameters<typeof openHome>[0], home: TestHome, state: JobState, name: string) {
  const { id } = home.catalog.createJob(frozen(name));
  takeLock(t, home.catalog, id);
  if (state === 'created') return { id, epoch: 0 };
  const epoch = home.catalog.beginAttempt(id, { pid: 1, socket: undefined });
  if (state !== 'running') home.catalog.transition(id, epoch, state);
  return { id, epoch };
}

test('the catalog makes exactly the transitions of the table', (t) => {
  const home = openHome(t);
  let n = 0;
  for (const from of JOB_STATES.filter((state) => state !== 'lost')) {
    for (const to of JOB_STATES) {
      const { id, epoch } = jobIn(t, home, from, `job-${n++}`);
      const move = () => home.catalog.transition(id, epoch, to);
      const pair = `${from} → ${to}`;
      if (to === 'running' || to === 'lost') assert.throws(move, AssertionFailed, pair);
      else if (isOver(from)) assert.throws(move, { code: 'JOB_ENDED' }, pair);
      else if (!mayFollow(from, to)) assert.throws(move, AssertionFailed, pair);
      else move();
      const expected = to !== 'running' && mayFollow(from, to) ? to : from;
      assert.equal(home.catalog.job(id).state, to === 'lost' ? from : expected, pair);
    }
  }
});

test('an attempt begins from every state but those for good', (t) => {
  const home = openHome(t);
  for (const from of JOB_STATES.filter((state) => state !== 'lost')) {
    const { id, epoch } = jobIn(t, home, from, from);
    const begin = () => home.catalog.beginAttempt(id, { pid: 2, socket: undefined });
    if (isOver(from)) assert.throws(begin, { code: 'JOB_ENDED', exitCode: 5 });
    else assert.equal(begin(), epoch + 1);
  }
});

test('only the holder of the lock begins an attempt', (t) => {
  const { catalog } = openHome(t);
  const { id } = catalog.createJob(frozen('job'));
  assert.throws(() => catalog.beginAttempt(id, { pid: 1, socket: undefined }), AssertionFailed);
});

test('what an attempt that was taken over writes is refused, all of it', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  const { job, epoch: old } = startJob(t, home, 'job');
  const pending = catalog.beginCheckpoint(job.id, old, { kind: 'periodic', mode: 'full' });
  const epoch = catalog.beginAttempt(job.id, { pid: 2, socket: undefined });
  const before = JSON.stringify([catalog.job(job.id), catalog.checkpoints(job.id), catalog.attempts(job.id)]);
  const done = {
    segments: [],
    bytes: { own: 0, shared: 0, total: 0 },
    durationMs: 1,
    longestSliceMs: 1,
    manifest: {},
  };
  const writes: (() => unknown)[] = [
    () => catalog.transition(job.id, old, 'finished'),
    () => catalog.countRestart(job.id, old),
    () => catalog.saveMetrics(job.id, old, {}),
    () => catalog.beginCheckpoint(job.id, old, { kind: 'periodic', mode: 'full' }),
    () => catalog.completeCheckpoint(job.id, old, pending, done),
    () => catalog.failCheckpoint(job.id, old, pending, { code: 'DISK_FULL', message: 'full' }),
    () => catalog.commitCheckpoint(job.id, old, pending),
    () => catalog.subsume(job.id, old, [pending]),
    () => catalog.sweep(job.id, old),
  ];
  for (const write of writes) assert.throws(write, { code: 'STALE_EPOCH', exitCode: 5 }, String(write));
  assert.equal(
    JSON.stringify([catalog.job(job.id), catalog.checkpoints(job.id), catalog.attempts(job.id)]),
    before,
  );
  catalog.countRestart(job.id, epoch);
  assert.equal(catalog.job(job.id).restarts, 1);
});

test('a job remembers how it runs and how it ended', (t) => {
  const home = openHome(t);
  const { catalog, clock } = home;
  const { job, epoch } = startJob(t, home, 'job');
  const begun = clock.time;
  assert.equal(catalog.job(job.id).pid, process.pid);
  assert.equal(catalog.job(job.id).socket, '/tmp/socket');
  clock.time += 5;
  const error = { code: 'USER_CODE', message: 'boom', operator: 'count', at: 'job.ts:3:1' } as const;
  catalog.saveMetrics(job.id, epoch, { in: 1 });
  catalog.transition(job.id, epoch, 'restarting', { error });
  assert.deepEqual(catalog.job(job.id).error, error);
  clock.time += 5;
  const second = catalog.beginAttempt(job.id, { pid: 3, socket: undefined });
  clock.time += 5;
  catalog.transition(job.id, second, 'finished', { endedBy: 'stop', metrics: { in: 2 } });
  const { state, endedBy, startedAt, endedAt, pid, socket, metrics, error: last } = catalog.job(job.id);
  assert.deepEqual(
    { state, endedBy, startedAt, endedAt, pid, socket, metrics, last },
    {
      state: 'finished',
      endedBy: 'stop',
      startedAt: begun,
      endedAt: begun + 15,
      pid: undefined,
      socket: undefined,
      metrics: { in: 2 },
      last: undefined,
    },
  );
  assert.deepEqual(catalog.attempts(job.id), [
    { job: job.id, epoch: 1, startedAt: begun, endedAt: begun + 5, outcome: 'failed', error },
    {
      job: job.id,
      epoch: 2,
      startedAt: begun + 10,
      endedAt: begun + 15,
      outcome: 'finished',
      error: undefined,
    },
  ]);
});

test('a clock that jumps back does no harm', (t) => {
  const home = openHome(t);
  const { job, epoch } = startJob(t, home, 'job');
  home.clock.time -= 1_000_000;
  home.catalog.transition(job.id, epoch, 'suspended', { endedBy: 'signal' });
  assert.equal(home.catalog.job(job.id).endedAt, home.clock.time);
});

test('the history of attempts is bounded', (t) => {
  const home = openHome(t);
  const { job } = startJob(t, home, 'job');
  for (let i = 0; i < KEPT_ATTEMPTS + 5; i++)
    home.catalog.beginAttempt(job.id, { pid: 1, socket: undefined });
  const attempts = home.catalog.attempts(job.id);
  assert.equal(attempts.length, KEPT_ATTEMPTS);
  assert.equal(attempts.at(-1)?.epoch, KEPT_ATTEMPTS + 6);
});

test('a fenced job completes no checkpoint; one that has completed one is not fenced', (t) => {
  const home = openHome(t);
  const { job, lock, epoch } = startJob(t, home, 'job');
  const { catalog } = home;
  const id = catalog.beginCheckpoint(job.id, epoch, { kind: 'periodic', mode: 'full' });
  assert.equal(catalog.fence(job.id), true);
  assert.throws(() => catalog.completeCheckpoint(job.id, epoch, id, completed([])), { code: 'STALE_EPOCH' });
  assert.throws(() => catalog.transition(job.id, epoch, 'finished'), { code: 'STALE_EPOCH' });
  assert.equal(catalog.attempts(job.id).at(-1)?.outcome, 'lost');
  lock.release();
  assert.equal(catalog.job(job.id).state, 'lost');

  const other = startJob(t, home, 'other');
  const first = catalog.beginCheckpoint(other.job.id, other.epoch, { kind: 'periodic', mode: 'full' });
  catalog.completeCheckpoint(other.job.id, other.epoch, first, completed([]));
  assert.equal(catalog.fence(other.job.id), false);
  catalog.commitCheckpoint(other.job.id, other.epoch, first);
  catalog.transition(other.job.id, other.epoch, 'canceled', { endedBy: 'cancel' });
  assert.equal(catalog.fence(other.job.id), false);
});

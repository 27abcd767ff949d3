import assert from 'node:assert/strict';
import { existsSync, readdirSync, unlinkSync } from 'node:fs';
import { test } from 'node:test';
import { AssertionFailed } from '../../src/base/assert.js';
import { KEPT_HISTORY } from '../../src/catalog/checkpoints.js';
import fc from '../helpers/property.js';
import { completed, openHome, startJob, takeCheckpoint, writeSegment } from './fixture.js';

const FULL = { code: 'DISK_FULL', message: 'no space' } as const;

test('a checkpoint goes from pending over completed to committed', (t) => {
  const home = openHome(t);
  const { catalog, clock } = home;
  const { job, epoch } = startJob(t, home, 'job');
  const [a, b] = [writeSegment(home.home, 'a'), writeSegment(home.home, 'b')];
  const id = catalog.beginCheckpoint(job.id, epoch, { kind: 'asked', mode: 'incremental' });
  const begun = clock.time;
  assert.equal(catalog.checkpoint(job.id, id).state, 'pending');
  assert.equal(catalog.lastCompleted(job.id), undefined, 'a half-written one is invisible');
  clock.time += 7;
  catalog.completeCheckpoint(job.id, epoch, id, completed([b, a, b]));
  assert.equal(catalog.lastCompleted(job.id)?.committedAt, undefined);
  clock.time += 2;
  catalog.commitCheckpoint(job.id, epoch, id);
  clock.time += 2;
  catalog.commitCheckpoint(job.id, epoch, id);
  assert.deepEqual(catalog.lastCompleted(job.id), {
    id,
    job: job.id,
    epoch,
    state: 'completed',
    kind: 'asked',
    mode: 'incremental',
    triggeredAt: begun,
    completedAt: begun + 7,
    committedAt: begun + 9,
    durationMs: 12.5,
    longestSliceMs: 0.75,
    bytes: { own: 3, shared: 0, total: 3 },
    manifest: { of: 3 },
    segments: [b.name, a.name, b.name],
    retainedBy: ['recovery'],
    error: undefined,
  });
  assert.deepEqual(catalog.checkpoints(job.id), [catalog.lastCompleted(job.id)]);
});

test('ids count on over attempts and are never given twice', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  const { job, epoch } = startJob(t, home, 'job');
  const begin = (at: number) => catalog.beginCheckpoint(job.id, at, { kind: 'periodic', mode: 'full' });
  assert.deepEqual([begin(epoch), begin(epoch)], [1, 2]);
  const next = catalog.beginAttempt(job.id, { pid: 1, socket: undefined });
  assert.equal(catalog.sweep(job.id, next), 2);
  assert.deepEqual(catalog.checkpoints(job.id), []);
  assert.equal(begin(next), 3);
  assert.equal(catalog.sweep(job.id, next), 0, 'what this attempt has pending stays');
});

test('steps in the wrong order are bugs', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  const { job, epoch } = startJob(t, home, 'job');
  const id = takeCheckpoint(home, { job, epoch }, [], { commit: false });
  const wrong: (() => unknown)[] = [
    () => catalog.completeCheckpoint(job.id, epoch, id, completed([])),
    () => catalog.failCheckpoint(job.id, epoch, id, FULL),
    () => catalog.subsume(job.id, epoch, [id]),
    () => catalog.subsume(job.id, epoch, [99]),
    () => catalog.commitCheckpoint(job.id, epoch, 99),
    () => catalog.dropCheckpoints(job.id),
  ];
  for (const step of wrong) assert.throws(step, AssertionFailed, String(step));
  const pending = catalog.beginCheckpoint(job.id, epoch, { kind: 'periodic', mode: 'full' });
  assert.throws(() => catalog.commitCheckpoint(job.id, epoch, pending), AssertionFailed);
  catalog.transition(job.id, epoch, 'restarting');
  assert.throws(
    () => catalog.beginCheckpoint(job.id, epoch, { kind: 'periodic', mode: 'full' }),
    AssertionFailed,
  );
});

test('a checkpoint whose file is gone does not count, and leaves nothing behind', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  const { job, epoch } = startJob(t, home, 'job');
  const [a, b] = [writeSegment(home.home, 'a'), writeSegment(home.home, 'b')];
  unlinkSync(home.home.segment(b.name));
  const id = catalog.beginCheckpoint(job.id, epoch, { kind: 'periodic', mode: 'full' });
  assert.throws(() => catalog.completeCheckpoint(job.id, epoch, id, completed([a, b])), {
    code: 'CHECKPOINT_FAILED',
  });
  assert.equal(catalog.checkpoint(job.id, id).state, 'pending');
  catalog.failCheckpoint(job.id, epoch, id, FULL);
  assert.deepEqual(catalog.checkpoint(job.id, id).error, FULL);
  assert.deepEqual(catalog.orphanSegments([a.name]), [a.name]);
});

test('a segment goes when the last reference to it goes, whoever holds it', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  const one = startJob(t, home, 'one');
  const two = startJob(t, home, 'two');
  const [a, b, c] = ['a', 'b', 'c'].map((content) => writeSegment(home.home, content));
  if (!a || !b || !c) throw new Error('three segments');
  const first = takeCheckpoint(home, one, [a, b]);
  const second = takeCheckpoint(home, one, [b, c]);
  takeCheckpoint(home, two, [c]);
  assert.deepEqual(catalog.subsume(one.job.id, one.epoch, [first]), [a.name]);
  assert.equal(catalog.removeSegments([a.name, b.name, c.name]), 1, 'what a row knows is not removed');
  assert.equal(catalog.removeSegments([a.name]), 0);
  assert.equal(catalog.checkpoint(one.job.id, first).state, 'subsumed');
  assert.deepEqual(catalog.checkpoint(one.job.id, first).segments, []);
  assert.equal(catalog.lastCompleted(one.job.id)?.id, second);
  catalog.transition(one.job.id, one.epoch, 'canceled', { endedBy: 'cancel' });
  assert.deepEqual(catalog.dropCheckpoints(one.job.id), [b.name]);
  assert.equal(catalog.lastCompleted(one.job.id), undefined);
  assert.equal(existsSync(home.home.segment(c.name)), true);
});

test('a job that takes up bytes which another drops never completes over a removed file', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  const one = startJob(t, home, 'one');
  const two = startJob(t, home, 'two');
  const same = writeSegment(home.home, 'same');
  const old = takeCheckpoint(home, one, [same]);
  takeCheckpoint(home, one, []);
  // Two finds the file there; one drops its own reference; then either order of the last two steps is safe.
  const id = catalog.beginCheckpoint(two.job.id, two.epoch, { kind: 'periodic', mode: 'full' });
  const loose = catalog.subsume(one.job.id, one.epoch, [old]);
  assert.deepEqual(loose, [same.name]);
  catalog.completeCheckpoint(two.job.id, two.epoch, id, completed([same]));
  assert.equal(catalog.removeSegments(loose), 0);
  assert.equal(existsSync(home.home.segment(same.name)), true);
});

test('a pin keeps a checkpoint until it is taken away or has run out', (t) => {
  const home = openHome(t);
  const { catalog, clock } = home;
  const running = startJob(t, home, 'job');
  const { job, epoch } = running;
  const [a, b] = [writeSegment(home.home, 'a'), writeSegment(home.home, 'b')];
  const first = takeCheckpoint(home, running, [a]);
  const second = takeCheckpoint(home, running, [b]);
  const newest = takeCheckpoint(home, running, []);
  const pin = catalog.pin(job.id, first, { who: 'inspect', why: 'reads it' });
  const ending = catalog.pin(job.id, second, { who: 'inspect', why: 'reads it', until: clock.time + 10 });
  const why = () => catalog.checkpoints(job.id).map(({ id, retainedBy }) => [id, ...retainedBy]);
  assert.deepEqual(why(), [
    [first, 'retain', 'pin'],
    [second, 'retain', 'pin'],
    [newest, 'recovery'],
  ]);
  assert.deepEqual(catalog.subsume(job.id, epoch, [first, second]), [], 'pinned between decision and deed');
  clock.time += 9;
  catalog.renewPin(ending, 10);
  // One without an end gets none.
  catalog.renewPin(pin, 10);
  clock.time += 9;
  assert.deepEqual(catalog.subsume(job.id, epoch, [second]), [], 'renewed by who reads on');
  clock.time += 1;
  assert.deepEqual(why(), [
    [first, 'retain', 'pin'],
    [second, 'retain'],
    [newest, 'recovery'],
  ]);
  assert.deepEqual(catalog.subsume(job.id, epoch, [first, second]), [b.name]);
  assert.throws(() => catalog.pin(job.id, second, { who: 'x', why: 'y' }), { code: 'CHECKPOINT_NOT_FOUND' });
  assert.throws(() => catalog.pin(job.id, 99, { who: 'x', why: 'y' }), { code: 'CHECKPOINT_NOT_FOUND' });
  catalog.transition(job.id, epoch, 'canceled');
  assert.deepEqual(catalog.dropCheckpoints(job.id), []);
  assert.deepEqual(catalog.lastCompleted(job.id)?.retainedBy, ['ended-job', 'pin']);
  catalog.unpin(pin);
  catalog.unpin(pin);
  assert.deepEqual(catalog.dropCheckpoints(job.id), [a.name]);
});

test('a checkpoint of hundreds of segments keeps them in reading order', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  const running = startJob(t, home, 'job');
  const runs = Array.from({ length: 400 }, (_, i) => writeSegment(home.home, `run ${i}`));
  const first = takeCheckpoint(home, running, runs);
  const merged = writeSegment(home.home, 'merged');
  const id = takeCheckpoint(home, running, [merged, ...runs.slice(300)]);
  assert.deepEqual(
    catalog.checkpoint(running.job.id, id).segments,
    [merged, ...runs.slice(300)].map(({ name }) => name),
  );
  const loose = catalog.subsume(running.job.id, running.epoch, [first]);
  assert.deepEqual(
    loose,
    runs.slice(0, 300).map(({ name }) => name),
  );
  assert.equal(catalog.removeSegments(loose), 300);
  assert.equal(readdirSync(home.home.segments).length, 101);
});

test('the history of failed and subsumed ones is bounded, completed ones stay', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  const { job, epoch } = startJob(t, home, 'job');
  const kept = takeCheckpoint(home, { job, epoch }, []);
  for (let i = 0; i < KEPT_HISTORY + 7; i++) {
    const id = catalog.beginCheckpoint(job.id, epoch, { kind: 'periodic', mode: 'full' });
    catalog.failCheckpoint(job.id, epoch, id, FULL);
  }
  const all = catalog.checkpoints(job.id);
  assert.deepEqual([all.length, all[0]?.id, all[1]?.id], [KEPT_HISTORY + 1, kept, kept + 8]);
});

test('after any sequence, the segments on disk are those that completed checkpoints refer to', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  let n = 0;
  const step = fc.oneof(
    fc.record({
      do: fc.constant('take' as const),
      contents: fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 4 }),
    }),
    fc.record({ do: fc.constant('subsume' as const), index: fc.nat(4) }),
    fc.record({
      do: fc.constant('fail' as const),
      contents: fc.array(fc.constantFrom('a', 'e'), { maxLength: 2 }),
    }),
  );
  const jobs = fc.array(fc.tuple(fc.constantFrom(0, 1), step), { maxLength: 25 });
  fc.assert(
    fc.property(jobs, (steps) => {
      const both = [startJob(t, home, `job-${n++}`), startJob(t, home, `job-${n++}`)];
      const expected: Map<number, string[]>[] = [new Map(), new Map()];
      for (const [which, act] of steps) {
        const running = both[which];
        const mine = expected[which];
        if (running === undefined || mine === undefined) continue;
        if (act.do === 'take') {
          const segments = act.contents.map((content) => writeSegment(home.home, content));
          mine.set(
            takeCheckpoint(home, running, segments),
            segments.map(({ name }) => name),
          );
        } else if (act.do === 'fail') {
          for (const content of act.contents) writeSegment(home.home, content);
        } else {
          const id = [...mine.keys()][act.index];
          if (id === undefined) continue;
          catalog.removeSegments(catalog.subsume(running.job.id, running.epoch, [id]));
          mine.delete(id);
        }
      }
      const onDisk = () => readdirSync(home.home.segments).map((file) => file.replace('.seg', ''));
      catalog.removeSegments(catalog.orphanSegments(onDisk()));
      const referred = new Set(expected.flatMap((mine) => [...mine.values()].flat()));
      assert.deepEqual(onDisk().sort(), [...referred].sort());
      for (const [which, running] of both.entries()) {
        for (const [id, names] of expected[which] ?? [])
          assert.deepEqual(catalog.checkpoint(running.job.id, id).segments, names);
        catalog.transition(running.job.id, running.epoch, 'canceled');
        catalog.removeSegments(catalog.dropCheckpoints(running.job.id));
        running.lock.release();
      }
      assert.deepEqual(onDisk(), []);
    }),
    { numRuns: 30 },
  );
});

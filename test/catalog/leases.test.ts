import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import type { SegmentRecord } from '../../src/catalog/records.js';
import fc from '../helpers/property.js';
import { openHome, startJob, type TestHome, takeCheckpoint, writeSegment } from './fixture.js';
import { startPeer } from './peer.js';

const onDisk = ({ home }: TestHome) => readdirSync(home.segments).map((file) => file.replace('.seg', ''));
const clean = (home: TestHome) => home.catalog.removeSegments(home.catalog.orphanSegments(onDisk(home)));

test('a leased segment is nobody else’s to remove, until the lease is given up', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  const { job, epoch } = startJob(t, home, 'job');
  const [mine, leaked] = [writeSegment(home.home, 'mine'), writeSegment(home.home, 'leaked')];
  catalog.lease(job.id, epoch, [mine]);
  catalog.lease(job.id, epoch, [mine]);
  assert.deepEqual(catalog.orphanSegments([mine.name, leaked.name]), [leaked.name]);
  assert.equal(catalog.removeSegments([mine.name, leaked.name]), 1);
  assert.deepEqual(catalog.unlease(job.id, epoch, [mine.name, mine.name]), [mine.name]);
  assert.deepEqual(catalog.unlease(job.id, epoch, [mine.name]), [mine.name], 'again is no error');
  assert.equal(catalog.removeSegments([mine.name]), 1);
});

test('a segment that is set aside has no name any more, unless somebody wants it', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  const { job, epoch } = startJob(t, home, 'job');
  const [mine, large] = [writeSegment(home.home, 'mine'), writeSegment(home.home, 'large')];
  catalog.lease(job.id, epoch, [mine]);
  const aside = catalog.setSegmentsAside([mine.name, large.name]);
  assert.equal(aside.length, 1);
  assert.match(aside[0] ?? '', new RegExp(`${large.name}\\.seg\\.[0-9a-f]{16}\\.tmp$`));
  assert.ok(aside.every(existsSync), 'the caller removes it');
  assert.deepEqual(
    [existsSync(home.home.segment(mine.name)), existsSync(home.home.segment(large.name))],
    [true, false],
  );
  writeSegment(home.home, 'large');
  assert.deepEqual(catalog.setSegmentsAside([large.name, large.name]).length, 1, 'once, beside the other');
});

test('a segment stays while a checkpoint or another job’s lease wants it', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  const one = startJob(t, home, 'one');
  const two = startJob(t, home, 'two');
  const [run, other] = [writeSegment(home.home, 'run'), writeSegment(home.home, 'other')];
  catalog.lease(one.job.id, one.epoch, [run, other]);
  catalog.lease(two.job.id, two.epoch, [run]);
  const id = takeCheckpoint(home, one, [run, other]);
  assert.deepEqual(catalog.unlease(one.job.id, one.epoch, [other.name]), [], 'its checkpoint has it');
  takeCheckpoint(home, one, []);
  assert.deepEqual(catalog.subsume(one.job.id, one.epoch, [id]), [other.name], 'what is leased is not loose');
  assert.deepEqual(catalog.unlease(one.job.id, one.epoch, [run.name]), [], 'two has it');
  assert.deepEqual(catalog.unlease(two.job.id, two.epoch, [run.name]), [run.name]);
});

test('the leases of an attempt end with it, and its files with them', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  const { job, epoch } = startJob(t, home, 'job');
  const [kept, lost] = [writeSegment(home.home, 'kept'), writeSegment(home.home, 'lost')];
  const again = writeSegment(home.home, 'again');
  catalog.lease(job.id, epoch, [kept, lost, again]);
  takeCheckpoint(home, { job, epoch }, [kept]);
  const next = catalog.beginAttempt(job.id, { pid: 1, socket: undefined });
  catalog.lease(job.id, next, [again]);
  assert.equal(catalog.sweep(job.id, next), 0);
  assert.deepEqual(onDisk(home).sort(), [kept.name, again.name].sort());
  assert.throws(() => catalog.lease(job.id, epoch, [lost]), { code: 'STALE_EPOCH' });
  assert.throws(() => catalog.unlease(job.id, epoch, [again.name]), { code: 'STALE_EPOCH' });
});

test('the leases of a job without a process do not count; nor those of one that has not begun to write', async (t) => {
  const home = openHome(t);
  const { catalog } = home;
  const { job, epoch, lock } = startJob(t, home, 'job');
  const segment = writeSegment(home.home, 'segment');
  catalog.lease(job.id, epoch, [segment]);
  assert.deepEqual(catalog.orphanSegments([segment.name]), []);
  assert.deepEqual(catalog.orphanSegments([segment.name], job.id), [segment.name], 'its holder says so');
  assert.equal(catalog.removeSegments([segment.name]), 0);
  lock.release();
  assert.deepEqual(catalog.orphanSegments([segment.name]), [segment.name], 'its writer is dead');
  const peer = await startPeer(t);
  await peer.tell({ do: 'acquire', path: home.home.job(job.id).lock });
  assert.equal(catalog.removeSegments([segment.name]), 0, 'another process holds its lock');
  assert.equal(catalog.removeSegments([segment.name], job.id), 1);
});

test('a canceled job keeps no lease', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  const { job, epoch } = startJob(t, home, 'job');
  const [a, b] = [writeSegment(home.home, 'a'), writeSegment(home.home, 'b')];
  catalog.lease(job.id, epoch, [a, b]);
  takeCheckpoint(home, { job, epoch }, [a]);
  catalog.transition(job.id, epoch, 'canceled');
  const loose = catalog.dropCheckpoints(job.id);
  assert.deepEqual([...loose].sort(), [a.name, b.name].sort());
  catalog.removeSegments(loose);
  assert.deepEqual(onDisk(home), []);
});

test('after any sequence of two jobs, what is leased or referred to is there, and cleaning leaves nothing else', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  let n = 0;
  const content = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const contents = fc.uniqueArray(content, { maxLength: 3 });
  const step = fc.oneof(
    fc.record({ do: fc.constant('lease' as const), contents }),
    fc.record({ do: fc.constant('unlease' as const), contents }),
    fc.record({ do: fc.constant('take' as const), contents }),
    fc.record({ do: fc.constant('subsume' as const), contents: fc.constant([]) }),
    fc.record({ do: fc.constant('restart' as const), contents: fc.constant([]) }),
    fc.record({ do: fc.constant('leak' as const), contents }),
    fc.record({ do: fc.constant('clean' as const), contents: fc.constant([]) }),
  );
  const steps = fc.array(fc.tuple(fc.constantFrom(0, 1), step), { maxLength: 30 });
  fc.assert(
    fc.property(steps, (acts) => {
      const jobs = [0, 1].map(() => {
        const { job, lock, epoch } = startJob(t, home, `job-${n++}`);
        return { job, lock, epoch, leased: new Set<string>(), taken: new Map<number, readonly string[]>() };
      });
      const wanted = () =>
        new Set(jobs.flatMap(({ leased, taken }) => [...leased, ...[...taken.values()].flat()]));
      const write = (all: readonly string[]): SegmentRecord[] =>
        all.map((one) => writeSegment(home.home, one));
      for (const [which, act] of acts) {
        const mine = jobs[which];
        if (mine === undefined) continue;
        const { id } = mine.job;
        const names = write(act.do === 'lease' || act.do === 'take' || act.do === 'leak' ? act.contents : []);
        if (act.do === 'lease' || act.do === 'take') {
          catalog.lease(id, mine.epoch, names);
          for (const { name } of names) mine.leased.add(name);
        }
        if (act.do === 'take')
          mine.taken.set(
            takeCheckpoint(home, mine, names),
            names.map(({ name }) => name),
          );
        if (act.do === 'unlease') {
          const given = [...mine.leased].slice(0, act.contents.length);
          for (const name of given) mine.leased.delete(name);
          const loose = catalog.unlease(id, mine.epoch, given);
          assert.deepEqual(
            loose,
            given.filter((name) => !wanted().has(name)),
          );
          catalog.removeSegments(loose);
        }
        if (act.do === 'subsume') {
          const [oldest] = mine.taken.keys();
          if (oldest === undefined || mine.taken.size === 1) continue;
          mine.taken.delete(oldest);
          catalog.removeSegments(catalog.subsume(id, mine.epoch, [oldest]));
        }
        if (act.do === 'restart') {
          mine.epoch = catalog.beginAttempt(id, { pid: 1, socket: undefined });
          mine.leased.clear();
          catalog.sweep(id, mine.epoch);
        }
        if (act.do === 'clean') {
          clean(home);
          assert.deepEqual(onDisk(home).sort(), [...wanted()].sort());
        }
        for (const name of wanted())
          assert.ok(existsSync(home.home.segment(name)), `${act.do} has lost ${name}`);
      }
      for (const mine of jobs) {
        catalog.transition(mine.job.id, mine.epoch, 'canceled');
        catalog.removeSegments(catalog.dropCheckpoints(mine.job.id));
        mine.lock.release();
      }
      clean(home);
      assert.deepEqual(onDisk(home), []);
    }),
    { numRuns: 60 },
  );
});

test('a job that has lost its last checkpoint is not begun again, also not from an older one', (t) => {
  const home = openHome(t);
  const { catalog } = home;
  const { job, epoch, lock } = startJob(t, home, 'job');
  takeCheckpoint(home, { job, epoch }, [writeSegment(home.home, 'a')]);
  const last = takeCheckpoint(home, { job, epoch }, [writeSegment(home.home, 'b')]);
  const pending = catalog.beginCheckpoint(job.id, epoch, { kind: 'periodic', mode: 'full' });
  catalog.removeSegments(catalog.pruneCheckpoints(job.id, [1]));
  assert.throws(() => catalog.checkpoint(job.id, pending), { code: 'CHECKPOINT_NOT_FOUND' });
  const next = catalog.beginAttempt(job.id, { pid: 1, socket: undefined });
  const newest = takeCheckpoint(home, { job, epoch: next }, [writeSegment(home.home, 'c')]);
  catalog.transition(job.id, next, 'failed', { endedBy: 'error' });
  catalog.removeSegments(catalog.dropCheckpoints(job.id, [newest]));
  assert.equal(catalog.lastCompleted(job.id)?.id, last);
  assert.throws(() => catalog.beginAttempt(job.id, { pid: 1, socket: undefined }), {
    code: 'CHECKPOINT_NOT_FOUND',
  });
  assert.equal(catalog.job(job.id).state, 'failed', 'it stays what it was');
  lock.release();
  assert.throws(() => catalog.pruneCheckpoints(job.id, []), /holds its lock/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOver } from '../../src/catalog/job-state.js';
import type { CheckpointRecord, JobRecord, JobState, PinRecord } from '../../src/catalog/records.js';
import { type PruneWish, planJob, planPrune } from '../../src/checkpoint/prune-plan.js';
import type { Survey, SurveyedJob } from '../../src/checkpoint/survey.js';
import fc from '../helpers/property.js';

const DAY = 86_400_000;
const NOW = 100 * DAY;
const NONE: PruneWish = { named: [], keepLast: undefined, olderThan: undefined };

function jobOf(id: string, state: JobState): JobRecord {
  return {
    id,
    name: `job-${id}`,
    definition: '/job.ts',
    bundle: 'ab'.repeat(32),
    params: {},
    cwd: '/',
    settings: {},
    parallelism: 1,
    maxParallelism: 128,
    state,
    endedBy: undefined,
    epoch: 1,
    restarts: 0,
    createdAt: 0,
    startedAt: 0,
    endedAt: undefined,
    error: undefined,
    pid: undefined,
    socket: undefined,
    metrics: undefined,
    origin: undefined,
  };
}

/** Completed `age` days ago. */
function checkpoint(job: string, id: number, age: number, segments: readonly string[]): CheckpointRecord {
  const at = NOW - age * DAY;
  return {
    id,
    job,
    epoch: 1,
    state: 'completed',
    kind: 'periodic',
    mode: 'incremental',
    triggeredAt: at,
    completedAt: at,
    committedAt: at,
    durationMs: 1,
    longestSliceMs: 1,
    bytes: { own: 1, shared: 2, total: 3 },
    manifest: {},
    segments,
    retainedBy: [],
    error: undefined,
  };
}

/** With checkpoints 1, 2, 3 of 30, 20 and 10 days ago. */
function surveyed(id: string, state: JobState, change: Partial<SurveyedJob> = {}): SurveyedJob {
  const checkpoints = [1, 2, 3].map((n) => checkpoint(id, n, 40 - n * 10, [`${id}-${n}`, `${id}-shared`]));
  return { job: jobOf(id, state), held: state === 'running', checkpoints, pins: [], ...change };
}

function pinOf(job: string, id: number): PinRecord {
  return { id: 1, job, checkpoint: id, who: 'user', why: 'audit', until: undefined };
}

const verdicts = (job: SurveyedJob, wish: Partial<PruneWish>) =>
  planJob(job, { ...NONE, ...wish }, NOW).map(({ id, action, why }) => `${id} ${action} ${why}`);

test('unasked, no checkpoint goes', () => {
  assert.deepEqual(verdicts(surveyed('a', 'canceled'), {}), ['1 keep yours', '2 keep yours', '3 keep yours']);
  assert.deepEqual(verdicts(surveyed('a', 'failed'), {}), ['1 keep yours', '2 keep yours', '3 keep resume']);
  const running = ['1 keep running', '2 keep running', '3 keep running'];
  assert.deepEqual(verdicts(surveyed('a', 'running'), {}), running);
  assert.deepEqual(verdicts(surveyed('a', 'running'), { keepLast: 0 }), running);
  assert.deepEqual(
    verdicts(surveyed('a', 'suspended', { held: true }), { keepLast: 0 }),
    running,
    'being resumed',
  );
});

test('a policy is for all that ended, else for those that are named', () => {
  const job = surveyed('a', 'canceled');
  const [a, b] = [[{ job: 'a', checkpoint: undefined }], [{ job: 'b', checkpoint: undefined }]];
  assert.deepEqual(verdicts(job, { keepLast: 2 }), ['1 drop policy', '2 keep policy', '3 keep policy']);
  assert.deepEqual(verdicts(job, { named: a, keepLast: 2 }), [
    '1 drop policy',
    '2 keep policy',
    '3 keep policy',
  ]);
  assert.deepEqual(verdicts(job, { named: b, keepLast: 2 }), [
    '1 keep yours',
    '2 keep yours',
    '3 keep yours',
  ]);
  assert.deepEqual(verdicts(job, { olderThan: 20 * DAY }), [
    '1 drop policy',
    '2 keep policy',
    '3 keep policy',
  ]);
  const both = { keepLast: 1, olderThan: 20 * DAY };
  assert.deepEqual(
    verdicts(job, both),
    ['1 drop policy', '2 keep policy', '3 keep policy'],
    'what both drop',
  );
  assert.deepEqual(verdicts(job, { keepLast: 0 }), ['1 drop policy', '2 drop policy', '3 drop policy']);
  const lost = surveyed('a', 'lost');
  assert.deepEqual(verdicts(lost, { keepLast: 0 }), ['1 drop policy', '2 drop policy', '3 keep resume']);
});

test('a named job loses all but what it could be resumed from; a named checkpoint goes', () => {
  const named = [{ job: 'a', checkpoint: undefined }];
  assert.deepEqual(verdicts(surveyed('a', 'canceled'), { named }), [
    '1 drop named',
    '2 drop named',
    '3 drop named',
  ]);
  for (const state of ['suspended', 'failed', 'lost'] as const)
    assert.deepEqual(verdicts(surveyed('a', state), { named }), [
      '1 drop named',
      '2 drop named',
      '3 keep resume',
    ]);
  const last = { named: [{ job: 'a', checkpoint: 3 }] };
  assert.deepEqual(verdicts(surveyed('a', 'failed'), last), ['1 keep yours', '2 keep yours', '3 drop named']);
  const text = (job: SurveyedJob) => planJob(job, { ...NONE, ...last }, NOW)[2]?.text ?? '';
  assert.match(text(surveyed('a', 'failed')), /job-a cannot be resumed then$/);
  const owing = surveyed('a', 'lost');
  const checkpoints = owing.checkpoints.map((one) => ({ ...one, committedAt: undefined }));
  assert.match(text({ ...owing, checkpoints }), /the output it owes is lost/);
  assert.equal(text(surveyed('a', 'canceled')), 'named');
});

test('what is named and cannot go is refused, with the way out', () => {
  const refusal = (job: SurveyedJob, id: number | undefined) =>
    planJob(job, { ...NONE, named: [{ job: 'a', checkpoint: id }] }, NOW).flatMap((one) => one.refusal ?? []);
  const pinned = surveyed('a', 'failed', { pins: [pinOf('a', 2)] });
  assert.deepEqual(refusal(pinned, 1), []);
  assert.deepEqual(refusal(pinned, undefined), [], 'the others go');
  assert.deepEqual(
    refusal(pinned, 2).map(({ code, message, hint }) => [code, message, hint]),
    [['CHECKPOINT_PINNED', 'job-a@2 stays: pinned by user: audit', 'tidemark pin job-a@2 --remove']],
  );
  const read = { ...pinOf('a', 2), who: 'externalize', until: NOW + 1 };
  assert.deepEqual(
    refusal(surveyed('a', 'running', { pins: [read] }), 2).map(({ code, hint }) => [code, hint]),
    [['CHECKPOINT_PINNED', 'tidemark pin']],
    'the pin of a command is not the user’s to remove',
  );
  const running = surveyed('a', 'running');
  assert.deepEqual(
    refusal(running, 1).map(({ code }) => code),
    ['JOB_RUNNING'],
  );
  assert.deepEqual(
    refusal(running, undefined).map(({ code }) => code),
    ['JOB_RUNNING', 'JOB_RUNNING', 'JOB_RUNNING'],
  );
});

test('a segment goes with the last checkpoint that refers to it, and when nothing knows it', () => {
  const job = surveyed('a', 'canceled');
  const use = (
    name: string,
    ids: readonly number[],
    leasedBy: readonly string[] = [],
    found: number | undefined = 5,
  ) => ({
    name,
    bytes: 5,
    found,
    checkpoints: ids.map((id) => ({ job: 'a', id })),
    leasedBy,
  });
  const survey: Survey = {
    jobs: [job],
    segments: [
      use('first', [1]),
      use('shared', [1, 2, 3]),
      use('taken-up', [1], ['b']),
      use('leaked', []),
      use('leased', [], ['b']),
      use('new', [99]),
      { ...use('missing', [1]), found: undefined },
    ],
    unfinished: [],
    bundles: [],
    staleLeases: [],
    expiredPins: [],
  };
  const { segments } = planPrune(survey, { ...NONE, keepLast: 2 }, NOW);
  assert.deepEqual(
    segments.map(({ name, action, why, references }) => [name, action, why, ...references]),
    [
      ['first', 'drop', 'checkpoints'],
      ['shared', 'keep', 'checkpoints', 'job-a@2', 'job-a@3'],
      ['taken-up', 'keep', 'lease'],
      ['leaked', 'drop', 'leaked'],
      ['leased', 'keep', 'lease'],
      ['new', 'keep', 'checkpoints', 'a@99'],
    ],
  );
});

test('whatever is asked, a running job, a pin and the last of a job that can go on are safe', () => {
  const state = fc.constantFrom<JobState>('running', 'suspended', 'failed', 'lost', 'finished', 'canceled');
  const wish = fc.record({
    named: fc.array(
      fc.record({ job: fc.constantFrom('a', 'b'), checkpoint: fc.constantFrom(undefined, 1, 2, 3) }),
      { maxLength: 3 },
    ),
    keepLast: fc.constantFrom(undefined, 0, 1, 2),
    olderThan: fc.constantFrom(undefined, 0, 15 * DAY, 25 * DAY),
  });
  fc.assert(
    fc.property(state, wish, fc.subarray([1, 2, 3]), fc.boolean(), (state, wish, pins, held) => {
      const job = surveyed('a', state, {
        held: held || state === 'running',
        pins: pins.map((id) => pinOf('a', id)),
      });
      const plan = planJob(job, wish, NOW);
      const gone = plan.filter(({ action }) => action === 'drop');
      if (job.held) assert.deepEqual(gone, []);
      const asked = wish.named.filter((one) => one.job === 'a');
      for (const { id, text } of gone) {
        assert.ok(!pins.includes(id) && text !== '');
        const exact = asked.some((one) => one.checkpoint === id);
        if (id === 3 && !isOver(state)) assert.ok(exact);
        const policy = wish.keepLast !== undefined || wish.olderThan !== undefined;
        assert.ok(asked.length > 0 || (policy && wish.named.length === 0));
        if (exact) continue;
        if (wish.keepLast !== undefined) assert.ok(3 - id >= wish.keepLast);
        if (wish.olderThan !== undefined) assert.ok((40 - id * 10) * DAY > wish.olderThan);
      }
      assert.equal(plan.length, 3);
    }),
  );
});

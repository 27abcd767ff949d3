import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CheckpointProgress, type CheckpointTiming, decide } from '../../src/checkpoint/decide.js';
import fc from '../helpers/property.js';

const timing: CheckpointTiming = { interval: 100, minPause: 30, timeout: 500, tolerated: 1 };
const idle: CheckpointProgress = {
  asked: false,
  running: undefined,
  lastTriggeredAt: 1000,
  lastEndedAt: undefined,
  consecutiveFailures: 0,
  over: false,
};
const never = { action: 'wait', until: Number.POSITIVE_INFINITY };

test('the first falls one interval after the attempt began', () => {
  assert.deepEqual(decide(timing, idle, 1099.9), { action: 'wait', until: 1100 });
  assert.deepEqual(decide(timing, idle, 1100), { action: 'trigger' });
});

test('after a long one the pause is kept, and no pile is made up for', () => {
  const late = { ...idle, lastEndedAt: 1350 };
  assert.deepEqual(decide(timing, late, 1379), { action: 'wait', until: 1380 });
  assert.deepEqual(decide(timing, late, 1380), { action: 'trigger' });
  const early = { ...idle, lastEndedAt: 1005 };
  assert.deepEqual(decide(timing, early, 1050), { action: 'wait', until: 1100 });
});

test('what is asked for waits for no interval, no pause, yet for the one under way', () => {
  const asked = { ...idle, asked: true, lastEndedAt: 1001 };
  assert.deepEqual(decide(timing, asked, 1002), { action: 'trigger' });
  assert.deepEqual(decide({ ...timing, interval: 0 }, asked, 1002), { action: 'trigger' });
  for (const committing of [false, true]) {
    const running = { startedAt: 1001, committing };
    assert.deepEqual(decide(timing, { ...asked, running }, 1400), { action: 'wait', until: 1501 });
  }
});

test('an interval of 0 turns the schedule off', () => {
  assert.deepEqual(decide({ ...timing, interval: 0 }, idle, 1e12), never);
});

test('one that takes longer than the timeout is given up', () => {
  const running = { startedAt: 1000, committing: false };
  assert.deepEqual(decide(timing, { ...idle, running }, 1499), { action: 'wait', until: 1500 });
  assert.deepEqual(decide(timing, { ...idle, running }, 1500), { action: 'give-up' });
});

test('failures beyond those tolerated fail the attempt', () => {
  assert.deepEqual(decide(timing, { ...idle, consecutiveFailures: 1 }, 1100), { action: 'trigger' });
  assert.deepEqual(decide(timing, { ...idle, consecutiveFailures: 2 }, 1100), { action: 'fail-attempt' });
  assert.deepEqual(decide({ ...timing, tolerated: 0 }, { ...idle, consecutiveFailures: 1 }, 1000), {
    action: 'fail-attempt',
  });
});

test('after a last one nothing is triggered', () => {
  assert.deepEqual(decide(timing, { ...idle, over: true, asked: true }, 1e12), never);
});

const times = fc.integer({ min: 0, max: 10_000 });
const anyTiming = fc.record({
  interval: fc.oneof(fc.constant(0), times),
  minPause: times,
  timeout: times.map((ms) => ms + 1),
  tolerated: fc.nat(3),
});
const anyProgress = fc.record({
  asked: fc.boolean(),
  running: fc.option(fc.record({ startedAt: times, committing: fc.boolean() }), { nil: undefined }),
  lastTriggeredAt: times,
  lastEndedAt: fc.option(times, { nil: undefined }),
  consecutiveFailures: fc.nat(5),
  over: fc.boolean(),
});

test('whatever it waits for lies ahead, and then it acts', () => {
  fc.assert(
    fc.property(anyTiming, anyProgress, times, (settings, state, now) => {
      const decision = decide(settings, state, now);
      if (decision.action !== 'wait') return;
      assert.ok(decision.until > now);
      if (decision.until === Number.POSITIVE_INFINITY) return;
      assert.notEqual(decide(settings, state, decision.until).action, 'wait');
      const before = now + (decision.until - now) / 2;
      assert.deepEqual(decide(settings, state, before), decision, 'time alone changes nothing before');
    }),
  );
});

test('two never overlap, and the schedule keeps interval and pause, in any run of the coordinator', () => {
  const lasting = fc.array(
    fc.record({ pending: fc.nat(300), committing: fc.nat(300), fails: fc.boolean() }),
    {
      minLength: 1,
      maxLength: 20,
    },
  );
  fc.assert(
    fc.property(anyTiming, lasting, (base, runs) => {
      const settings = { ...base, timeout: 1_000, tolerated: runs.length, interval: base.interval + 1 };
      let state: CheckpointProgress = { ...idle, lastTriggeredAt: 0 };
      let now = 0;
      for (const run of runs) {
        const wait = decide(settings, state, now);
        if (wait.action === 'wait') now = wait.until;
        assert.deepEqual(decide(settings, state, now), { action: 'trigger' });
        assert.ok(now >= state.lastTriggeredAt + settings.interval);
        assert.ok(
          now >= (state.lastEndedAt ?? 0) + (state.lastEndedAt === undefined ? 0 : settings.minPause),
        );
        const startedAt = now;
        state = { ...state, lastTriggeredAt: now, running: { startedAt, committing: false } };
        now += run.pending;
        assert.equal(decide(settings, state, now).action, 'wait');
        if (!run.fails) {
          state = { ...state, running: { startedAt, committing: true }, consecutiveFailures: 0 };
          now += run.committing;
          assert.equal(decide(settings, state, now).action, 'wait');
        }
        const consecutiveFailures = run.fails ? state.consecutiveFailures + 1 : 0;
        state = { ...state, running: undefined, lastEndedAt: now, consecutiveFailures };
      }
    }),
  );
});

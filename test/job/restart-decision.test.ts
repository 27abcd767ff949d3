import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_RESTART, type RestartSettings } from '../../src/graph/settings.js';
import { type AttemptFailure, boundHistory, decideRestart } from '../../src/job/restart-decision.js';
import fc from '../helpers/property.js';

/** One letter per failure, a second apart: `p` after progress, `f` without. */
function history(letters: string): readonly AttemptFailure[] {
  return [...letters].map((letter, i) => ({ at: (i + 1) * 1000, progressed: letter === 'p' }));
}

function delays(settings: RestartSettings, letters: string): (number | 'no')[] {
  return [...letters].map((_, i) => {
    const failures = history(letters.slice(0, i + 1));
    const decision = decideRestart(settings, { failures }, (i + 1) * 1000);
    return decision.restart ? decision.delay : 'no';
  });
}

test('none never restarts', () => {
  assert.deepEqual(delays({ strategy: 'none' }, 'fp'), ['no', 'no']);
});

test('fixed-delay restarts so often, progress or not', () => {
  const settings = { strategy: 'fixed-delay', delay: 50, attempts: 3 } as const;
  assert.deepEqual(delays(settings, 'fpff'), [50, 50, 50, 'no']);
  assert.deepEqual(delays({ ...settings, attempts: 0 }, 'f'), ['no']);
});

test('exponential-delay grows to its maximum, and a new checkpoint begins it anew', () => {
  const settings = { strategy: 'exponential-delay', initial: 1, maximum: 5, factor: 2, attempts: 6 } as const;
  assert.deepEqual(delays(settings, 'fffff'), [1, 2, 4, 5, 5]);
  assert.deepEqual(delays(settings, 'ffffff'), [1, 2, 4, 5, 5, 'no']);
  assert.deepEqual(delays(settings, 'fffpffp'), [1, 2, 4, 1, 2, 4, 1]);
  assert.deepEqual(delays(settings, 'pffffff'), [1, 2, 4, 5, 5, 5, 'no']);
});

test('by default ten attempts without a new checkpoint fail the job', () => {
  assert.deepEqual(delays(DEFAULT_RESTART, 'f'.repeat(10)), [
    ...[1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1000),
    'no',
  ]);
});

test('failure-rate allows so many within its window', () => {
  const settings = { strategy: 'failure-rate', failures: 2, window: 3000, delay: 7 } as const;
  assert.deepEqual(delays(settings, 'fff'), [7, 7, 'no']);
  assert.deepEqual(delays({ ...settings, window: 2000 }, 'fpfff'), [7, 7, 7, 7, 7]);
});

test('a refusal says why', () => {
  const decision = decideRestart(DEFAULT_RESTART, { failures: history('f'.repeat(10)) }, 0);
  assert.deepEqual(decision, {
    restart: false,
    why: '10 attempts in a row without a new checkpoint (exponential-delay)',
  });
});

const anySettings: fc.Arbitrary<RestartSettings> = fc.oneof(
  fc.record({ strategy: fc.constant('fixed-delay' as const), delay: fc.nat(100), attempts: fc.nat(5) }),
  fc.record({
    strategy: fc.constant('exponential-delay' as const),
    initial: fc.nat(100),
    maximum: fc.nat(10_000),
    factor: fc.integer({ min: 1, max: 4 }),
    attempts: fc.integer({ min: 1, max: 6 }),
  }),
  fc.record({
    strategy: fc.constant('failure-rate' as const),
    failures: fc.nat(4),
    window: fc.nat(5_000),
    delay: fc.nat(100),
  }),
);

test('a runner that bounds its history decides as one that keeps all, and ends when nothing is achieved', () => {
  const outcomes = fc.array(fc.record({ after: fc.nat(3_000), progressed: fc.boolean() }), { maxLength: 40 });
  fc.assert(
    fc.property(anySettings, outcomes, (settings, attempts) => {
      let now = 0;
      const all: AttemptFailure[] = [];
      let bounded: readonly AttemptFailure[] = [];
      for (const { after, progressed } of attempts) {
        now += after;
        all.push({ at: now, progressed });
        bounded = boundHistory(settings, { failures: [...bounded, { at: now, progressed }] }).failures;
        const decision = decideRestart(settings, { failures: bounded }, now);
        assert.deepEqual(decision, decideRestart(settings, { failures: all }, now));
        assert.ok(bounded.length <= 8);
        if (!decision.restart) return;
        assert.ok(decision.delay >= 0);
        if (settings.strategy === 'exponential-delay') assert.ok(decision.delay <= settings.maximum);
        now += decision.delay;
      }
      const fruitless = all.length - 1 - all.findLastIndex((failure) => failure.progressed);
      if (settings.strategy === 'exponential-delay') assert.ok(fruitless < settings.attempts);
      if (settings.strategy === 'fixed-delay') assert.ok(all.length <= settings.attempts);
    }),
  );
});

/** What an upgrade does next: some rows of the table, and what holds on every way through it, whatever goes wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Known, type Next, nextOfUpgrade, type Step } from '../../src/job/upgrade-plan.js';

const START: Known = {
  wish: 'forward',
  check: 'open',
  proof: 'open',
  stop: 'open',
  old: 'runs',
  next: 'none',
  back: 'none',
};
const STOPPED: Known = { ...START, check: 'passed', proof: 'passed', old: 'stopped' };

function said(known: Known): string {
  const next = nextOfUpgrade(known);
  return next.kind === 'step' ? next.step : `(${next.outcome})`;
}

const ROWS: readonly (readonly [what: string, known: Known, next: string])[] = [
  ['at the beginning', START, 'check'],
  ['the state fits', { ...START, check: 'passed' }, 'prove'],
  ['the state does not fit', { ...START, check: 'refused' }, '(refused)'],
  ['the old code is gone', { ...START, check: 'passed', proof: 'refused' }, '(refused)'],
  ['both are well', { ...START, check: 'passed', proof: 'passed' }, 'stop'],
  ['Ctrl-C before anything was stopped', { ...START, check: 'passed', wish: 'back' }, '(refused)'],
  ['it could not be stopped', { ...START, check: 'passed', proof: 'passed', stop: 'refused' }, '(refused)'],
  ['its input ended meanwhile', { ...START, old: 'ended' }, '(refused)'],
  ['it failed meanwhile', { ...START, old: 'down' }, '(stranded)'],
  ['it is stopped', STOPPED, 'restore'],
  ['Ctrl-C while it was stopped', { ...STOPPED, wish: 'back' }, 'restore-old'],
  ['the answer to a stop was lost, but it is stopped', { ...STOPPED, stop: 'refused' }, 'restore'],
  ['the new one has a row', { ...STOPPED, next: 'created' }, 'start'],
  ['it runs', { ...STOPPED, next: 'trial' }, 'await'],
  ['Ctrl-C while it runs', { ...STOPPED, next: 'trial', wish: 'back' }, 'fence'],
  ['it takes too long', { ...STOPPED, next: 'expired' }, 'fence'],
  ['it crashed', { ...STOPPED, next: 'failed' }, 'fence'],
  ['it can write no more', { ...STOPPED, next: 'fenced' }, 'end-new'],
  ['its place is free', { ...STOPPED, next: 'gone' }, 'restore-old'],
  ['it has a checkpoint', { ...STOPPED, next: 'committing' }, 'await'],
  ['Ctrl-C after its first checkpoint', { ...STOPPED, next: 'proven', wish: 'back' }, '(upgraded)'],
  ['it crashed after its first checkpoint', { ...STOPPED, next: 'down' }, '(stranded)'],
  ['the old one has a row again', { ...STOPPED, next: 'gone', back: 'created' }, 'start-old'],
  ['the old one runs again', { ...STOPPED, next: 'gone', back: 'runs' }, '(rolled-back)'],
  ['the old one fails, too', { ...STOPPED, next: 'gone', back: 'down' }, '(stranded)'],
];

for (const [what, known, next] of ROWS) {
  test(`${what}: ${next}`, () => assert.equal(said(known), next));
}

/** All that may have become of it when a step is over, or a look later. */
function after(known: Known, step: Step): readonly Known[] {
  switch (step) {
    case 'check':
      return [{ ...known, check: 'passed' }, { ...known, check: 'refused' }, ...oldGone(known)];
    case 'prove':
      return [{ ...known, proof: 'passed' }, { ...known, proof: 'refused' }, ...oldGone(known)];
    case 'stop':
      return [
        { ...known, old: 'stopped' },
        { ...known, old: 'stopped', stop: 'refused' },
        { ...known, stop: 'refused' },
        ...oldGone({ ...known, stop: 'refused' }),
      ];
    case 'restore':
      return [
        { ...known, next: 'created' },
        { ...known, wish: 'back' },
      ];
    case 'start':
      return [
        { ...known, next: 'trial' },
        { ...known, next: 'failed' },
        { ...known, next: 'expired' },
      ];
    case 'await':
      return (['failed', 'expired', 'committing', 'proven', 'down'] as const)
        .filter((next) => known.next !== 'committing' || next === 'proven' || next === 'down')
        .map((next) => ({ ...known, next }));
    case 'fence':
      // Or its checkpoint was quicker, or somebody has canceled it.
      return (['fenced', 'proven', 'committing', 'down', 'gone'] as const).map((next) => ({
        ...known,
        next,
      }));
    case 'end-new':
      return [
        { ...known, next: 'gone' },
        { ...known, back: 'down' },
      ];
    case 'restore-old':
      return [
        { ...known, back: 'created' },
        { ...known, back: 'down' },
      ];
    case 'start-old':
      return [
        { ...known, back: 'runs' },
        { ...known, back: 'down' },
      ];
  }
}

function oldGone(known: Known): readonly Known[] {
  return [
    { ...known, old: 'ended' },
    { ...known, old: 'down' },
  ];
}

/** A signal may come at any moment. */
function orGivenUp(known: Known): readonly Known[] {
  return known.wish === 'back' ? [known] : [known, { ...known, wish: 'back' }];
}

test('whatever goes wrong, nothing is stopped unproven, nothing is written by both, and the outcome is true', () => {
  const seen = new Set<string>();
  const outcomes = new Set<string>();
  let longest = 0;
  const walk = (known: Known, depth: number): void => {
    longest = Math.max(longest, depth);
    assert.ok(depth < 20, `does not end: ${JSON.stringify(known)}`);
    const next = nextOfUpgrade(known);
    holds(known, next);
    if (next.kind === 'end') {
      outcomes.add(next.outcome);
      return;
    }
    for (const then of after(known, next.step).flatMap(orGivenUp)) {
      const key = JSON.stringify([then, depth]);
      if (seen.has(key)) continue;
      seen.add(key);
      walk(then, depth + 1);
    }
  };
  for (const known of orGivenUp(START)) walk(known, 0);
  assert.deepEqual([...outcomes].sort(), ['refused', 'rolled-back', 'stranded', 'upgraded']);
  assert.ok(longest >= 10, `the longest way is ${longest}`);
});

function holds(known: Known, next: Next): void {
  const { wish, check, proof, old } = known;
  const at = JSON.stringify([known, next]);
  const stepOf = (...steps: readonly Step[]) => next.kind === 'step' && steps.includes(next.step);
  if (stepOf('stop'))
    assert.deepEqual([wish, check, proof, old], ['forward', 'passed', 'passed', 'runs'], at);
  if (stepOf('restore', 'restore-old')) assert.equal(old, 'stopped', at);
  if (stepOf('restore-old')) assert.ok(known.next === 'none' || known.next === 'gone', at);
  if (stepOf('start')) assert.equal(wish, 'forward', at);
  if (next.kind === 'step') return;
  if (next.outcome === 'refused') assert.deepEqual([known.next, known.back], ['none', 'none'], at);
  if (next.outcome === 'refused') assert.notEqual(old, 'stopped', at);
  if (next.outcome === 'upgraded') assert.equal(known.next, 'proven', at);
  if (next.outcome === 'rolled-back') assert.equal(known.back, 'runs', at);
  if (next.outcome === 'stranded')
    assert.ok(known.back === 'down' || known.next === 'down' || old === 'down', at);
}

/** What the user's functions of a window may not do, and how that is said. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { valueCodec } from '../../src/codec/value.js';
import { defineTrigger } from '../../src/graph/triggers.js';
import type { AnyTrigger, Trigger, WindowAssigner, WindowKeeps, WindowSpec } from '../../src/graph/window.js';
import { WindowRun } from './window-run.js';
import { idsBy } from './window-specs.js';

const TEN = { kind: 'tumbling', size: 10, offset: 0 } as const;
const SESSIONS = { kind: 'session', gap: 10 } as const;
const kept = { codec: valueCodec, schema: undefined };
const boom = () => {
  throw new Error('boom');
};
const later = async () => [1];

interface Case {
  readonly what: string;
  readonly assign?: WindowAssigner;
  readonly keeps?: WindowKeeps;
  readonly trigger?: AnyTrigger<never>;
  readonly code?: string;
  readonly message: RegExp;
  readonly element?: string;
}

const FIRED = '{"window":{"start":0,"end":10},"key":"a"}';
const reducing = (reduce: (a: unknown, b: unknown) => unknown, result?: () => unknown): WindowKeeps =>
  result === undefined
    ? { ...kept, kind: 'reducing', reduce }
    : { ...kept, kind: 'reducing', reduce, result };
const aggregating = (parts: object): WindowKeeps => ({
  ...kept,
  kind: 'aggregating',
  aggregate: { init: () => [], add: (a) => a, merge: (a) => a, result: (a) => a, ...parts },
});
const listed = (apply: () => Iterable<unknown>): WindowKeeps => ({ ...kept, kind: 'list', apply });
const loosely = (value: unknown) => value as never;
const asking = (parts: object) => defineTrigger({ kind: 'odd', onElement: () => 'continue', ...parts });
const CONTINUED = { onElement: () => 'continue' as const };

const CASES: readonly Case[] = [
  { what: 'reduce throws', keeps: reducing(boom), message: /boom/, element: '[2]' },
  {
    what: 'reduce is async',
    keeps: reducing(later),
    code: 'USER_PROMISE',
    message: /promise/,
    element: '[2]',
  },
  {
    what: 'reduce gives nothing',
    keeps: reducing(() => undefined),
    message: /what reduce returned is undefined/,
  },
  {
    what: 'result throws',
    keeps: reducing((a) => a, boom),
    message: /boom/,
    element: FIRED,
  },
  {
    what: 'result is async',
    keeps: reducing((a) => a, later),
    code: 'USER_PROMISE',
    message: /promise/,
    element: FIRED,
  },
  { what: 'init throws', keeps: aggregating({ init: boom }), message: /boom/, element: '[1]' },
  { what: 'init is async', keeps: aggregating({ init: later }), code: 'USER_PROMISE', message: /promise/ },
  { what: 'add throws', keeps: aggregating({ add: boom }), message: /boom/, element: '[1]' },
  { what: 'add is async', keeps: aggregating({ add: later }), code: 'USER_PROMISE', message: /promise/ },
  {
    what: 'add gives nothing',
    keeps: aggregating({ add: () => undefined }),
    message: /what add returned is undefined/,
  },
  {
    what: 'result of an aggregate throws',
    keeps: aggregating({ result: boom }),
    message: /boom/,
    element: FIRED,
  },
  {
    what: 'merge throws',
    assign: { kind: 'sliding', size: 10, slide: 5, offset: 0 },
    keeps: aggregating({ merge: boom }),
    message: /boom/,
    element: FIRED,
  },
  { what: 'apply throws', keeps: listed(boom), message: /boom/, element: FIRED },
  {
    what: 'apply is async',
    keeps: listed(loosely(later)),
    code: 'USER_PROMISE',
    message: /promise/,
    element: FIRED,
  },
  {
    what: 'apply gives no iterable',
    keeps: listed(() => loosely(5)),
    message: /apply must return an iterable, found 5/,
    element: FIRED,
  },
  {
    what: 'apply throws on the way',
    keeps: listed(function* () {
      yield 1;
      boom();
    }),
    message: /boom/,
    element: FIRED,
  },
  {
    what: 'apply yields a promise',
    keeps: listed(() => [later()]),
    code: 'USER_PROMISE',
    message: /promise/,
    element: FIRED,
  },
  {
    what: 'a gap throws',
    assign: { kind: 'session', gap: boom },
    message: /boom/,
    element: '[1]',
  },
  ...[0, -5, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '10', undefined].map((gap) => ({
    what: `a gap of ${String(gap)}`,
    assign: { kind: 'session', gap: () => loosely(gap) } as const,
    message: /gap of a session must be whole milliseconds, at least 1, found/,
    element: '[1]',
  })),
  {
    what: 'a gap is async',
    assign: { kind: 'session', gap: loosely(later) },
    code: 'USER_PROMISE',
    message: /promise/,
  },
  { what: 'a trigger throws', trigger: asking({ onElement: boom }), message: /boom/, element: '[1]' },
  {
    what: 'a trigger is async',
    trigger: asking({ onElement: later }),
    code: 'USER_PROMISE',
    message: /promise/,
  },
  {
    what: 'a trigger answers nonsense',
    trigger: asking({ onElement: () => 'FIRE' }),
    message:
      /onElement of trigger odd must return one of continue, fire, purge, fire-and-purge, found "FIRE"/,
    element: '[1]',
  },
  {
    what: 'a trigger throws at a timer',
    trigger: defineTrigger({
      onElement: (_element: unknown, pane) => {
        pane.eventTimer.set(7);
        return 'continue';
      },
      onEventTime: boom,
    }),
    message: /boom/,
    element: '{"timer":7,"window":{"start":0,"end":10},"key":"a"}',
  },
  {
    what: 'a timer without a time',
    trigger: defineTrigger({
      onElement: (_element: unknown, pane) => {
        pane.eventTimer.set(7.5);
        return 'continue';
      },
    }),
    code: 'VALUE_REFUSED',
    message: /timer of a trigger: expected a time in whole milliseconds since 1970, found 7.5/,
  },
  {
    what: 'a timer of event time that nobody is told of',
    trigger: defineTrigger({
      onElement: (_element: unknown, pane) => {
        pane.eventTimer.set(7);
        return 'continue';
      },
      onProcessingTime: () => 'fire',
    }),
    message: /the trigger sets pane.eventTimer, but has no onEventTime/,
    element: '[1]',
  },
  {
    what: 'a timer of processing time that nobody is told of',
    trigger: defineTrigger({
      onElement: (_element: unknown, pane) => {
        pane.processingTimer.set(7);
        return 'continue';
      },
      onEventTime: () => 'fire',
    }),
    message: /the trigger sets pane.processingTimer, but has no onProcessingTime/,
    element: '[1]',
  },
  {
    what: 'a trigger that sets timers in the past without end',
    trigger: defineTrigger({
      kind: 'restless',
      onElement: (_element: unknown, pane) => {
        pane.eventTimer.set(-200);
        return 'continue';
      },
      onEventTime: (time, pane) => {
        pane.eventTimer.set(time);
        return 'continue';
      },
    }),
    message: /trigger restless never stops setting timers in the past/,
  },
  {
    what: 'onMerge throws',
    assign: SESSIONS,
    trigger: defineTrigger({ ...CONTINUED, onMerge: boom }),
    message: /boom/,
  },
  {
    what: 'a state without merge',
    assign: SESSIONS,
    trigger: defineTrigger({
      kind: 'unmerged',
      initial: 0,
      onElement: (_element: unknown, pane) => {
        pane.state.set(pane.timestamp);
        return 'continue';
      },
    }),
    message: /trigger unmerged has a state, but no merge/,
  },
];

for (const { what, assign = TEN, keeps = idsBy('apply'), trigger, code = 'USER_CODE', ...said } of CASES) {
  test(`fails the attempt: ${what}`, () => {
    const spec: WindowSpec = {
      assign,
      lateness: 0,
      trigger: trigger as Trigger<unknown, unknown> | undefined,
      keeps,
    };
    const run = new WindowRun(spec);
    run.time.watermark = -100;
    const error = caught(() => {
      run.push('a', [1], 1);
      run.push('a', [2], 8);
      run.push('a', [3], 18);
      run.push('a', [4], 9);
      run.advance(Number.POSITIVE_INFINITY);
    });
    assert.ok(error instanceof TidemarkError);
    assert.equal(error.code, code);
    assert.match(error.message, said.message);
    assert.equal(error.details.operator, 'windows');
    if (said.element !== undefined) assert.equal(error.details.element, said.element);
    assert.equal(run.where.failure, error);
  });
}

test('an element without a timestamp fails the attempt: user code may emit one', () => {
  const run = new WindowRun({ assign: TEN, lateness: 0, trigger: undefined, keeps: idsBy('apply') });
  const error = caught(() => run.push('a', [1], Number.NaN));
  assert.ok(error instanceof TidemarkError);
  assert.equal(error.code, 'USER_CODE');
  assert.match(error.message, /without a timestamp/);
});

test('a timestamp so far off that its windows cannot be told apart is refused', () => {
  const run = new WindowRun({ assign: TEN, lateness: 0, trigger: undefined, keeps: idsBy('apply') });
  const error = caught(() => run.push('a', [1], Number.MAX_SAFE_INTEGER));
  assert.ok(error instanceof TidemarkError);
  assert.match(error.message, /timestamp 9007199254740991 is too far from 1970/);
});

function caught(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

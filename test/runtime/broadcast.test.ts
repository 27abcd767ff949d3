/** Broadcast streams and state in a dataflow: rules that change while elements flow, and a restore in between. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { TidemarkError } from '../../src/base/errors.js';
import { schema } from '../../src/codec/schema.js';
import { collect } from '../../src/connectors/collect.js';
import { state } from '../../src/graph/declare-state.js';
import type { JobBuilder } from '../../src/graph/define.js';
import { type } from '../../src/graph/type.js';
import { windows } from '../../src/graph/windows.js';
import { entriesOf, type TakenSnapshot, take } from '../../src/testing/taken.js';
import fc from '../helpers/property.js';
import { Driven, failureOf, splitsOf } from './driving.js';

/** One step of a history: a rule that is set or taken away, or an event. */
type Step =
  | { readonly rule: string; readonly limit: number | undefined }
  | { readonly key: string; readonly amount: number };
type Rule = Extract<Step, { readonly rule: string }>;
type Event = Extract<Step, { readonly key: string }>;

const isRule = (step: Step): step is Rule => 'rule' in step;
const isEvent = (step: Step): step is Event => 'key' in step;

/** Tells which rules each event breaks, and how many events of its key came before. */
function matching(splits: Readonly<Record<string, readonly Step[]>>, out: string[], batch = 3) {
  return (job: JobBuilder) => {
    const steps = job.source('steps', splitsOf(splits, batch));
    const matched = steps
      .filter(isEvent)
      .keyBy(({ key }) => key)
      .connect(steps.filter(isRule).broadcast())
      .process('match', {
        broadcast: { rules: state.broadcast<string, { readonly limit: number }>() },
        state: { seen: state.number(0) },
        sides: { changes: type<string>() },
        emits: type<string>(),
        onBroadcast({ rule, limit }, ctx) {
          if (limit === undefined) ctx.broadcast.rules.delete(rule);
          else ctx.broadcast.rules.set(rule, { limit });
          ctx.side.changes(`${rule} is ${limit}`);
          ctx.emit(`${ctx.broadcast.rules.size} rules`);
        },
        onElement({ amount }, ctx) {
          ctx.state.seen.add(1);
          const broken: string[] = [];
          for (const [rule, { limit }] of ctx.broadcast.rules.entries()) {
            if (amount > limit) broken.push(rule);
          }
          ctx.emit(`${ctx.key} ${ctx.state.seen.get()} ${broken.sort().join(' ')}`);
        },
      });
    matched.union(matched.side.changes).sink('out', collect(out));
  };
}

/** The same over the whole history at once. */
function expected(steps: readonly Step[]): string[] {
  const rules = new Map<string, number>();
  const seen = new Map<string, number>();
  return steps.flatMap((step) => {
    if (isRule(step)) {
      if (step.limit === undefined) rules.delete(step.rule);
      else rules.set(step.rule, step.limit);
      return [`${step.rule} is ${step.limit}`, `${rules.size} rules`];
    }
    const count = (seen.get(step.key) ?? 0) + 1;
    seen.set(step.key, count);
    const broken = [...rules].filter(([, limit]) => step.amount > limit).map(([rule]) => rule);
    return [`${step.key} ${count} ${broken.sort().join(' ')}`];
  });
}

function rulesIn(snapshot: TakenSnapshot): number {
  const table = snapshot.tables.find(({ kind }) => kind === 'broadcast');
  return [...entriesOf(snapshot)].filter((entry) => entry.table === table?.id).length;
}

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    rule: fc.constantFrom('a', 'b', 'c'),
    limit: fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined }),
  }),
  fc.record({ key: fc.constantFrom('k', 'l', 'm', 'n', 'o'), amount: fc.integer({ min: 0, max: 9 }) }),
);
const parallelism = fc.constantFrom(1, 3, 7);

describe('rules that change while elements flow', () => {
  test('are those of a plain computation, also across a snapshot that is restored at another parallelism', async () => {
    const history = fc.array(step, { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(history, parallelism, parallelism, fc.nat(20), async (steps, before, after, at) => {
        const out: string[] = [];
        const build = matching({ all: steps }, out);
        const first = await Driven.open(build, { parallelism: before });
        for (let batch = 0; batch < at && (await first.step()); batch++);
        const snapshot = await take(first.dataflow, 1);
        const second = await Driven.open(build, { parallelism: after, restore: snapshot });
        await second.settle();
        // A sink is given what its subtasks gathered in a step one after the other.
        assert.deepEqual(out.toSorted(), expected(steps).toSorted());
      }),
      { numRuns: 60 },
    );
  });

  test('are seen once, from whichever subtask they come, and by every subtask', async () => {
    const [rules, events]: [Step[], Step[]] = [[], []];
    for (let n = 0; n < 7; n++) {
      rules.push({ rule: `rule-${n}`, limit: n });
      events.push({ key: `key-${n}`, amount: 10 });
    }
    const out: string[] = [];
    const splits = Object.fromEntries(rules.map((rule, n) => [`split-${n}`, [rule]]));
    const first = await Driven.open(matching(splits, out), { parallelism: 7 });
    await first.settle();
    assert.deepEqual(
      out.filter((line) => line.endsWith('rules')),
      rules.map((_, n) => `${n + 1} rules`),
    );
    const { instances, graph } = first.dataflow.compiled;
    const match = graph.nodes.find((node) => node.kind === 'process');
    assert.deepEqual(
      instances.get(match?.id ?? -1)?.map(({ in: taken, out: given }) => [taken, given]),
      rules.map(() => [1, 2]),
    );
    const snapshot = await take(first.dataflow, 1);
    assert.equal(rulesIn(snapshot), 7, 'one copy, not one for each subtask');
    out.length = 0;
    const second = await Driven.open(matching({ ...splits, z: events }, out), {
      parallelism: 3,
      restore: snapshot,
    });
    await second.settle();
    const broken = rules.map((_, n) => `rule-${n}`).join(' ');
    assert.deepEqual(
      out.toSorted(),
      events.map((_, n) => `key-${n} 1 ${broken}`),
    );
  });

  test('may be broadcast to several operators, and one operator’s are not the other’s', async () => {
    const out: string[] = [];
    const driven = await Driven.open((job) => {
      const numbers = job.source('numbers', splitsOf({ all: [1, 2, 3] }));
      const rules = numbers.filter((n) => n < 3).broadcast();
      for (const uid of ['one', 'two']) {
        numbers
          .keyBy((n) => n)
          .connect(rules)
          .process(uid, {
            broadcast: { seen: state.broadcast<number, string>() },
            emits: type<string>(),
            onBroadcast: (n, ctx) => ctx.broadcast.seen.set(n, uid),
            onElement(n, ctx) {
              if (n === 3) ctx.emit([...ctx.broadcast.seen.entries()].flat().join(' '));
            },
          })
          .sink(`out-${uid}`, collect(out));
      }
    });
    await driven.settle();
    assert.deepEqual(out.toSorted(), ['1 one 2 one', '1 two 2 two']);
  });
});

describe('event time', () => {
  const at = (timestamp: number) => ({ timestamp });
  /** Timestamps of elements, and with `timed` also of what is broadcast. */
  async function run(elements: readonly number[], broadcast: readonly number[], timed: boolean) {
    const out: string[] = [];
    const driven = await Driven.open((job) => {
      const stamped = (uid: string, times: readonly number[]) =>
        job
          .source(uid, splitsOf({ all: times.map(at) }))
          .assignTimestamps(({ timestamp }) => timestamp, { outOfOrderness: 0 });
      const rules = timed
        ? stamped('rules', broadcast)
        : job.source('rules', splitsOf({ all: broadcast.map(at) }));
      stamped('elements', elements)
        .keyBy(() => 'k')
        .connect(rules.broadcast())
        .process('late', {
          broadcast: { none: state.broadcast() },
          timers: { due: 'event' },
          emits: type<string>(),
          onBroadcast: (_, ctx) => ctx.emit(`broadcast ${ctx.timestamp}`),
          onElement: ({ timestamp }, ctx) => ctx.timers.due.set(timestamp),
          onTimer: { due: (time, ctx) => ctx.emit(`due ${time} ${ctx.timestamp}`) },
        })
        .sink('out', collect(out));
    });
    for (let steps = 0; steps < 40; steps++) await driven.step();
    return out;
  }

  test('of what is broadcast holds the operator back where there is any, and only there', async () => {
    const without = await run([1, 5, 9], [3], false);
    assert.deepEqual(without, ['broadcast undefined', 'due 1 1', 'due 5 5', 'due 9 9'].toSorted());
    const out = await run([1, 5, 9], [3], true);
    assert.ok(out.includes('broadcast 3'));
    assert.deepEqual(
      out.filter((line) => line.startsWith('due')),
      ['due 1 1', 'due 5 5', 'due 9 9'],
    );
  });
});

test('what onBroadcast emits for an element without a timestamp is refused by a window, and told', async () => {
  const failed = await failureOf((job) => {
    const rules = job.source('rules', splitsOf({ all: [1] }));
    job
      .source('elements', splitsOf({ all: [2] }))
      .assignTimestamps((n) => n, { outOfOrderness: 0 })
      .keyBy((n) => n)
      .connect(rules.broadcast())
      .process('op', {
        broadcast: { none: state.broadcast() },
        emits: type<number>(),
        onBroadcast: (n, ctx) => ctx.emit(n),
        onElement: () => {},
      })
      .keyBy((n) => n)
      .window('window', { assign: windows.tumbling('1h'), reduce: (a) => a })
      .sink('out', collect([]));
  });
  assert.equal(failed?.code, 'USER_CODE');
  assert.match(failed?.message ?? '', /operator window: .*without a timestamp/);
});

describe('broadcast state', () => {
  const rules = (declared: Parameters<typeof build>[1]) => build([], declared);
  function build(
    elements: readonly number[],
    declared: ReturnType<typeof state.broadcast<string, unknown>>,
    name = 'limits',
    seen: unknown[] = [],
    split = 'all',
  ) {
    return (job: JobBuilder) => {
      const rules = job.source('rules', splitsOf({ all: [1, 2] }));
      const numbers = job.source('numbers', splitsOf({ [split]: elements }));
      numbers
        .keyBy((n) => n)
        .connect(rules.broadcast())
        .process('op', {
          broadcast: { [name]: declared },
          onBroadcast: (n, ctx) => void ctx.broadcast[name]?.set(`limit-${n}`, n),
          onElement: (_, ctx) => void seen.push(new Map(ctx.broadcast[name]?.entries())),
        });
    };
  }

  test('is found under its former name, and brought to the newest version of its schema', async () => {
    const first = await Driven.open(rules(state.broadcast<string, unknown>(schema(z.number()))));
    await first.settle();
    const snapshot = await take(first.dataflow, 1);
    const newer = schema(z.number()).next(z.object({ n: z.number() }), (n) => ({ n }));
    const seen: unknown[] = [];
    const declared = state.broadcast<string, unknown>(newer, { formerly: ['limits'] });
    const second = await Driven.open(build([1], declared, 'bounds', seen, 'later'), { restore: snapshot });
    await second.settle();
    const restored = new Map([
      ['limit-1', { n: 1 }],
      ['limit-2', { n: 2 }],
    ]);
    assert.deepEqual(seen, [restored]);
  });

  test('that was not upgraded, or has no place any more, is refused', async () => {
    const first = await Driven.open(rules(state.broadcast<string, unknown>()));
    await first.settle();
    const restore = await take(first.dataflow, 1);
    const strings = schema(z.number()).next(z.string(), (n) => n as unknown as string);
    for (const again of [
      rules(state.broadcast<string, unknown>(strings)),
      build([], state.broadcast<string, unknown>(), 'other'),
    ]) {
      await assert.rejects(
        Driven.open(again, { restore }),
        (error) =>
          error instanceof TidemarkError && error.code === 'INCOMPATIBLE' && /op\.limits/.test(error.message),
      );
    }
  });

  test('fails the job when an element changes it, or when onBroadcast returns a promise or throws', async () => {
    const changing = await failureOf((job) => {
      const numbers = job.source('numbers', splitsOf({ all: [1] }));
      numbers
        .keyBy((n) => n)
        .connect(numbers.broadcast())
        .process('op', {
          broadcast: { seen: state.broadcast<number, number>() },
          onBroadcast: () => {},
          onElement(n, ctx) {
            try {
              (ctx.broadcast.seen as unknown as Map<number, number>).set(n, n);
            } catch (error) {
              throw new Error(`caught: ${error}`);
            }
          },
        });
    });
    assert.equal(changing?.code, 'USER_CODE');
    assert.match(changing?.message ?? '', /op\.seen is only changed in onBroadcast/);
    const failing = (onBroadcast: () => void) =>
      failureOf((job) => {
        const numbers = job.source('numbers', splitsOf({ all: [1] }));
        numbers
          .keyBy((n) => n)
          .connect(numbers.broadcast())
          .process('op', { broadcast: { seen: state.broadcast() }, onBroadcast, onElement: () => {} });
      });
    assert.equal((await failing(async () => {}))?.code, 'USER_PROMISE');
    const thrown = await failing(() => {
      throw new Error('no such rule');
    });
    assert.equal(thrown?.code, 'USER_CODE');
    assert.match(thrown?.message ?? '', /operator op: Error: no such rule/);
  });

  test('that cannot be kept is refused at the barrier', async () => {
    const driven = await Driven.open((job) => {
      const numbers = job.source('numbers', splitsOf({ all: [1] }));
      numbers
        .keyBy((n) => n)
        .connect(numbers.broadcast())
        .process('op', {
          broadcast: { seen: state.broadcast<number, unknown>() },
          onBroadcast: (n, ctx) => ctx.broadcast.seen.set(n, { f: () => n }),
          onElement: () => {},
        });
    });
    await driven.settle();
    await assert.rejects(
      take(driven.dataflow, 1),
      (error) =>
        error instanceof TidemarkError &&
        error.code === 'VALUE_REFUSED' &&
        /op\.seen of key 1/.test(error.message),
    );
  });
});

/** State of custom sinks and sources in a dataflow: what a snapshot has of it, and what a restore makes of it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { TidemarkError } from '../../src/base/errors.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { ByteReader } from '../../src/codec/reader.js';
import { schema } from '../../src/codec/schema.js';
import { valueCodec } from '../../src/codec/value.js';
import { collect } from '../../src/connectors/collect.js';
import { state } from '../../src/graph/declare-state.js';
import type { JobBuilder } from '../../src/graph/define.js';
import { defineSink } from '../../src/graph/define-sink.js';
import { defineSource } from '../../src/graph/define-source.js';
import type { Transaction } from '../../src/graph/sink.js';
import { entriesOf, type TakenSnapshot, take } from '../../src/testing/taken.js';
import fc from '../helpers/property.js';
import { Driven, failureOf, splitsOf } from './driving.js';

const places = keyCodecById('tuple(long,long)');
const parallelisms = fc.constantFrom(1, 3, 7);
const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);
const sorted = (values: readonly number[]) => values.toSorted((a, b) => a - b);

/** What a snapshot holds of `uid.name`, by subtask. */
function heldIn(snapshot: TakenSnapshot, uid: string, name: string): unknown[][] {
  const table = snapshot.tables.find((one) => one.operator === uid && one.name === name);
  const held: unknown[][] = [];
  for (const entry of entriesOf(snapshot)) {
    if (entry.table !== table?.id) continue;
    const [subtask, place] = places.read(new ByteReader(entry.key)) as readonly [number, number];
    const list = held[subtask] ?? [];
    held[subtask] = list;
    list[place] = valueCodec.read(new ByteReader(entry.value));
  }
  return held;
}

describe('an exactly-once sink that hands over rows by fives', () => {
  /** A target: its transactions by name. */
  type Target = Map<string, readonly number[]>;

  /** Keeps what does not fill five rows back, for the next transaction. */
  function byFives(target: Target) {
    return defineSink({
      kind: 'fives',
      transaction: schema(z.array(z.number())),
      state: { pending: state.operatorList<number>() },
      open({ state: { pending } }) {
        return {
          write(rows: readonly number[]) {
            for (const row of rows) pending.add(row);
          },
          async prepare() {
            const full = pending.size - (pending.size % 5);
            const rows = pending.get().slice(0, full);
            pending.update((all) => all.slice(full));
            await new Promise<void>((resolve) => setImmediate(resolve));
            // Too late for this snapshot; what is lost here would be in neither.
            return rows.length === 0 ? undefined : rows;
          },
        };
      },
      committer() {
        const commit = async (transactions: readonly Transaction<number[]>[]) => {
          for (const { id, value } of transactions) target.set(JSON.stringify(id), value);
        };
        return { commit, recover: commit };
      },
    });
  }

  const build = (rows: readonly number[], target: Target) => (job: JobBuilder) => {
    const splits = Object.fromEntries(
      [0, 1, 2, 3].map((n) => [`s${n}`, rows.filter((row) => row % 4 === n)]),
    );
    job.source('rows', splitsOf(splits, 3)).sink('out', byFives(target));
  };

  test('has each row once, committed or pending, wherever a snapshot is taken and whatever it is restored at', async () => {
    const plan = fc.record({
      count: fc.nat(80),
      first: parallelisms,
      later: fc.array(fc.record({ parallelism: parallelisms, steps: fc.nat(8) }), {
        minLength: 1,
        maxLength: 4,
      }),
    });
    await fc.assert(
      fc.asyncProperty(plan, async ({ count, first, later }) => {
        const rows = numbers(count);
        const target: Target = new Map();
        let attempt = 1;
        let driven = await Driven.open(build(rows, target), { parallelism: first, attempt });
        let checkpoint = 0;
        for (const { parallelism, steps } of later) {
          for (let n = 0; n < steps; n++) await driven.step();
          const restore = await take(driven.dataflow, ++checkpoint);
          // What comes after the snapshot is lost with this attempt.
          await driven.step();
          driven = await Driven.open(build(rows, target), { parallelism, attempt: ++attempt, restore });
        }
        await driven.settle();
        const last = await take(driven.dataflow, ++checkpoint);
        await driven.dataflow.commit(checkpoint);
        const pending = heldIn(last, 'out', 'pending').flat() as number[];
        const committed = [...target.values()].flat();
        for (const value of target.values()) assert.equal(value.length % 5, 0);
        assert.deepEqual(sorted([...committed, ...pending]), rows);
      }),
      { numRuns: 60 },
    );
  });

  test('keeps what it held while it is mute', async () => {
    const target: Target = new Map();
    const first = await Driven.open(build(numbers(4), target), { parallelism: 3 });
    await first.settle();
    const snapshot = await take(first.dataflow, 1);
    const held = heldIn(snapshot, 'out', 'pending').flat() as number[];
    assert.deepEqual(sorted(held), numbers(4));
    const mute = await Driven.open(build(numbers(4), target), {
      parallelism: 1,
      restore: snapshot,
      liveSinks: false,
    });
    await mute.settle();
    assert.deepEqual(heldIn(await take(mute.dataflow, 2), 'out', 'pending'), [held]);
  });
});

describe('the state of a sink', () => {
  const keeping = (seen: unknown[][], declared = state.operatorUnion<unknown>(), name = 'seen') =>
    defineSink({
      state: { [name]: declared },
      open({ subtask, state: states }) {
        const handle = states[name];
        seen[subtask] = [...(handle?.get() ?? [])];
        return {
          write(rows: readonly unknown[]) {
            for (const row of rows) handle?.add(row);
          },
        };
      },
    });
  const job = (
    rows: readonly unknown[],
    sink: ReturnType<typeof keeping>,
    uid = 'out',
    formerly: string[] = [],
  ) => {
    return (builder: JobBuilder) =>
      void builder.source('in', splitsOf({ a: rows })).sink(uid, sink, { formerly });
  };

  test('is found under former names of sink and state, and brought to the newest version of its schema', async () => {
    const first = await Driven.open(
      job([1, 2], keeping([], state.operatorUnion<unknown>(schema(z.number())))),
    );
    await first.settle();
    const restore = await take(first.dataflow, 1);
    const newer = schema(z.number()).next(z.object({ n: z.number() }), (n) => ({ n }));
    const seen: unknown[][] = [];
    const sink = keeping(seen, state.operatorUnion<unknown>(newer, { formerly: ['seen'] }), 'known');
    await Driven.open(job([1, 2], sink, 'end', ['out']), { restore, parallelism: 2 });
    assert.deepEqual(seen, [
      [{ n: 1 }, { n: 2 }],
      [{ n: 1 }, { n: 2 }],
    ]);
  });

  test('that cannot be kept is refused at the barrier, and one without a place at the restore', async () => {
    const driven = await Driven.open(job([{ f: () => 1 }], keeping([])));
    await driven.settle();
    await assert.rejects(
      take(driven.dataflow, 1),
      (error) =>
        error instanceof TidemarkError && error.code === 'VALUE_REFUSED' && /out\.seen/.test(error.message),
    );
    const first = await Driven.open(job([1], keeping([])));
    await first.settle();
    const restore = await take(first.dataflow, 1);
    await assert.rejects(
      Driven.open((builder) => builder.source('in', splitsOf({ a: [1] })).sink('out', collect([])), {
        restore,
      }),
      (error) =>
        error instanceof TidemarkError && error.code === 'INCOMPATIBLE' && /out\.seen/.test(error.message),
    );
  });
});

describe('the state of a source', () => {
  /** Gives 0 … count − 1 of each split, and keeps what it gave in the state of the subtask, as a list or a union. */
  function remembering(options: {
    readonly splits: readonly string[];
    readonly count: number;
    readonly kind: 'operatorList' | 'operatorUnion';
    /** What each split is told of the state as its reading begins. */
    readonly told?: Map<string, readonly string[]>;
    readonly concurrency?: number;
  }) {
    const { splits, count, kind, told, concurrency } = options;
    return defineSource({
      position: schema(z.number()),
      state: { given: state[kind]<string>() },
      ...(concurrency === undefined ? {} : { concurrency }),
      splits: () => splits.map((id) => ({ id, start: 0 })),
      async *read({ split, position, state: { given } }) {
        told?.set(split, given);
        // Others may have been given the same of a union, and hand it on.
        const own = [...new Set(given.filter((element) => element.startsWith(split)))];
        for (let n = position; n < count; n++) {
          own.push(`${split}${n}`);
          yield { elements: [n], position: n + 1, state: { given: own } };
          // Runs before the batch is processed: what it changes must not be seen yet.
          own.push('too early');
          own.pop();
        }
      },
    });
  }
  const build =
    (options: Parameters<typeof remembering>[0]) =>
    (job: JobBuilder): void => {
      job.source('in', remembering(options)).sink('out', collect([]));
    };

  /** By split, how far a snapshot says it was read. */
  function positionsIn(snapshot: TakenSnapshot): Map<string, number> {
    const table = snapshot.tables.find(({ kind }) => kind === 'splits');
    const entries = [...entriesOf(snapshot)].filter((entry) => entry.table === table?.id);
    return new Map(
      entries.map(({ key, value }) => {
        const { position } = valueCodec.read(new ByteReader(value)) as { position: number };
        return [keyCodecById('string').read(new ByteReader(key)) as string, position];
      }),
    );
  }

  test('is that of the position, wherever a snapshot is taken: a source reads ahead, its state does not', async () => {
    const plan = fc.array(fc.record({ parallelism: parallelisms, steps: fc.nat(12) }), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(plan, async (attempts) => {
        let restore: TakenSnapshot | undefined;
        for (const [at, { parallelism, steps }] of attempts.entries()) {
          const options = { splits: ['a'], count: 20, kind: 'operatorUnion' } as const;
          const driven = await Driven.open(build(options), { parallelism, restore });
          for (let n = 0; n < steps; n++) await driven.step();
          restore = await take(driven.dataflow, at + 1);
          const position = positionsIn(restore).get('a') ?? 0;
          const given = numbers(position).map((n) => `a${n}`);
          const held = heldIn(restore, 'in', 'given').flat();
          // Subtasks without a split hold what was restored, which others hold, too.
          assert.deepEqual(new Set(held), new Set(given));
        }
      }),
      { numRuns: 60 },
    );
  });

  test('is what the subtask held when the reading of a split begins, and one split’s batch replaces another’s', async () => {
    const told = new Map<string, readonly string[]>();
    const options = { splits: ['a', 'b'], count: 2, kind: 'operatorList', told, concurrency: 1 } as const;
    const driven = await Driven.open(build(options));
    await driven.settle();
    assert.deepEqual(told.get('a'), []);
    assert.deepEqual(told.get('b'), ['a0', 'a1']);
    assert.deepEqual(heldIn(await take(driven.dataflow, 1), 'in', 'given'), [['b0', 'b1']]);
  });

  test('of kind list is dealt to all subtasks, of kind union given whole to each', async () => {
    const splits = ['a', 'b', 'c'];
    for (const kind of ['operatorList', 'operatorUnion'] as const) {
      const first = await Driven.open(build({ splits, count: 2, kind }), { parallelism: 3 });
      await first.settle();
      const restore = await take(first.dataflow, 1);
      const all = ['a0', 'a1', 'b0', 'b1', 'c0', 'c1'];
      assert.deepEqual(heldIn(restore, 'in', 'given').flat(), all);
      const told = new Map<string, readonly string[]>();
      await Driven.open(build({ splits: ['x', 'y', ...splits], count: 0, kind, told }), {
        parallelism: 7,
        restore,
      });
      // x and y are the fourth and fifth by name, and so of the fourth and fifth subtask.
      assert.deepEqual(
        Object.fromEntries(told),
        kind === 'operatorList' ? { x: ['b1'], y: ['c0'] } : { x: all, y: all },
      );
    }
  });

  test('of a batch must be declared, and an array', async () => {
    const giving = (changes: object) =>
      failureOf((job) =>
        job
          .source('in', {
            ...splitsOf({ a: [1] }),
            state: { known: state.operatorList() },
            async *read() {
              yield { elements: [1], position: 1, state: changes as Record<string, unknown[]> };
            },
          })
          .sink('out', collect([])),
      );
    const unknown = await giving({ other: [] });
    assert.equal(unknown?.code, 'SOURCE_FAILED');
    assert.match(unknown?.message ?? '', /state other, which is not declared; declared: known/);
    const text = await giving({ known: 'text' });
    assert.equal(text?.code, 'SOURCE_FAILED');
    assert.match(text?.message ?? '', /state known are no array/);
    assert.equal(await giving({ known: [1] }), undefined);
  });
});

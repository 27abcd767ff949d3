/** What fails an attempt: the coded error names the operator, the element and the place in the input. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { TidemarkError } from '../../src/base/errors.js';
import { schema } from '../../src/codec/schema.js';
import { collect } from '../../src/connectors/collect.js';
import { state } from '../../src/graph/declare-state.js';
import type { JobBuilder } from '../../src/graph/define.js';
import { defineSink } from '../../src/graph/define-sink.js';
import { type } from '../../src/graph/type.js';
import { take } from '../../src/testing/taken.js';
import { loose } from '../graph/build.js';
import { Driven, failureOf, splitsOf } from './driving.js';

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);

describe('a failure', () => {
  test('a promise where none is awaited is refused, wherever it comes from, and names the operator', async () => {
    const promise = () => loose(Promise.resolve([1]));
    const input = (job: JobBuilder) => job.source('in', splitsOf({ a: [7] }));
    const nowhere = () => collect<unknown>([]);
    const timers = { due: 'processing' } as const;
    const cases: readonly (readonly [operator: string, build: (job: JobBuilder) => void])[] = [
      ['map-1', (job) => input(job).map(promise).sink('out', nowhere())],
      ['filter-1', (job) => input(job).filter(promise).sink('out', nowhere())],
      ['flatMap-1', (job) => input(job).flatMap(promise).sink('out', nowhere())],
      [
        'flatMap-1',
        (job) =>
          input(job)
            .flatMap(() => [promise()])
            .sink('out', nowhere()),
      ],
      [
        'keyBy-1',
        (job) =>
          input(job)
            .keyBy(promise)
            .process('x', { onElement() {} }),
      ],
      [
        'x',
        (job) =>
          input(job)
            .keyBy((n) => n)
            .process('x', { onElement: promise }),
      ],
      [
        'x',
        (job) =>
          input(job)
            .keyBy((n) => n)
            .process('x', {
              timers,
              onElement: (_n, ctx) => ctx.timers.due.set(0),
              onTimer: { due: promise },
            }),
      ],
    ];
    for (const [operator, build] of cases) {
      const error = await failureOf(build);
      assert.equal(error?.code, 'USER_PROMISE');
      assert.equal(error.details.operator, operator);
      assert.match(error.message, new RegExp(`operator ${operator} returned a promise.*asyncMap`));
    }
  });

  test('below an operator fails the attempt, even when its code catches it and goes on', async () => {
    const out: number[] = [];
    const caught: unknown[] = [];
    const driven = await Driven.open((job) =>
      job
        .source('in', splitsOf({ a: numbers(5) }))
        .keyBy((n) => n)
        .process('careless', {
          emits: type<number>(),
          onElement(n, ctx) {
            try {
              ctx.emit(n);
            } catch (error) {
              caught.push(error);
            }
          },
        })
        .map((n) => {
          if (n === 2) throw new RangeError('two is too much');
          return n;
        })
        .sink('out', collect(out)),
    );
    const failed = driven.settle();
    await assert.rejects(failed, (error: TidemarkError) => {
      assert.equal(error.code, 'USER_CODE');
      assert.match(error.message, /operator map-3: RangeError: two is too much/);
      assert.deepEqual([error.details.operator, error.details.element], ['map-3', '2']);
      assert.match(error.details.position ?? '', /in, split a, after 2/);
      return true;
    });
    assert.equal(caught.length, 1);
  });

  test('names operator and element, whatever was thrown: a string, nothing, an error of ours', async () => {
    const thrown: readonly (readonly [unknown, string, RegExp])[] = [
      ['text', 'USER_CODE', /threw "text"/],
      [undefined, 'USER_CODE', /threw undefined/],
      [Object.create(null), 'USER_CODE', /threw/],
      [new TidemarkError('VALUE_REFUSED', 'not that one'), 'VALUE_REFUSED', /not that one/],
    ];
    for (const [what, code, says] of thrown) {
      const error = await failureOf((job) =>
        job
          .source('in', splitsOf({ a: ['e'] }))
          .map(() => {
            throw what;
          })
          .sink('out', collect([])),
      );
      assert.equal(error?.code, code);
      assert.match(error.message, says);
      assert.deepEqual([error.details.operator, error.details.element], ['map-1', '"e"']);
    }
  });

  test('refused keys and values show the element', async () => {
    const key = await failureOf((job) =>
      job
        .source('in', splitsOf({ a: [{ id: Number.NaN }] }))
        .keyBy((e) => e.id)
        .process('x', { onElement() {} }),
    );
    assert.equal(key?.code, 'KEY_REFUSED');
    assert.match(key.message, /NaN.*\{"id":NaN\}/);

    const value = await failureOf((job) =>
      job
        .source('in', splitsOf({ a: [1] }))
        .keyBy((n) => n)
        .process('x', {
          state: { kept: state.map<number, unknown>() },
          onElement: (n, ctx) => ctx.state.kept.set(loose(undefined), n),
        }),
    );
    assert.equal(value?.details.operator, 'x');
    assert.match(value.code, /^(KEY|VALUE)_REFUSED$/);
  });

  test('of a source names it: while listing, while reading, and for ids that are no ids', async () => {
    const reading = splitsOf({ a: [1] }, 1, {
      async *read() {
        yield { elements: [1], position: 1 };
        throw new Error('the line is dead');
      },
    });
    const cases: readonly (readonly [Parameters<JobBuilder['source']>[1], RegExp])[] = [
      [splitsOf({ a: [1] }, 1, { splits: () => Promise.reject(new Error('no list')) }), /no list/],
      [splitsOf({}, 1, { splits: () => [{ id: '', start: 0 }] }), /non-empty and unique/],
      [splitsOf({}, 1, { splits: () => ['x', 'x'].map((id) => ({ id, start: 0 })) }), /non-empty and unique/],
      [reading, /the line is dead/],
    ];
    for (const [source, says] of cases) {
      const error = await failureOf((job) => {
        job.source('in', source).sink('out', collect([]));
      }).catch((opening: TidemarkError) => opening);
      assert.equal(error?.code, 'SOURCE_FAILED');
      assert.match(error.message, says);
      assert.equal(error.details.operator, 'in');
    }
  });

  test('of a sink names it: while opening, writing at once and later, preparing', async () => {
    const sinks: Readonly<Record<string, Parameters<typeof defineSink<unknown>>[0]>> = {
      open: { open: () => Promise.reject(new Error('no open')) },
      write: {
        open: () => ({
          write() {
            throw new Error('no write');
          },
        }),
      },
      later: { open: () => ({ write: () => Promise.reject(new Error('no later')) }) },
    };
    for (const [name, sink] of Object.entries(sinks)) {
      const error = await failureOf((job) =>
        job.source('in', splitsOf({ a: [1] })).sink('out', defineSink(sink)),
      ).catch((opening: TidemarkError) => opening);
      assert.equal(error?.code, 'SINK_FAILED');
      assert.match(error.message, new RegExp(`no ${name}`));
      assert.equal(error.details.operator, 'out');
    }
    const preparing = await Driven.open((job) =>
      job.source('in', splitsOf({ a: [1] })).sink(
        'out',
        defineSink<unknown>({
          open: () => ({ write() {}, prepare: () => Promise.reject(new Error('no prepare')) }),
        }),
      ),
    );
    await preparing.settle();
    await assert.rejects(take(preparing.dataflow, 1), { code: 'SINK_FAILED', message: /no prepare/ });
  });

  test('of a target that cannot be rewound comes before any other target is', async () => {
    const asked: string[] = [];
    const sink = (name: string, checkRewind: () => Promise<void>) =>
      defineSink<unknown, void>({
        transaction: schema(z.void()),
        open: () => ({ write() {} }),
        committer: ({ job, attempt, sink: uid }) => ({
          recover: () => Promise.resolve(),
          commit: () => Promise.resolve(),
          ahead: () => Promise.resolve([{ job: job.id, attempt, sink: uid, subtask: 0, checkpoint: 1 }]),
          checkRewind,
          rewind: async () => void asked.push(name),
        }),
      });
    const opened = (last: () => Promise<void>) =>
      Driven.open(
        (job) => {
          const input = job.source('in', splitsOf({ a: [1] }));
          input.sink(
            'first',
            sink('first', () => Promise.resolve()),
          );
          input.sink('last', sink('last', last));
        },
        { rewind: true },
      );
    await assert.rejects(
      opened(() => Promise.reject(new TidemarkError('TARGET_AHEAD', 'upserted'))),
      { code: 'TARGET_AHEAD', message: /upserted/ },
    );
    assert.deepEqual(asked, []);
    await opened(() => Promise.resolve());
    assert.deepEqual(asked, ['first', 'last']);
  });
});

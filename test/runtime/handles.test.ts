/** What the functions of `reducing` and `aggregating` may not give. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { state } from '../../src/graph/declare-state.js';
import type { Aggregate } from '../../src/graph/window.js';
import { Driven, failureOf, splitsOf } from './driving.js';

const sum: Aggregate<number, number | null, number | null> = {
  init: () => 0,
  add: (total, n) => (total === null ? n : total + n),
  result: (total) => total,
};

for (const ttl of [{}, { ttl: '1h' }]) {
  const given = Object.keys(ttl).length > 0 ? ' with a ttl' : '';
  const wrong = {
    'reduce returned undefined': state.reducing<number>(() => undefined as never, ttl),
    'reduce returned a promise': state.reducing<number>((async () => 1) as never, ttl),
    'init returned undefined': state.aggregating({ ...sum, init: (() => undefined) as never }, ttl),
    'init returned a promise': state.aggregating({ ...sum, init: (async () => 0) as never }, ttl),
    'add returned undefined': state.aggregating({ ...sum, add: () => undefined as never }, ttl),
    'add returned a promise': state.aggregating({ ...sum, add: (async () => 0) as never }, ttl),
  };
  for (const [what, declared] of Object.entries(wrong)) {
    test(`fails the job where ${what}${given}`, async () => {
      const error = await failureOf((job) =>
        job
          .source('in', splitsOf({ a: [1, 2] }))
          .keyBy(() => 'k')
          .process('keep', {
            state: { kept: declared },
            onElement: (n, ctx) => ctx.state.kept.add(n),
          }),
      );
      assert.equal(error?.code, 'USER_CODE');
      assert.match(error.message, new RegExp(`operator keep: .*${what}`));
      assert.match(error.details.element ?? '', /^[12]$/);
    });
  }

  test(`keeps an accumulator of null${given}`, async () => {
    const seen: (number | null | undefined)[] = [];
    const driven = await Driven.open((job) =>
      job
        .source('in', splitsOf({ a: [1, 2, 3] }))
        .keyBy(() => 'k')
        .process('keep', {
          state: {
            kept: state.aggregating(
              { ...sum, add: (total: number | null, n: number) => (total === null ? n : null) },
              ttl,
            ),
          },
          onElement(n, ctx) {
            ctx.state.kept.add(n);
            seen.push(ctx.state.kept.get());
          },
        }),
    );
    await driven.settle();
    assert.deepEqual(seen, [null, 2, null]);
  });
}

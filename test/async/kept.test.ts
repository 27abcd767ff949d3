/** `asyncMap`: what is in flight as state, and what is opened and closed. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { codec, type OpenContext, type Stream, schema, type } from '../../src/index.js';
import { ManualClock, testOperator } from '../../src/testing.js';
import { Asked, asking, turns } from './asked.js';

describe('state', () => {
  test('what is in flight is in a snapshot, and asked about again, before all else and in its order', async () => {
    const first = new Asked();
    const op = await testOperator(asking(first), { parallelism: 3 });
    op.pushAll([1, 2, 3, 4, 5, 6, 7]);
    first.answer(2, 5, 7);
    await op.settled();
    // The second subtask had 2 and 5, which have left.
    assert.deepEqual(op.output(), ['#2', '#5']);
    const snapshot = await op.snapshot();
    for (const parallelism of [1, 2, 4]) {
      const asked = new Asked();
      const again = await testOperator(asking(asked), { restore: snapshot, parallelism });
      again.advance(0);
      again.push(8);
      const calls = asked.calls.map(({ element, ctx }) => [element, ctx.subtask, ctx.attempt]);
      const of = (old: number) => old % parallelism;
      const own = [
        [1, of(0), 1],
        [4, of(0), 1],
        [7, of(0), 1],
        [3, of(2), 1],
        [6, of(2), 1],
      ].sort((a, b) => (a[1] ?? 0) - (b[1] ?? 0));
      assert.deepEqual(calls.slice(0, 5), own);
      assert.deepEqual(calls.slice(5), [[8, 0, 1]]);
      asked.answer(8, 6, 3, 7, 4, 1);
      await again.settled();
      assert.deepEqual(again.output().toSorted(), ['#1', '#3', '#4', '#6', '#7', '#8']);
      assert.ok(again.output().indexOf('#1') < again.output().indexOf('#4'));
      assert.ok(again.output().indexOf('#3') < again.output().indexOf('#6'));
      await again.close();
    }
  });

  test('nothing new passes what a snapshot held, at any parallelism', async () => {
    const before = new Asked();
    const op = await testOperator(asking(before), { parallelism: 2 });
    op.pushAll([1, 2]);
    const snapshot = await op.snapshot();
    const asked = new Asked();
    const again = await testOperator(
      (numbers: Stream<number>) =>
        numbers
          .keyBy((n) => n)
          .process('before', {
            timers: { soon: 'event' },
            emits: type<number>(),
            onElement: (n, ctx) => ctx.timers.soon.set(n),
            onTimer: { soon: (_, ctx) => ctx.emit(ctx.key) },
          })
          .asyncMap('ask', asked.ask),
      { restore: snapshot, parallelism: 4 },
    );
    again.push(9, 9);
    again.watermark(10);
    assert.deepEqual(asked.elements, [1, 2]);
    asked.answer(1);
    await again.settled();
    assert.deepEqual(asked.elements, [1, 2], 'its subtask is free, and still');
    asked.answer(2);
    await again.settled();
    assert.deepEqual(asked.elements, [1, 2, 9]);
  });

  test('timestamps and schema versions go along', async () => {
    const old = new Asked();
    const op = await testOperator(asking(old, { schema: schema(z.number()) }));
    op.push(5, 500);
    op.push(6);
    const snapshot = await op.snapshot();
    const seen: unknown[] = [];
    const again = await testOperator(
      (named: Stream<{ id: number }>) =>
        named.asyncMap(
          'ask2',
          async ({ id }, { timestamp }) => {
            seen.push([id, timestamp]);
            return id;
          },
          {
            formerly: ['ask'],
            schema: schema(z.number()).next(z.object({ id: z.number() }), (id) => ({ id })),
          },
        ),
      { restore: snapshot },
    );
    assert.equal(await again.settled(), 0);
    assert.deepEqual(seen, [
      [5, 500],
      [6, undefined],
    ]);
    assert.deepEqual(again.output(), [5, 6]);
  });

  test('the time a call may take begins with the call, whenever the snapshot was taken', async () => {
    const old = new Asked();
    const first = await testOperator(asking(old, { timeout: 100 }), { clock: new ManualClock(1e12) });
    first.push(1);
    const asked = new Asked();
    const op = await testOperator(asking(asked, { timeout: 100 }), { restore: await first.snapshot() });
    op.push(2);
    op.advance(99);
    assert.deepEqual(asked.elements, [1, 2]);
    assert.throws(() => op.advance(1), { code: 'ASYNC_TIMEOUT' });
  });

  test('an element that cannot be kept is refused with the first call', async () => {
    const op = await testOperator((numbers: Stream<unknown>) => numbers.asyncMap('ask', async () => 1));
    assert.throws(() => op.push({ why: () => 1 }), {
      code: 'VALUE_REFUSED',
      message: /in flight in asyncMap ask: .*\.why/,
    });
    const typed = await testOperator((numbers: Stream<unknown>) =>
      numbers.asyncMap('ask', async () => 1, { schema: schema(z.unknown().refine((n) => n !== 1)) }),
    );
    assert.throws(() => typed.push(1), { code: 'VALUE_REFUSED' });
  });

  test('one that can only not be kept later is refused by the snapshot', async () => {
    const op = await testOperator((numbers: Stream<unknown>) =>
      numbers.asyncMap('ask', () => new Promise(() => undefined)),
    );
    op.push(1);
    op.push(Symbol('one'));
    await assert.rejects(op.snapshot(), { code: 'VALUE_REFUSED', message: /asyncMap ask/ });
  });

  test('with a codec of its own', async () => {
    const asked = new Asked();
    const op = await testOperator(asking(asked, { codec: codec.number }));
    op.push(1.5);
    assert.deepEqual(op.state('ask'), [1.5]);
  });

  test('elements are read-only while they are asked about', async () => {
    const op = await testOperator((bags: Stream<{ n: number }>) =>
      bags.asyncMap('ask', async (bag) => {
        bag.n = 2;
        return bag;
      }),
    );
    op.push({ n: 1 });
    await assert.rejects(op.settled(), { code: 'USER_CODE', message: /read.?only/ });
  });
});

describe('open and close', () => {
  test('once per subtask; what is under way is given up', async () => {
    const opened: OpenContext[] = [];
    let closed = 0;
    const asked = new Asked();
    const op = await testOperator(
      asking(asked, { open: (context) => void opened.push(context), close: () => void closed++ }),
      { parallelism: 2 },
    );
    assert.deepEqual(
      opened.map(({ uid, subtask, parallelism }) => [uid, subtask, parallelism]),
      [
        ['ask', 0, 2],
        ['ask', 1, 2],
      ],
    );
    op.push(1);
    const signal = asked.calls[0]?.ctx.signal;
    await op.close();
    assert.equal(signal?.aborted, true);
    assert.equal(closed, 2);
    asked.refuse(1);
    await turns();
  });

  test('those that throw say where', async () => {
    const thrower = () => {
      throw new Error('no');
    };
    await assert.rejects(testOperator(asking(new Asked(), { open: thrower })), {
      code: 'USER_CODE',
      message: /operator ask: .*no/,
    });
    const op = await testOperator(asking(new Asked(), { close: thrower }));
    await assert.rejects(op.close(), { code: 'USER_CODE' });
  });
});

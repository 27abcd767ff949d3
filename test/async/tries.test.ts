/** `asyncMap`: failures, timeouts, tries and fallbacks. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AsyncMapOptions, Stream, TidemarkError } from '../../src/index.js';
import { testOperator } from '../../src/testing.js';
import { Asked, asking, turns } from './asked.js';

describe('tries', () => {
  const retries = { attempts: 3, delay: 100, factor: 3, most: 250 };

  test('a failure is tried again, each time after longer', async () => {
    const asked = new Asked();
    const op = await testOperator(asking(asked, { retries }));
    op.push(1);
    asked.refuse(1);
    assert.equal(await op.settled(), 1);
    op.advance(99);
    assert.equal(asked.calls.length, 1);
    op.advance(1);
    assert.equal(asked.calls.length, 2);
    asked.refuse(1);
    await op.settled();
    op.advance(249);
    assert.equal(asked.calls.length, 2, '300 is beyond the most');
    op.advance(1);
    assert.deepEqual(
      asked.calls.map(({ ctx }) => ctx.attempt),
      [1, 2, 3],
    );
    asked.answer(1);
    await op.settled();
    assert.deepEqual(op.output(), ['#1']);
  });

  test('the last failure fails the job, with operator and element', async () => {
    const asked = new Asked();
    const op = await testOperator(asking(asked, { retries: { attempts: 2 } }));
    op.push(7);
    asked.refuse(7);
    await op.settled();
    op.advance(100);
    asked.refuse(7, new Error('gone for good'));
    await assert.rejects(op.settled(), (error: TidemarkError) => {
      assert.equal(error.code, 'USER_CODE');
      assert.match(error.message, /operator ask: .*gone for good/);
      return error.details.operator === 'ask' && error.details.element === '7';
    });
    assert.throws(() => op.push(8), { code: 'USER_CODE' });
  });

  test('what is thrown before the first await is a failure like any', async () => {
    let calls = 0;
    const op = await testOperator((numbers: Stream<number>) =>
      numbers.asyncMap(
        'ask',
        (n) => {
          if (++calls === 1) throw new Error('at once');
          return Promise.resolve(n * 2);
        },
        { retries },
      ),
    );
    op.push(4);
    await op.settled();
    op.advance(100);
    await op.settled();
    assert.deepEqual(op.output(), [8]);
  });

  test('retryIf and fallback are asked about the failure', async () => {
    const asked = new Asked();
    const seen: unknown[] = [];
    const op = await testOperator(
      asking(asked, {
        retries: { ...retries, retryIf: (error) => error !== 'hopeless' },
        fallback(element, error) {
          seen.push([element, error]);
          return `${element}?`;
        },
      }),
    );
    op.pushAll([1, 2]);
    asked.refuse(2, 'hopeless');
    asked.refuse(1, 'busy');
    await op.settled();
    op.advance(100);
    assert.deepEqual(asked.elements, [1, 2, 1]);
    asked.answer(1);
    await op.settled();
    assert.deepEqual(op.output(), ['#1', '2?']);
    assert.deepEqual(seen, [[2, 'hopeless']]);
  });

  test('a fallback and retryIf that fail fail the job, and so does a promise', async () => {
    const fails = async (options: AsyncMapOptions<number, string>) => {
      const asked = new Asked();
      const op = await testOperator(asking(asked, options));
      op.push(1);
      asked.refuse(1);
      return op.settled();
    };
    const thrower = () => {
      throw new RangeError('neither');
    };
    await assert.rejects(fails({ fallback: thrower }), { code: 'USER_CODE', message: /neither/ });
    await assert.rejects(fails({ retries: { attempts: 2, retryIf: thrower } }), { message: /neither/ });
    const later: unknown = async () => 'later';
    await assert.rejects(fails({ fallback: later as () => string }), {
      code: 'USER_PROMISE',
      message: /fallback of asyncMap ask returned a promise/,
    });
  });

  test('a try that takes too long is given up: its signal says so, its answer does not count', async () => {
    const asked = new Asked();
    const op = await testOperator(asking(asked, { timeout: '1s', retries }));
    op.push(1);
    const signal = asked.calls[0]?.ctx.signal;
    op.advance(999);
    assert.equal(signal?.aborted, false);
    op.advance(1);
    assert.equal(signal?.aborted, true);
    assert.match(String(signal?.reason), /not answered within 1000 ms \(try 1 of 3\)/);
    asked.answer(1);
    await turns();
    op.advance(100);
    assert.equal(asked.calls.length, 2);
    assert.deepEqual(op.output(), [], 'the late answer of the first try is none of the second');
    asked.answer(1);
    await op.settled();
    assert.deepEqual(op.output(), ['#1']);
    assert.equal(asked.calls[1]?.ctx.signal.aborted, false);
  });

  test('too long for the last time: ASYNC_TIMEOUT, also where the late answer is a rejection', async () => {
    const asked = new Asked();
    const op = await testOperator(asking(asked, { timeout: 50 }));
    op.push(1);
    assert.throws(() => op.advance(50), {
      code: 'ASYNC_TIMEOUT',
      message: /asyncMap ask was not answered within 50 ms$/,
    });
    asked.refuse(1);
    await turns();
  });

  test('a signal that is asked for when it is too late is aborted', async () => {
    const asked = new Asked();
    const op = await testOperator(asking(asked, { timeout: 50, fallback: () => 'none' }));
    op.push(1);
    op.advance(50);
    assert.equal(asked.calls[0]?.ctx.signal.aborted, true);
    assert.deepEqual(op.output(), ['none']);
  });

  test('what is no promise is an answer, too', async () => {
    const plain: unknown = (n: number) => n + 1;
    const op = await testOperator((numbers: Stream<number>) =>
      numbers.asyncMap('ask', plain as (n: number) => Promise<number>),
    );
    op.push(1);
    await op.settled();
    assert.deepEqual(op.output(), [2]);
  });
});

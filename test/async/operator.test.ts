/** `asyncMap` alone: order, capacity, timeouts, tries, fallbacks, what it keeps, what it waits for and what waits for it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import {
  type AsyncContext,
  type AsyncMapOptions,
  codec,
  type OpenContext,
  type Stream,
  schema,
  state,
  type TidemarkError,
  type,
  windows,
} from '../../src/index.js';
import { testOperator } from '../../src/testing.js';

/** Calls that the test answers. */
class Asked {
  readonly calls: { readonly element: number; readonly ctx: AsyncContext }[] = [];
  readonly #answers = new Map<number, PromiseWithResolvers<string>>();

  readonly ask = (element: number, ctx: AsyncContext): Promise<string> => {
    this.calls.push({ element, ctx });
    const answer = withResolvers<string>();
    this.#answers.set(element, answer);
    return answer.promise;
  };

  answer(...elements: readonly number[]): void {
    for (const element of elements) this.#answers.get(element)?.resolve(`#${element}`);
  }

  refuse(element: number, error: unknown = new Error(`not ${element}`)): void {
    this.#answers.get(element)?.reject(error);
  }

  get elements(): readonly number[] {
    return this.calls.map(({ element }) => element);
  }
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** Node 20 has none. */
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

const asking =
  (asked: Asked, options: AsyncMapOptions<number, string> = {}) =>
  (numbers: Stream<number>) =>
    numbers.asyncMap('ask', asked.ask, options);

/** Turns of the event loop: enough for answers that are there. */
async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

describe('order', () => {
  test('results leave in the order of the elements', async () => {
    const asked = new Asked();
    const op = await testOperator(asking(asked));
    op.pushAll([1, 2, 3]);
    assert.deepEqual(asked.elements, [1, 2, 3], 'all are asked about at once');
    asked.answer(3, 2);
    assert.equal(await op.settled(), 3);
    assert.deepEqual(op.output(), []);
    assert.deepEqual(op.state('ask'), [1, 2, 3]);
    asked.answer(1);
    assert.equal(await op.settled(), 0);
    assert.deepEqual(op.output(), ['#1', '#2', '#3']);
    assert.deepEqual(op.state('ask'), []);
  });

  test('or as they come', async () => {
    const asked = new Asked();
    const op = await testOperator(asking(asked, { ordered: false }));
    op.pushAll([1, 2, 3]);
    asked.answer(3);
    assert.equal(await op.settled(), 2);
    asked.answer(2);
    await op.settled();
    assert.deepEqual(op.output(), ['#3', '#2']);
    assert.deepEqual(op.state('ask'), [1]);
    asked.answer(1);
    await op.settled();
    assert.deepEqual(op.output(), ['#3', '#2', '#1']);
  });

  test('each subtask has its own', async () => {
    const asked = new Asked();
    const op = await testOperator(asking(asked), { parallelism: 2 });
    op.pushAll([1, 2, 3, 4]);
    assert.deepEqual(
      asked.calls.map(({ ctx }) => ctx.subtask),
      [0, 1, 0, 1],
    );
    asked.answer(2, 4);
    await op.settled();
    assert.deepEqual(op.output(), ['#2', '#4']);
  });
});

describe('capacity', () => {
  for (const ordered of [true, false])
    test(`as many are asked about at a time (${ordered ? 'in order' : 'in any order'})`, async () => {
      const asked = new Asked();
      const op = await testOperator(asking(asked, { capacity: 2, ordered }));
      op.pushAll([1, 2, 3, 4, 5]);
      assert.deepEqual(asked.elements, [1, 2]);
      asked.answer(2);
      await op.settled();
      // What waits for its turn to leave takes its place.
      assert.deepEqual(asked.elements, ordered ? [1, 2] : [1, 2, 3]);
      asked.answer(1);
      await op.settled();
      assert.deepEqual(asked.elements, [1, 2, 3, 4]);
    });

  test('while some wait, neither timers before it fire nor windows behind it', async () => {
    const asked = new Asked();
    let ticks = 0;
    const op = await testOperator((numbers: Stream<number>) =>
      numbers
        .keyBy((n) => n % 2)
        .process('before', {
          state: { seen: state.number(0) },
          timers: { later: 'event', clock: 'processing' },
          emits: type<number>(),
          onElement(n, ctx) {
            ctx.timers.later.set(100);
            ctx.timers.clock.set(50);
            ctx.emit(n);
          },
          onTimer: {
            later: (_, ctx) => ctx.emit(1000 + ctx.key),
            clock: () => void ticks++,
          },
        })
        .asyncMap('ask', asked.ask, { capacity: 1 })
        .keyBy(() => 'all')
        .window('all', { assign: windows.tumbling(1000), apply: (all) => [all.join()] }),
    );
    op.push(2, 10);
    op.push(4, 20);
    op.watermark(2000);
    op.advance(60);
    assert.deepEqual(asked.elements, [2]);
    assert.equal(op.watermarkOf('before'), Number.NEGATIVE_INFINITY, 'event time stands still before it');
    assert.equal(ticks, 0, 'and so do timers of the clock');
    asked.answer(2);
    await op.settled();
    assert.deepEqual(asked.elements, [2, 4]);
    asked.answer(4);
    await op.settled();
    assert.deepEqual(asked.elements, [2, 4, 1000], 'then timers fire, event time first');
    assert.deepEqual(op.output(), [], 'what a timer of 100 gave is still on its way');
    asked.answer(1000);
    await op.settled();
    assert.deepEqual(op.takeOutput(), ['#2,#4,#1000']);
    assert.equal(ticks, 1);
    assert.equal(op.watermarkOf('all'), 2000);
  });
});

describe('event time', () => {
  const hourly = (asked: Asked, ordered: boolean) => (numbers: Stream<number>) =>
    numbers
      .asyncMap('ask', asked.ask, { ordered })
      .keyBy(() => 'all')
      .window('all', { assign: windows.tumbling(10), apply: (all) => [all.join()] });

  for (const ordered of [true, false])
    test(`waits for what is in flight (${ordered ? 'in order' : 'in any order'})`, async () => {
      const asked = new Asked();
      const op = await testOperator(hourly(asked, ordered));
      op.push(1, 1);
      op.push(2, 2);
      op.watermark(15);
      op.push(3, 20);
      asked.answer(2, 3);
      await op.settled();
      assert.equal(op.watermarkOf('all'), Number.NEGATIVE_INFINITY);
      assert.deepEqual(op.output(), []);
      asked.answer(1);
      await op.settled();
      assert.equal(op.watermarkOf('all'), 15);
      assert.deepEqual(op.output(), [ordered ? '#1,#2' : '#2,#1']);
      assert.equal(op.late('all'), 0);
    });

  test('in order, an element that was late is late behind it, too', async () => {
    const asked = new Asked();
    const op = await testOperator(hourly(asked, true));
    op.push(1, 1);
    op.watermark(15);
    op.push(2, 2);
    asked.answer(1, 2);
    await op.settled();
    assert.deepEqual(op.takeOutput(), ['#1']);
    assert.deepEqual(op.takeOutput('late'), ['#2']);
  });

  test('each result has the timestamp of its element, and the call is told', async () => {
    const asked = new Asked();
    const op = await testOperator((numbers: Stream<number>) =>
      numbers
        .asyncMap('ask', asked.ask, { ordered: false })
        .keyBy(() => 0)
        .process('see', {
          emits: type<string>(),
          onElement: (answer, ctx) => ctx.emit(`${answer} at ${ctx.timestamp}`),
        }),
    );
    op.push(1, 11);
    op.push(2);
    op.push(3, 33);
    assert.deepEqual(
      asked.calls.map(({ ctx }) => ctx.timestamp),
      [11, undefined, 33],
    );
    asked.answer(3, 2, 1);
    await op.settled();
    assert.deepEqual(op.output(), ['#3 at 33', '#2 at undefined', '#1 at 11']);
  });

  test('the end of input waits for answers, and then for what they give', async () => {
    const asked = new Asked();
    const op = await testOperator(hourly(asked, true));
    op.push(1, 1);
    op.endOfInput();
    assert.deepEqual(op.output(), []);
    asked.answer(1);
    assert.equal(await op.settled(), 0);
    assert.deepEqual(op.output(), ['#1']);
    assert.equal(op.watermarkOf('all'), Number.POSITIVE_INFINITY);
  });
});

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

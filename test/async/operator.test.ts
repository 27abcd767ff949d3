/** `asyncMap` alone: order, capacity, and what event time does. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Stream, state, type, windows } from '../../src/index.js';
import { testOperator } from '../../src/testing.js';
import { Asked, asking } from './asked.js';

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

  test('while some wait, timers of the clock behind it fire', async () => {
    const asked = new Asked();
    const op = await testOperator((numbers: Stream<number>) =>
      numbers
        .asyncMap('ask', asked.ask, { capacity: 1 })
        .keyBy((answer) => answer)
        .process('behind', {
          timers: { soon: 'processing' },
          emits: type<string>(),
          onElement: (_, ctx) => ctx.timers.soon.set(100),
          onTimer: { soon: (at, ctx) => ctx.emit(`${ctx.key} at ${at}`) },
        }),
    );
    op.pushAll([1, 2, 3]);
    asked.answer(1);
    assert.equal(await op.settled(), 2);
    op.advance(100);
    assert.deepEqual(op.output(), ['#1 at 100']);
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

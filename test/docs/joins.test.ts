/** What docs/joins.md says, and its examples on a few elements. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Flight } from '../../fixtures/jobs/flight.js';
import stranded from '../../fixtures/jobs/stranded.js';
import wayBack from '../../fixtures/jobs/way-back.js';
import { type Stream, state, type, windows } from '../../src/index.js';
import { testJob, testOperator } from '../../src/testing.js';

interface Order {
  readonly id: number;
  readonly total: number;
}

interface Payment {
  readonly order: number;
  readonly amount: number;
}

interface Rule {
  readonly name: string;
  /** None: the rule no longer holds. */
  readonly limit: number | null;
}

// What comes first waits for the other; an order that nobody has paid after an hour is told.
const settled = (orders: Stream<Order>, payments: Stream<Payment>) =>
  orders
    .keyBy((order) => order.id)
    .connect(payments.keyBy((payment) => payment.order))
    .process('settle', {
      state: { order: state.value<Order>(), paid: state.number(0) },
      timers: { due: 'event' },
      sides: { unpaid: type<Order>() },
      emits: type<{ order: number; paid: number }>(),
      onLeft(order, ctx) {
        ctx.state.order.set(order);
        ctx.timers.due.set((ctx.timestamp ?? 0) + 3_600_000);
        const paid = ctx.state.paid.get();
        if (paid >= order.total) ctx.emit({ order: ctx.key, paid });
      },
      onRight({ amount }, ctx) {
        ctx.state.paid.add(amount);
        const order = ctx.state.order.get();
        const paid = ctx.state.paid.get();
        if (order !== undefined && paid >= order.total) ctx.emit({ order: ctx.key, paid });
      },
      onTimer: {
        due(_at, ctx) {
          const order = ctx.state.order.get();
          if (order !== undefined && ctx.state.paid.get() < order.total) ctx.side.unpaid(order);
          ctx.state.order.clear();
          ctx.state.paid.clear();
        },
      },
    });

// A rule holds from when it comes, until another of its name does.
const judged = (payments: Stream<Payment>, rules: Stream<Rule>) =>
  payments
    .keyBy((payment) => payment.order)
    .connect(rules.broadcast())
    .process('judge', {
      broadcast: { rules: state.broadcast<string, number>() },
      emits: type<{ order: number; rule: string }>(),
      onBroadcast({ name, limit }, ctx) {
        if (limit === null) ctx.broadcast.rules.delete(name);
        else ctx.broadcast.rules.set(name, limit);
      },
      onElement({ amount }, ctx) {
        for (const [rule, limit] of ctx.broadcast.rules.entries())
          if (amount > limit) ctx.emit({ order: ctx.key, rule });
      },
    });

const MINUTE = 60_000;

test('connect: whichever comes first, the result is the same', async () => {
  const op = await testOperator(settled);
  op.push({ id: 1, total: 10 }, 0);
  op.pushTo(1, { order: 1, amount: 10 }, MINUTE);
  op.pushTo(1, { order: 2, amount: 10 }, MINUTE);
  op.push({ id: 2, total: 10 }, 0);
  op.push({ id: 3, total: 10 }, 0);
  op.watermark(60 * MINUTE);
  assert.deepEqual(op.output(), [
    { order: 1, paid: 10 },
    { order: 2, paid: 10 },
  ]);
  assert.deepEqual(op.output('unpaid'), [{ id: 3, total: 10 }]);
  for (const id of [1, 2, 3]) assert.equal(op.state('settle.order', id), undefined);
});

test('broadcast: rules change while elements pass, and are the same after a restore', async () => {
  const op = await testOperator(judged, { parallelism: 3 });
  const pay = (on: typeof op, amount: number) => {
    for (const order of [1, 2]) on.push({ order, amount });
    return on.takeOutput().map(({ order, rule }) => `${order} ${rule}`);
  };
  assert.deepEqual(pay(op, 100), []);
  op.pushTo(1, { name: 'large', limit: 50 });
  assert.deepEqual(pay(op, 100), ['1 large', '2 large']);
  op.pushTo(1, { name: 'large', limit: 500 });
  op.pushTo(1, { name: 'some', limit: 5 });
  assert.deepEqual(pay(op, 100), ['1 some', '2 some']);
  const again = await testOperator(judged, { parallelism: 2, restore: await op.snapshot() });
  again.pushTo(1, { name: 'some', limit: null });
  assert.deepEqual(pay(again, 100), []);
  assert.deepEqual(pay(again, 501), ['1 large', '2 large']);
});

function flight(date: string, delay: number, origin: string, destination: string): Flight {
  return { date, delay, distance: 1, origin, destination };
}

test('way-back and stranded: the same in batches of any size', async () => {
  const flights = [
    flight('2001/01/01 08:00', 120, 'ATL', 'BOS'),
    flight('2001/01/01 08:59', 5, 'BOS', 'ATL'),
    flight('2001/01/01 09:00', 150, 'BOS', 'ATL'),
    flight('2001/01/02 00:10', 200, 'ATL', 'BOS'),
    flight('2001/01/02 08:00', 5, 'BOS', 'ATL'),
  ];
  for (const batch of [1, 2, 512]) {
    const job = await testJob(wayBack, { inputs: { flights }, batch, parallelism: 2 });
    assert.equal(await job.run(), 'ended');
    const rows = (job.output('out') as readonly { route: string; date: string; back: string | null }[])
      .map(({ route, date, back }) => `${route} ${date.slice(8)} ${back?.slice(8) ?? 'none'}`)
      .sort();
    assert.deepEqual(rows, [
      'ATL–BOS 01 08:00 01 09:00',
      'ATL–BOS 01 08:00 02 08:00',
      'ATL–BOS 02 00:10 02 08:00',
      'BOS–ATL 01 09:00 02 00:10',
    ]);
    await job.close();
    const days = await testJob(stranded, { inputs: { flights }, batch });
    assert.equal(await days.run(), 'ended');
    assert.deepEqual(
      (days.output('out') as readonly { airport: string; day: string; to: unknown }[]).map(
        ({ airport, day, to }) => `${airport} ${day} ${to === null ? 'none' : 'some'}`,
      ),
      ['BOS 2001-01-01 none', 'ATL 2001-01-02 none'],
    );
    await days.close();
  }
});

describe('the tables', () => {
  const both = (left: Stream<string>, right: Stream<string>) => {
    const [l, r] = [left.keyBy(() => 0), right.keyBy(() => 0)];
    const interval = l.intervalJoin('interval', r, {
      between: ['-5ms', '10ms'],
      type: 'left',
      join: (one, other) => `${one}+${other ?? 'none'}`,
    });
    const window = l.windowJoin('window', r, {
      assign: windows.tumbling(100),
      type: 'left',
      join: (one, other) => `${one}+${other ?? 'none'}`,
    });
    const times = (uid: string, stream: Stream<string>) =>
      stream
        .keyBy(() => 0)
        .process(uid, {
          emits: type<string>(),
          onElement: (text, ctx) => ctx.emit(`${text} ${ctx.timestamp}`),
        });
    return {
      interval: times('of-interval', interval),
      window: times('of-window', window),
      lateLeft: interval.late.left,
      windowLate: window.late.left,
    };
  };

  test('timestamps of results, and what is late', async () => {
    const op = await testOperator(both);
    op.push('a', 20);
    op.pushTo(1, 'x', 15);
    op.pushTo(1, 'y', 30);
    op.push('b', 50);
    assert.deepEqual(op.takeOutput('interval'), ['a+x 20', 'a+y 30']);
    op.watermark(60);
    assert.deepEqual(op.takeOutput('interval'), ['b+none 60']);
    // Behind the watermark: late for the interval, not for the window that is open.
    op.push('c', 60);
    assert.deepEqual(op.output('lateLeft'), ['c']);
    assert.equal(op.late('interval'), 1);
    assert.equal(op.late('window'), 0);
    op.watermark(99);
    assert.deepEqual(
      op.output('window'),
      ['a', 'b', 'c'].flatMap((one) => [`${one}+x 99`, `${one}+y 99`]),
    );
    op.push('d', 99);
    assert.deepEqual(op.output('windowLate'), ['d']);
    op.endOfInput();
    assert.deepEqual(op.timers('interval.left-due', 0), []);
  });
});

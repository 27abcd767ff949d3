/** An operator that two keyed streams reach. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineJob, fromArray, type Stream, state, stdout, type } from 'tidemark';
import { testJob, testOperator } from 'tidemark/testing';
import { Feed } from '../time/feed.js';

interface Bid {
  readonly auction: number;
  readonly price: number;
}

interface Auction {
  readonly id: number;
  readonly ends: number;
}

const winners = (bids: Stream<Bid>, auctions: Stream<Auction>) =>
  bids
    .keyBy((bid) => bid.auction)
    .connect(auctions.keyBy((auction) => auction.id))
    .process('winner', {
      state: { auction: state.value<Auction>(), best: state.number(0) },
      timers: { close: 'event' },
      sides: { orphans: type<Bid>() },
      emits: type<string>(),
      onLeft(bid, ctx) {
        if (ctx.state.auction.get() === undefined) ctx.side.orphans(bid);
        else ctx.state.best.set(Math.max(bid.price, ctx.state.best.get()));
      },
      onRight(auction, ctx) {
        ctx.state.auction.set(auction);
        ctx.timers.close.set(auction.ends);
      },
      onTimer: {
        close(at, ctx) {
          ctx.emit(`${ctx.key}: ${ctx.state.best.get()} at ${at}`);
          ctx.state.auction.clear();
          ctx.state.best.clear();
        },
      },
    });

test('both streams see the state and the timers of the key', async () => {
  const op = await testOperator(winners, { parallelism: 3 });
  op.push({ auction: 1, price: 5 }, 10);
  op.pushTo(1, { id: 1, ends: 50 }, 20);
  op.pushTo(1, { id: 2, ends: 40 }, 20);
  op.push({ auction: 1, price: 7 }, 30);
  op.push({ auction: 1, price: 6 }, 30);
  op.push({ auction: 2, price: 3 }, 30);
  assert.deepEqual(op.output('orphans'), [{ auction: 1, price: 5 }]);
  assert.deepEqual(op.state('winner.auction', 1), { id: 1, ends: 50 });
  const again = await testOperator(winners, { parallelism: 2, restore: await op.snapshot() });
  again.watermark(49);
  assert.deepEqual(again.output(), ['2: 3 at 40']);
  // Late elements of either side are counted, and processed like any.
  again.push({ auction: 1, price: 8 }, 49);
  again.pushTo(1, { id: 3, ends: 60 }, 3);
  assert.equal(again.late('winner'), 2);
  again.endOfInput();
  assert.deepEqual(again.output().toSorted(), ['1: 8 at 50', '2: 3 at 40', '3: 0 at 60']);
});

test('one keyBy may be both: an element comes to the left first', async () => {
  const op = await testOperator((numbers: Stream<number>) => {
    const keyed = numbers.keyBy((n) => n % 2);
    const counted = keyed.process('alone', {
      emits: type<string>(),
      onElement: (n, ctx) => ctx.emit(`alone ${n}`),
    });
    const both = keyed.connect(keyed).process('both', {
      state: { seen: state.list<string>() },
      emits: type<string>(),
      onLeft(n, ctx) {
        ctx.state.seen.add(`l${n}`);
      },
      onRight(n, ctx) {
        ctx.state.seen.add(`r${n}`);
        ctx.emit(ctx.state.seen.get().join());
      },
    });
    return { counted, both };
  });
  op.pushAll([1, 2, 3]);
  assert.deepEqual(op.output('both'), ['l1,r1', 'l2,r2', 'l1,r1,l3,r3']);
  assert.deepEqual(op.output('counted'), ['alone 1', 'alone 2', 'alone 3']);
});

test('failures and promises of either side name the operator', async () => {
  const failing = (onRight: (n: number) => unknown) =>
    testOperator((a: Stream<number>, b: Stream<number>) =>
      a
        .keyBy((n) => n)
        .connect(b.keyBy((n) => n))
        .process('both', { onLeft() {}, onRight: (n) => void onRight(n) }),
    );
  const throws = await failing((n) => {
    throw new Error(`no ${n}`);
  });
  throws.push(1);
  assert.throws(() => throws.pushTo(1, 2), { code: 'USER_CODE', message: /operator both: Error: no 2/ });
  const promises = await testOperator((a: Stream<number>) =>
    a
      .keyBy((n) => n)
      .connect(a.keyBy((n) => n))
      // The type of a callback that gives nothing takes one that gives a promise.
      .process('both', { onLeft() {}, onRight: async () => undefined }),
  );
  assert.throws(() => promises.push(1), { code: 'USER_PROMISE', message: /operator both/ });
});

test('what a test hands out of state is read-only on both sides', async () => {
  const op = await testOperator((a: Stream<{ n: number }>, b: Stream<{ n: number }>) =>
    a
      .keyBy(() => 1)
      .connect(b.keyBy(() => 1))
      .process('both', {
        state: { last: state.value<{ n: number }>() },
        onLeft: (element, ctx) => ctx.state.last.set(element),
        onRight(_element, ctx) {
          const last = ctx.state.last.get();
          if (last !== undefined) Object.assign(last, { n: 5 });
        },
      }),
  );
  op.push({ n: 1 });
  assert.throws(() => op.pushTo(1, { n: 2 }), /read only/);
});

const TIMES = [10, 20, 30];

test('a side without timestamps does not hold event time back', async () => {
  for (const timed of ['left', 'right'] as const) {
    // The side without gives some, and never ends.
    const untimed = new Feed<number>('main');
    untimed.give('main', 10, 20);
    const definition = defineJob('times', {}, (job) => {
      const stream = (side: string) =>
        (side === timed
          ? job.source(side, fromArray(TIMES)).assignTimestamps((n) => n, { outOfOrderness: 0 })
          : job.source(side, untimed.source())
        ).keyBy(() => 0);
      stream('left')
        .connect(stream('right'))
        .process('alarm', {
          timers: { due: 'event' },
          emits: type<string>(),
          onLeft: (n, ctx) => ctx.emit(`left ${n} at ${ctx.timestamp}`),
          onRight(n, ctx) {
            ctx.emit(`right ${n} at ${ctx.timestamp}`);
            ctx.timers.due.set(n + 5);
          },
          onTimer: { due: (at, ctx) => ctx.emit(`due ${at}`) },
        })
        .sink('out', stdout());
    });
    const job = await testJob(definition, { batch: 1 });
    assert.equal(await job.run(), 'idle');
    const lines = job.output('out').map(String);
    const other = timed === 'left' ? 'right' : 'left';
    const of = (side: string) => lines.filter((line) => line.startsWith(side));
    assert.deepEqual(
      of(timed),
      TIMES.map((n) => `${timed} ${n} at ${n}`),
    );
    assert.deepEqual(of(other), [`${other} 10 at undefined`, `${other} 20 at undefined`]);
    assert.equal(of('due').length, timed === 'left' ? 2 : 3);
    await job.close();
  }
});

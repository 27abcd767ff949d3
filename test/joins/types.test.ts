/**
 * What compiles and what does not, of connected keyed streams and joins. The functions are compiled and never run; a line
 * after `@ts-expect-error` that compiled would be a compile error.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ConnectedStream,
  type JoinStream,
  type KeyedStream,
  key,
  type ProcessStream,
  type Stream,
  schema,
  state,
  type,
  windows,
} from 'tidemark';
import { z } from 'zod';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_proof: Same<A, B>): void {}

interface Bid {
  readonly auction: number;
  readonly bidder: string;
  readonly price: number;
}

interface Auction {
  readonly id: number;
  readonly ends: number;
}

interface Won {
  readonly auction: number;
  readonly price: number;
}

// The example of the design, as it stands there.

export function winners(bids: Stream<Bid>, auctions: Stream<Auction>) {
  const won = bids
    .keyBy((b) => b.auction)
    .connect(auctions.keyBy((a) => a.id))
    .process('winner', {
      state: { auction: state.value<Auction>(), best: state.number(0) },
      timers: { close: 'event' },
      sides: { orphans: type<Bid>() },
      emits: type<Won>(),
      onLeft(bid, ctx) {
        same<typeof bid, Bid>(true);
        if (ctx.state.auction.get() === undefined) ctx.side.orphans(bid);
        // @ts-expect-error an auction is no bid
        ctx.side.orphans(ctx.state.auction.get());
        ctx.state.best.set(Math.max(bid.price, ctx.state.best.get()));
      },
      onRight(auction, ctx) {
        same<typeof auction, Auction>(true);
        ctx.state.auction.set(auction);
        ctx.timers.close.set(auction.ends);
        // @ts-expect-error no such timer
        ctx.timers.open.set(auction.ends);
      },
      onTimer: {
        close(_at, ctx) {
          same<typeof ctx.key, number>(true);
          ctx.emit({ auction: ctx.key, price: ctx.state.best.get() });
          // @ts-expect-error not what it emits
          ctx.emit({ auction: ctx.key });
        },
      },
    });
  same<typeof won, ProcessStream<Won, { orphans: ReturnType<typeof type<Bid>> }>>(true);
  same<typeof won.side.orphans, Stream<Bid>>(true);
  return won;
}

export function connected(bids: Stream<Bid>, auctions: Stream<Auction>) {
  const byAuction = bids.keyBy((b) => b.auction);
  const pair = byAuction.connect(auctions.keyBy((a) => a.id));
  same<typeof pair, ConnectedStream<Bid, Auction, number>>(true);
  byAuction.connect(byAuction);
  // @ts-expect-error keyed by text
  byAuction.connect(bids.keyBy((b) => b.bidder));
  // @ts-expect-error not keyed
  byAuction.connect(auctions);
  bids.keyBy((b) => [b.bidder, b.auction]).connect(bids.keyBy((b) => [b.bidder, b.price]));
  bids.keyBy((b) => b.auction, key.long).connect(auctions.keyBy((a) => a.id, key.long));
  // @ts-expect-error onRight is missing
  pair.process('a', { onLeft() {} });
  pair.process('b', {
    // @ts-expect-error there are two inputs
    onElement() {},
    onLeft() {},
    onRight() {},
  });

  const named: KeyedStream<Bid, 'a' | 'b'> = bids.keyBy((b) => (b.price > 1 ? 'a' : 'b'));
  const texts = bids.keyBy((b) => b.bidder);
  texts.connect(named);
  // @ts-expect-error its keys are more than 'a' and 'b'
  named.connect(texts);
}

export function intervals(bids: Stream<Bid>, auctions: Stream<Auction>) {
  const right = auctions.keyBy((a) => a.id);
  const inner = bids
    .keyBy((b) => b.auction)
    .intervalJoin('inner', right, {
      between: ['-5m', 600_000],
      join(bid, auction, ctx) {
        same<typeof bid, Bid>(true);
        same<typeof auction, Auction>(true);
        same<typeof ctx.key, number>(true);
        same<typeof ctx.rightTime, number | undefined>(true);
        return { bidder: bid.bidder, ends: auction.ends };
      },
    });
  same<typeof inner, JoinStream<{ bidder: string; ends: number }, Bid, Auction>>(true);
  same<typeof inner.late.left, Stream<Bid>>(true);
  same<typeof inner.late.right, Stream<Auction>>(true);

  const left = bids
    .keyBy((b) => b.auction)
    .intervalJoin('left', right, {
      between: [0, '1h'],
      type: 'left',
      left: z.object({ auction: z.number(), bidder: z.string(), price: z.number() }),
      right: schema(z.object({ id: z.number(), ends: z.number() })),
      join: (bid, auction) => {
        same<typeof auction, Auction | undefined>(true);
        return auction === undefined ? bid.price : 0;
      },
    });
  same<typeof left, JoinStream<number, Bid, Auction>>(true);

  bids
    .keyBy((b) => b.auction)
    .intervalJoin('c', right, {
      between: [0, 1],
      type: 'left',
      // @ts-expect-error there may be none
      join: (bid, auction) => auction.ends + bid.price,
    });
  bids
    .keyBy((b) => b.auction)
    .intervalJoin('d', right, {
      between: [0, 1],
      // @ts-expect-error no such type
      type: 'outer',
      join: () => 1,
    });
  // @ts-expect-error other keys
  bids.keyBy((b) => b.bidder).intervalJoin('e', right, { between: [0, 1], join: () => 1 });
  bids
    .keyBy((b) => b.auction)
    .intervalJoin('f', right, {
      between: [0, 1],
      // @ts-expect-error a schema of something else
      left: z.object({ price: z.string() }),
      join: () => 1,
    });
}

export function joinedWindows(bids: Stream<Bid>, auctions: Stream<Auction>) {
  const keyed = bids.keyBy((b) => b.auction);
  const right = auctions.keyBy((a) => a.id);
  const hourly = keyed.windowJoin('hourly', right, {
    assign: windows.tumbling('1h'),
    lateness: '5m',
    join: (bid, auction, window) => ({ at: window.start, key: window.key, both: [bid.price, auction.ends] }),
  });
  same<typeof hourly, JoinStream<{ at: number; key: number; both: number[] }, Bid, Auction>>(true);
  const left = keyed.windowJoin('left', right, {
    assign: windows.session((element) => ('price' in element ? 5 : 10)),
    type: 'left',
    join: (bid, auction) => [bid.bidder, auction?.ends] as const,
  });
  same<typeof left, JoinStream<readonly [string, number | undefined], Bid, Auction>>(true);
  keyed.windowJoin('wrong', right, {
    assign: windows.tumbling('1h'),
    // @ts-expect-error an auction has no price
    join: (bid, auction) => bid.price + auction.price,
  });
}

test('the functions above are compiled, which is the test', () => {
  assert.ok(winners);
});

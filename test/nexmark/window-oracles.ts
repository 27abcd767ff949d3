/** q5, q7, q8, q11, q12 and q17: by windows. */
import type { Bid } from '../../fixtures/jobs/nexmark/types.js';
import { auctions, bids, persons } from './events.js';
import { dateOf, greatest, groupBy, least, lines, sum, windowOf } from './plain.js';

const TEN = 10_000;
const TWO = 2_000;
const DAY = 86_400_000;

export const q5 = () => {
  // By the end of a window, the bids on each auction.
  const counts = new Map<number, Map<number, number>>();
  for (const { auction, time } of bids)
    for (let end = windowOf(time, TWO) + TWO; end <= time + TEN; end += TWO) {
      const window = counts.get(end) ?? new Map<number, number>();
      counts.set(end, window.set(auction, (window.get(auction) ?? 0) + 1));
    }
  return lines(
    [...counts].flatMap(([end, window]) => {
      const most = greatest([...window.values()]);
      return [...window].filter(([, n]) => n === most).map(([auction, n]) => ({ end, auction, bids: n }));
    }),
  );
};

export const q7 = () =>
  lines(
    [...groupBy(bids, ({ time }) => windowOf(time, TEN)).values()].flatMap((window) => {
      const most = greatest(window.map(({ price }) => price));
      return window
        .filter(({ price }) => price === most)
        .map(({ auction, bidder, price, time }) => ({ auction, bidder, price, time }));
    }),
  );

export const q8 = () => {
  const opened = groupBy(auctions, ({ seller, time }) => `${seller} ${windowOf(time, TEN)}`);
  return lines(
    persons.flatMap(({ id, name, time }) => {
      const start = windowOf(time, TEN);
      const own = opened.get(`${id} ${start}`);
      return own === undefined ? [] : [{ id, name, start, auctions: own.length }];
    }),
  );
};

export const q11 = () =>
  lines(
    [...groupBy(bids, ({ bidder }) => bidder)].flatMap(([bidder, own]) => {
      const times = own.map(({ time }) => time).sort((a, b) => a - b);
      const sessions: number[][] = [];
      for (const time of times) {
        const last = sessions.at(-1);
        if (last !== undefined && time < (last.at(-1) ?? 0) + TEN) last.push(time);
        else sessions.push([time]);
      }
      return sessions.map((session) => ({
        bidder,
        bids: session.length,
        start: session[0],
        end: (session.at(-1) ?? 0) + TEN,
      }));
    }),
  );

/** `read`: when each bid was read for good. What was open at `end` is dropped. */
export const q12 = (read: (bid: Bid) => number, end: number) =>
  lines(
    [...groupBy(bids, ({ bidder }) => bidder)].flatMap(([bidder, own]) =>
      [...groupBy(own, (bid) => windowOf(read(bid), TEN))]
        .filter(([start]) => start + TEN <= end)
        .map(([start, window]) => ({ bidder, bids: window.length, start, end: start + TEN })),
    ),
  );

export const q17 = () =>
  lines(
    [...groupBy(bids, ({ auction, time }) => `${auction} ${windowOf(time, DAY)}`).values()].flatMap((own) => {
      const prices = own.map(({ price }) => price);
      const [first] = own;
      if (first === undefined) return [];
      return [
        {
          auction: first.auction,
          day: dateOf(first.time),
          bids: own.length,
          cheap: prices.filter((price) => price < 10_000).length,
          middle: prices.filter((price) => price >= 10_000 && price < 1_000_000).length,
          dear: prices.filter((price) => price >= 1_000_000).length,
          min: least(prices),
          max: greatest(prices),
          sum: sum(prices),
          average: sum(prices) / prices.length,
        },
      ];
    }),
  );

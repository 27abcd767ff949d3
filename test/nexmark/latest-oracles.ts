/**
 * q16, q18 and q19: queries that give a new row whenever the answer changes. Which rows there are on the way depends on the
 * order in which splits are read; the last row of each key does not.
 */
import type { Bid } from '../../fixtures/jobs/nexmark/types.js';
import { bids } from './events.js';
import { dateOf, greatest, groupBy } from './plain.js';

const RANKS: readonly ((bid: Bid) => boolean)[] = [
  ({ price }) => price < 10_000,
  ({ price }) => price >= 10_000 && price < 1_000_000,
  ({ price }) => price >= 1_000_000,
];

/** How many differ, in all and by rank. */
function different(of: readonly Bid[], idOf: (bid: Bid) => unknown) {
  const count = (some: readonly Bid[]) => new Set(some.map(idOf)).size;
  return { total: count(of), of: RANKS.map((isOfRank) => count(of.filter(isOfRank))) };
}

/** That a channel has had 1, 2, 3, … bids on a day, and its last row. */
export const q16 = () =>
  [...groupBy(bids, ({ channel, time }) => `${channel} ${dateOf(time)}`)].flatMap(([key, own]) => {
    const latest = new Date(greatest(own.map(({ time }) => time))).toISOString();
    const row = {
      channel: own[0]?.channel,
      day: latest.slice(0, 10),
      minute: latest.slice(11, 16),
      bids: different(own, (bid) => bid),
      bidders: different(own, ({ bidder }) => bidder),
      auctions: different(own, ({ auction }) => auction),
    };
    return [...own.map((_, i) => `${key} bid ${i + 1}`), JSON.stringify(row)];
  });

/** The last bid of each person on each auction; of several in a millisecond, the highest. */
export const q18 = () =>
  [...groupBy(bids, ({ bidder, auction }) => `${bidder} ${auction}`)].map(([key, own]) => {
    const latest = greatest(own.map(({ time }) => time));
    const price = greatest(own.filter(({ time }) => time === latest).map((bid) => bid.price));
    return `${key} ${latest} ${price}`;
  });

export const q19 = () =>
  [...groupBy(bids, ({ auction }) => auction)].flatMap(([auction, own]) =>
    [...own]
      .sort((a, b) => b.price - a.price || a.time - b.time)
      .slice(0, 10)
      .map(({ price, time }, i) => `${auction} ${i + 1} ${price} ${time}`),
  );

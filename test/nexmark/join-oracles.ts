/** q3, q4, q6 and q20: bids, auctions and persons together. */
import type { Auction } from '../../fixtures/jobs/nexmark/types.js';
import { auctions, bids, persons } from './events.js';
import { greatest, groupBy, lines, sum } from './plain.js';

const personOf = new Map(persons.map((person) => [person.id, person]));
const bidsOn = groupBy(bids, ({ auction }) => auction);

export const q3 = () =>
  lines(
    auctions.flatMap(({ id, seller, category }) => {
      const person = personOf.get(seller);
      if (person === undefined || category !== 10 || !/^(?:OR|ID|CA)$/.test(person.state)) return [];
      return [{ name: person.name, city: person.city, state: person.state, auction: id }];
    }),
  );

interface Closed extends Auction {
  readonly price: number;
}

/** Auctions with at least one bid in time, in the order in which they close. */
function closed(): readonly Closed[] {
  const sold = auctions.flatMap((auction): readonly Closed[] => {
    const inTime = (bidsOn.get(auction.id) ?? []).filter(
      ({ time }) => time >= auction.time && time <= auction.expires,
    );
    return inTime.length === 0 ? [] : [{ ...auction, price: greatest(inTime.map(({ price }) => price)) }];
  });
  return sold.sort((a, b) => a.expires - b.expires || a.id - b.id);
}

/** That a category has had 1, 2, 3, … auctions, and the last average. */
export const q4 = () =>
  [...groupBy(closed(), ({ category }) => category)].flatMap(([category, own]) => [
    ...own.map((_, i) => `category ${category} auction ${i + 1}`),
    `category ${category} average ${sum(own.map(({ price }) => price)) / own.length}`,
  ]);

export const q6 = () =>
  lines(
    [...groupBy(closed(), ({ seller }) => seller)].flatMap(([seller, own]) =>
      own.map(({ id }, i) => {
        const last = own.slice(Math.max(0, i - 9), i + 1);
        return { seller, auction: id, average: sum(last.map(({ price }) => price)) / last.length };
      }),
    ),
  );

export const q20 = () =>
  lines(
    auctions
      .filter(({ category }) => category === 10)
      .flatMap(({ id, item, initialBid, reserve, expires, seller, category }) =>
        (bidsOn.get(id) ?? []).map(({ auction, bidder, price, time }) => ({
          auction,
          bidder,
          price,
          time,
          item,
          initialBid,
          reserve,
          expires,
          seller,
          category,
        })),
      ),
  );

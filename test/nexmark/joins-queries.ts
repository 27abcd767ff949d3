/** The queries that put bids, auctions and persons together without a window. */
import q3 from '../../fixtures/jobs/nexmark/q3.js';
import q4 from '../../fixtures/jobs/nexmark/q4.js';
import q6 from '../../fixtures/jobs/nexmark/q6.js';
import q20 from '../../fixtures/jobs/nexmark/q20.js';
import * as oracles from './join-oracles.js';
import { lastOf, type Query, rowsOf } from './query.js';

interface Average {
  readonly category: number;
  readonly auctions: number;
  readonly average: number;
}

export const JOINS: readonly Query[] = [
  { name: 'q3: local items', definition: q3, expected: oracles.q3 },
  {
    name: 'q4: average price for a category',
    definition: q4,
    long: true,
    expected: oracles.q4,
    found(lines) {
      const rows = rowsOf<Average>(lines);
      return [
        ...rows.map(({ category, auctions }) => `category ${category} auction ${auctions}`),
        ...lastOf(rows, ({ category }) => String(category)).map(
          ({ category, average }) => `category ${category} average ${average}`,
        ),
      ];
    },
  },
  { name: 'q6: average selling price by seller', definition: q6, expected: oracles.q6 },
  { name: 'q20: bids with their auctions', definition: q20, long: true, expected: oracles.q20 },
];

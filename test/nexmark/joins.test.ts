/** The queries that put bids, auctions and persons together without a window. */
import q3 from '../../fixtures/jobs/nexmark/q3.js';
import q4 from '../../fixtures/jobs/nexmark/q4.js';
import q6 from '../../fixtures/jobs/nexmark/q6.js';
import q20 from '../../fixtures/jobs/nexmark/q20.js';
import { check, lastOf, rowsOf } from './check.js';
import * as oracles from './join-oracles.js';

check('q3: local items', { definition: q3, expected: oracles.q3 });

interface Average {
  readonly category: number;
  readonly auctions: number;
  readonly average: number;
}

check('q4: average price for a category', {
  definition: q4,
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
});

check('q6: average selling price by seller', { definition: q6, expected: oracles.q6 });
check('q20: bids with their auctions', { definition: q20, expected: oracles.q20 });

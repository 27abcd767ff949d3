/** The queries that look at bids alone, one by one or by key. */
import q0 from '../../fixtures/jobs/nexmark/q0.js';
import q1 from '../../fixtures/jobs/nexmark/q1.js';
import q2 from '../../fixtures/jobs/nexmark/q2.js';
import q16 from '../../fixtures/jobs/nexmark/q16.js';
import q18 from '../../fixtures/jobs/nexmark/q18.js';
import q19 from '../../fixtures/jobs/nexmark/q19.js';
import q22 from '../../fixtures/jobs/nexmark/q22.js';
import type { Bid } from '../../fixtures/jobs/nexmark/types.js';
import * as latest from './latest-oracles.js';
import { lastOf, type Query, rowsOf } from './query.js';
import * as stateless from './stateless-oracles.js';

interface ChannelDay {
  readonly channel: string;
  readonly day: string;
  readonly bids: { readonly total: number };
}

interface Placed extends Bid {
  readonly place: number;
}

export const BIDS: readonly Query[] = [
  { name: 'q0: pass through', definition: q0, long: true, expected: stateless.q0 },
  { name: 'q1: currency', definition: q1, long: true, expected: stateless.q1 },
  { name: 'q2: selection', definition: q2, expected: stateless.q2 },
  { name: 'q22: folders of a URL', definition: q22, long: true, expected: stateless.q22 },
  {
    name: 'q16: channel statistics',
    definition: q16,
    large: true,
    long: true,
    expected: latest.q16,
    found(lines) {
      const rows = rowsOf<ChannelDay>(lines);
      const keyOf = ({ channel, day }: ChannelDay) => `${channel} ${day}`;
      return [
        ...rows.map((row) => `${keyOf(row)} bid ${row.bids.total}`),
        ...lastOf(rows, keyOf).map((row) => JSON.stringify(row)),
      ];
    },
  },
  {
    name: 'q18: last bid',
    definition: q18,
    long: true,
    expected: latest.q18,
    found: (lines) =>
      lastOf(rowsOf<Bid>(lines), ({ bidder, auction }) => `${bidder} ${auction}`).map(
        ({ bidder, auction, time, price }) => `${bidder} ${auction} ${time} ${price}`,
      ),
  },
  {
    name: 'q19: top ten bids',
    definition: q19,
    long: true,
    expected: latest.q19,
    found: (lines) =>
      lastOf(rowsOf<Placed>(lines), ({ auction, place }) => `${auction} ${place}`).map(
        ({ auction, place, price, time }) => `${auction} ${place} ${price} ${time}`,
      ),
  },
];

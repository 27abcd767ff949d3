/** q0, q1, q2 and q22: each bid by itself. */
import { bids } from './events.js';
import { lines } from './plain.js';

export const q0 = () =>
  lines(bids.map(({ auction, bidder, price, time }) => ({ auction, bidder, price, time })));

export const q1 = () =>
  lines(bids.map(({ auction, bidder, price, time }) => ({ auction, bidder, price: price * 0.908, time })));

export const q2 = () => {
  const rows = [];
  for (const { auction, price } of bids)
    if (auction / 123 === Math.round(auction / 123)) rows.push({ auction, price });
  return lines(rows);
};

export const q22 = () =>
  lines(
    bids.map(({ auction, bidder, price, channel, url }) => {
      const path = /^https:\/\/[^/]+\/([^/]+)\/([^/]+)\/([^/]+)\//.exec(url);
      return { auction, bidder, price, channel, dir1: path?.[1], dir2: path?.[2], dir3: path?.[3] };
    }),
  );

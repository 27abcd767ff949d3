/** The queries that look at bids alone, against their oracles. */
import { BIDS } from './bids-queries.js';
import { check } from './check.js';

for (const query of BIDS) check(query);

/** The queries that join without a window, against their oracles. */

import { check } from './check.js';
import { JOINS } from './joins-queries.js';

for (const query of JOINS) check(query);

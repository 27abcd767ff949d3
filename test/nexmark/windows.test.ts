/** The queries with windows, against their oracles. */

import { check } from './check.js';
import { WINDOWS } from './windows-queries.js';

for (const query of WINDOWS) check(query);

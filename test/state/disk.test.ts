import { backendContract } from './contract.js';
import { diskFactory } from './disk-factory.js';

const HUGE = 1024 * 1024 * 1024;

backendContract('disk, a cache for all', diskFactory({ cacheBytes: HUGE, mergeEvery: 3 }));
// No row stays that may go, and slices end at every place there is.
backendContract('disk, no cache', diskFactory({ cacheBytes: 1, mergeEvery: 2, rowsPerLook: 1 }));

import { backendContract, changesContract } from './contract.js';
import { diskFactory } from './disk-factory.js';

const HUGE = 1024 * 1024 * 1024;
const order = 'any';

// Snapshots of all are those of which none is kept.
const huge = diskFactory({ cacheBytes: HUGE, mergeEvery: 3 });
backendContract('disk, a cache for all', huge, { order });
changesContract('disk, a cache for all', huge, { order });
// No row stays that may go, and slices end at every place there is.
const none = diskFactory({ cacheBytes: 1, mergeEvery: 2, rowsPerLook: 1 });
backendContract('disk, no cache', none, { order, modes: ['changes'] });
changesContract('disk, no cache', none, { order });

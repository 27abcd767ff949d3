import { backendContract, changesContract } from './contract.js';
import { diskFactory } from './disk-factory.js';

const HUGE = 1024 * 1024 * 1024;
// Spans of a millisecond, where entries live for 64 of them at most, so that counts are exact.
const common = { order: 'any', exactCounts: true } as const;

// Snapshots of all are those of which none is kept.
const huge = diskFactory({ cacheBytes: HUGE, mergeEvery: 3 });
backendContract('disk, a cache for all', huge, common);
changesContract('disk, a cache for all', huge, common);
// No row stays that may go, and slices end at every place there is.
const none = diskFactory({ cacheBytes: 1, mergeEvery: 2, rowsPerLook: 1 });
backendContract('disk, no cache', none, { ...common, modes: ['changes'] });
changesContract('disk, no cache', none, common);

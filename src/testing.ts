/** `tidemark/testing`: run a definition in a test, with a manual clock and no real time. See {@link testJob}. */
export { snapshotFromArchive } from './testing/from-archive.js';
export { ManualClock } from './testing/manual-clock.js';
export type { TakenSnapshot } from './testing/taken.js';
export { TestJob, type TestJobOptions, testJob } from './testing/test-job.js';

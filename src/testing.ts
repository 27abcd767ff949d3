/**
 * `tidemark/testing`: run a definition, or a piece of one, in a test, with a manual clock and no real time. See
 * {@link testJob} and {@link testOperator}.
 */
export { snapshotFromArchive } from './testing/from-archive.js';
export type { Harness, HarnessOptions } from './testing/harness.js';
export { ManualClock } from './testing/manual-clock.js';
export type { PaneState } from './testing/read-state.js';
export type { TakenSnapshot } from './testing/taken.js';
export { TestJob, type TestJobOptions, testJob } from './testing/test-job.js';
export { TestOperator, type TestOperatorOptions, testOperator } from './testing/test-operator.js';

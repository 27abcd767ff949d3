/**
 * Finishing what sinks have not committed of a job's newest checkpoint, as `cancel` does, for a job without a process.
 * The job stays what it is. Commits are idempotent: what is interrupted is done again, by whoever comes next.
 */
import type { Clock } from '../base/clock.js';
import type { Disk } from '../base/disk.js';
import type { Catalog } from '../catalog/catalog.js';
import type { JobRecord } from '../catalog/records.js';
import { frozenSettings } from '../graph/frozen-settings.js';
import { verifyBundle } from './bundle-store.js';
import { lockJob } from './lock-job.js';
import { type AttemptOutcome, RunningAttempt } from './run-attempt.js';
import { Targets } from './targets.js';

export interface FinishCommitsOptions {
  readonly catalog: Catalog;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** @throws JOB_RUNNING when a process has begun to run it; what a sink says, or BUNDLE_CORRUPT; the signal's reason */
export async function finishCommits(job: JobRecord, options: FinishCommitsOptions): Promise<void> {
  const { catalog, disk, signal } = options;
  const lock = lockJob(catalog, job);
  try {
    const last = catalog.lastCompleted(job.id);
    if (last === undefined || last.committedAt !== undefined) return;
    await verifyBundle(disk, catalog.home, job.bundle);
    // As it is now that nobody else can write about it.
    const held = catalog.job(job.id);
    const outcome = await commit(held, options);
    signal.throwIfAborted();
    if (outcome.kind === 'failed') throw outcome.error;
    catalog.commitCheckpoint(held.id, held.epoch, last.id);
  } finally {
    lock.release();
  }
}

async function commit(
  job: JobRecord,
  { catalog, disk, clock, signal }: FinishCommitsOptions,
): Promise<AttemptOutcome> {
  const { home } = catalog;
  const targets = new Targets({ job: job.id, name: job.name, home: home.root });
  const attempt = new RunningAttempt({
    catalog,
    home,
    disk,
    clock,
    job,
    settings: frozenSettings(job.settings),
    epoch: job.epoch,
    targets,
    mode: 'commit',
    stdout: async () => undefined,
    onEvent: () => undefined,
    onOutput: () => undefined,
  });
  const stop = () => void attempt.terminate();
  signal.addEventListener('abort', stop);
  try {
    return await attempt.outcome;
  } finally {
    signal.removeEventListener('abort', stop);
    targets.release(false);
  }
}

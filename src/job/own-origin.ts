/**
 * `restore --convert`: a native archive is rewritten as a savepoint into the folder of the job that it is for, so that
 * the archive may vanish as soon as the job is there.
 *
 *     id and folder reserved, lock held ─▶ converted, under its name ─▶ job created ─▶ lock free ─▶ the job runs
 *
 * Invariants: nothing is left of a restore that fails or is interrupted; what a killed one left is a folder whose lock
 * is free and that no job has, which the next job of the home and `prune` remove; the archive is only read. The job
 * removes its copy once it has a checkpoint of its own, or when it is over.
 */
import { rm } from 'node:fs/promises';
import { convertArchive } from '../archive/convert.js';
import { nameArchive } from '../archive/write.js';
import { TidemarkError } from '../base/errors.js';
import { failpoint } from '../base/failpoint.js';
import type { HomePaths } from '../base/home.js';
import { realDisk } from '../base/real-disk.js';
import type { Catalog } from '../catalog/catalog.js';
import type { Lock } from '../catalog/lock.js';
import type { JobRecord } from '../catalog/records.js';
import type { ArchiveProgress } from './archive-task.js';
import { type PlannedRestore, restoreJob } from './restore.js';

export interface ConvertingOptions {
  /** Aborted, nothing is left and the call rejects with its reason. */
  readonly signal: AbortSignal;
  onProgress(progress: ArchiveProgress): void;
}

/** Creates the job that a plan describes, from a converted copy of its archive. @throws as `restoreJob` and `convertArchive` */
export async function restoreConverted(
  catalog: Catalog,
  plan: PlannedRestore,
  options: ConvertingOptions,
): Promise<JobRecord> {
  if (plan.refusal !== undefined) throw plan.refusal;
  const { home } = catalog;
  const id = catalog.reserveJob(plan.name);
  const lock = catalog.lockJob(id, { pid: process.pid });
  try {
    if (lock === undefined)
      throw new TidemarkError('JOB_RUNNING', `the folder of the new job ${id} is in use`, {
        hint: 'try again',
      });
    const digest = await convert(home, id, plan, options);
    failpoint('restore-converted');
    return restoreJob(catalog, plan, { id, path: home.job(id).origin, digest });
  } catch (error) {
    await giveUp(home, id, lock);
    throw error;
  } finally {
    lock?.release();
  }
}

async function convert(
  home: HomePaths,
  id: string,
  plan: PlannedRestore,
  { signal, onProgress }: ConvertingOptions,
): Promise<string> {
  const { folder, origin } = home.job(id);
  const converted = await convertArchive({
    disk: realDisk,
    input: plan.snapshot.path,
    output: { path: origin },
    spoolFolder: folder,
    signal,
    onProgress: ({ entries, bytes }, phase) => onProgress({ phase, entries, bytes }),
  });
  await nameArchive(converted, signal);
  return converted.digest;
}

async function giveUp(home: HomePaths, id: string, lock: Lock | undefined): Promise<void> {
  // Free before its file is removed: SQLite must not hold a file that is gone.
  lock?.release();
  await rm(home.job(id).folder, { recursive: true, force: true });
}

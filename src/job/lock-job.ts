import { TidemarkError } from '../base/errors.js';
import type { Catalog } from '../catalog/catalog.js';
import type { Lock } from '../catalog/lock.js';
import type { JobRecord } from '../catalog/records.js';

/** Takes the lock of a job's runner. @throws JOB_RUNNING when another has it. */
export function lockJob(catalog: Catalog, job: JobRecord): Lock {
  const lock = catalog.lockJob(job.id, { pid: process.pid });
  if (lock !== undefined) return lock;
  throw new TidemarkError('JOB_RUNNING', `job ${job.name} (${job.id}) is run by another process`, {
    hint: `tidemark status ${job.name}, or stop it first: tidemark suspend ${job.name}`,
  });
}

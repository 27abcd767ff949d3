/** Runs a job in a process of its own, and returns once it runs. */
import type { Catalog } from '../catalog/catalog.js';
import type { JobRecord } from '../catalog/records.js';
import { detach } from '../job/detach.js';
import type { Context } from './context.js';
import { endedByError } from './foreground.js';

/** Milliseconds after which the command no longer waits for the job to run. */
const PATIENCE = 30_000;

/** The job as it is once it runs, or has ended already. Rejects with its error when it cannot start. */
export async function runInBackground(
  context: Context,
  catalog: Catalog,
  job: JobRecord,
): Promise<JobRecord> {
  const { printer, environment } = context;
  const wheel = await printer.spinner(`starting ${job.name}`);
  try {
    const outcome = await detach({ home: catalog.home, job, environment, patienceMs: PATIENCE });
    const found = catalog.job(job.id);
    if (outcome.type === 'ended' && found.state === 'failed') throw endedByError(found);
    wheel.stop();
    if (outcome.type === 'starting') {
      const why = outcome.lastFailure === undefined ? '' : `; so far: ${outcome.lastFailure.message}`;
      printer.warn(`${job.name} still starts after ${PATIENCE / 1_000}s${why}`);
    } else {
      printer.note(`${job.name} (${job.id}) is ${found.state}; tidemark status ${job.name} shows it`);
    }
    return found;
  } finally {
    wheel.stop();
  }
}

/** `tidemark stop <job> [-o FILE|-] [--drain]` */
import { TidemarkError } from '../../base/errors.js';
import type { Catalog } from '../../catalog/catalog.js';
import { isLive } from '../../catalog/job-state.js';
import { isLocked } from '../../catalog/lock.js';
import type { JobRecord } from '../../catalog/records.js';
import type { Context, Given } from '../context.js';
import { type Deadline, until } from '../follow-job.js';
import { withCatalog } from '../session.js';
import { takeSavepoint } from '../take-savepoint.js';

export function run(given: Given, context: Context): Promise<number> {
  const taking = { stop: true, drain: given.flag('drain') };
  return withCatalog(context, false, (catalog) =>
    takeSavepoint(given, context, catalog, taking, (job, deadline) =>
      untilStopped(context, catalog, job, deadline),
    ),
  );
}

/** The archive has its name; what is left is that the job closes its sinks and lets go of its lock. */
async function untilStopped(
  context: Context,
  catalog: Catalog,
  { id, name }: JobRecord,
  deadline: Deadline,
): Promise<void> {
  const { lock } = catalog.home.job(id);
  const { epoch } = catalog.job(id);
  const ended = await until(context, deadline, `${name} has its savepoint, but has not ended`, () => {
    const job = catalog.job(id);
    if (job.state === 'restarting' || job.epoch > epoch) throw runsOn(job);
    return isLive(job.state) || isLocked(lock) ? undefined : job;
  });
  if (ended.state !== 'finished') throw runsOn(ended);
}

function runsOn(job: JobRecord): TidemarkError {
  const why = job.error === undefined ? '' : `: ${job.error.message}`;
  return new TidemarkError(
    'JOB_FAILED',
    `${job.name} has its savepoint, but is ${job.state}: it failed while it ended${why}`,
    { hint: `tidemark snapshots ${job.name} names the savepoint; the job: tidemark status ${job.name}` },
  );
}

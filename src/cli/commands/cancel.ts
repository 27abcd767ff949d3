/** `tidemark cancel <job>` */
import type { Catalog } from '../../catalog/catalog.js';
import { isLive, isOver } from '../../catalog/job-state.js';
import type { JobRecord } from '../../catalog/records.js';
import type { Context, Given } from '../context.js';
import { endLiveJob, tellEnd } from '../end-job.js';
import type { Deadline } from '../follow-job.js';
import { withCatalog } from '../session.js';
import { deadlineOf, jobEnded } from '../steer.js';

export function run(given: Given, context: Context): Promise<number> {
  const deadline = deadlineOf(given, context);
  return withCatalog(context, false, async (catalog) => {
    const job = catalog.job(given.operands[0] ?? '');
    if (isOver(job.state)) throw jobEnded(job);
    const ended = isLive(job.state)
      ? await cancelLive(context, catalog, job, deadline)
      : await cancelAtRest(context, catalog, job);
    const kept = catalog.lastCompleted(job.id);
    const checkpoints = kept === undefined ? '' : `; its checkpoint ${kept.id} is retained`;
    return tellEnd(context, ended, 'canceled', `${job.name} is canceled${checkpoints}`);
  });
}

function cancelLive(
  context: Context,
  catalog: Catalog,
  job: JobRecord,
  deadline: Deadline,
): Promise<JobRecord> {
  return endLiveJob(context, catalog, job, deadline, {
    path: '/v1/cancel',
    doing: `canceling ${job.name}`,
  });
}

/** A suspended, lost or failed job has no process; what it left is finished here. */
async function cancelAtRest(context: Context, catalog: Catalog, job: JobRecord): Promise<JobRecord> {
  const { cancelOffline } = await import('../../job/runner.js');
  const { environment, printer } = context;
  const wheel = await printer.spinner(`canceling ${job.name}: finishing its commits`);
  try {
    return await cancelOffline({
      home: catalog.home,
      catalog,
      job: job.id,
      environment,
      stdout: (text) => printer.data(text),
      onEvent() {},
    });
  } finally {
    wheel.stop();
  }
}

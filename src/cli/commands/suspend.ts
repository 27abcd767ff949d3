/** `tidemark suspend <job>` */
import type { Context, Given } from '../context.js';
import { endLiveJob, tellEnd } from '../end-job.js';
import { withCatalog } from '../session.js';
import { deadlineOf } from '../steer.js';

export function run(given: Given, context: Context): Promise<number> {
  const deadline = deadlineOf(given, context);
  return withCatalog(context, false, async (catalog) => {
    const job = catalog.job(given.operands[0] ?? '');
    const { name, id } = job;
    const ended = await endLiveJob(context, catalog, job, deadline, {
      path: '/v1/suspend',
      doing: `suspending ${name}: taking a last checkpoint`,
    });
    const last = catalog.lastCompleted(id);
    const at = last === undefined ? 'before its first checkpoint' : `at checkpoint ${last.id}`;
    return tellEnd(
      context,
      ended,
      'suspended',
      `${name} is suspended ${at}; go on with: tidemark resume ${name}`,
    );
  });
}

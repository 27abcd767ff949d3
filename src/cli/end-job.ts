/** Ending a live job from outside, as `suspend` and `cancel` do, and telling how it ended. */
import { EXIT, TidemarkError } from '../base/errors.js';
import type { Catalog } from '../catalog/catalog.js';
import type { JobRecord, JobState } from '../catalog/records.js';
import { frozenSettings } from '../graph/frozen-settings.js';
import { jobOutcome } from '../job/status.js';
import type { Context } from './context.js';
import { type Deadline, untilReleased } from './follow-job.js';
import { ask, type Request } from './steer.js';

/** Asks a live job to end, and waits until it has and its process has let go of it. */
export async function endLiveJob(
  context: Context,
  catalog: Catalog,
  job: JobRecord,
  deadline: Deadline,
  request: Request,
): Promise<JobRecord> {
  try {
    await ask(context, catalog, job, deadline, request);
  } catch (error) {
    // The process may end before its answer is out; how it ended stands in the catalog.
    if (!(error instanceof TidemarkError) || error.code !== 'NO_ANSWER') throw error;
    const after = catalog.job(job.id);
    if (after.state === 'running' || after.state === 'restarting' || after.state === 'lost') throw error;
  }
  return untilReleased(context, catalog, job.id, deadline);
}

/** Prints how the job ended; an error when it is not what was asked for. */
export async function tellEnd(
  { printer }: Context,
  job: JobRecord,
  wanted: JobState,
  text: string,
): Promise<number> {
  if (job.state === wanted) {
    if (printer.json) await printer.document(jobOutcome(job));
    else printer.note(text);
    return EXIT.done;
  }
  if (job.state === 'failed') throw failed(job);
  throw new TidemarkError('JOB_ENDED', `${job.name} is ${job.state}: it ended before it could be ${wanted}`, {
    hint: `tidemark status ${job.name}`,
  });
}

/** The error that ended a job, for whoever waited for it to end otherwise. */
export function failed(job: JobRecord): TidemarkError {
  const {
    code: _code,
    message,
    hint,
    ...where
  } = job.error ?? { message: 'for a reason that is not recorded' };
  return new TidemarkError('JOB_FAILED', `${job.name} (${job.id}) failed: ${message}`, {
    ...where,
    hint: hint ?? goOnHint(job),
  });
}

/** The frozen code would fail again where it was the code that failed. */
export function goOnHint({ name, settings }: JobRecord): string {
  if (frozenSettings(settings).checkpoint.onFailure === 'delete')
    return `tidemark logs ${name}; it dropped its checkpoints (--on-failure delete), so start it again, or: tidemark snapshots ${name}`;
  return `tidemark logs ${name}; then tidemark resume ${name}, with --definition FILE when the code was mended`;
}

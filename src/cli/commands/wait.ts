/** `tidemark wait <job> --until running|checkpoint|finished [--timeout]` */
import { EXIT, TidemarkError } from '../../base/errors.js';
import type { JobRecord } from '../../catalog/records.js';
import { jobOutcome } from '../../job/status.js';
import type { Context, Given } from '../context.js';
import { failed } from '../end-job.js';
import { isStarting, until } from '../follow-job.js';
import { withCatalog } from '../session.js';
import { deadlineOf } from '../steer.js';

export type Goal = 'running' | 'checkpoint' | 'finished';

export function run(given: Given, context: Context): Promise<number> {
  const goal = goalOf(given.text('until'));
  const deadline = deadlineOf(given, context);
  return withCatalog(context, false, async (catalog) => {
    const { id, name } = catalog.job(given.operands[0] ?? '');
    const wheel = await context.printer.spinner(`waiting for ${name}: ${goal}`);
    const job = await until(context, deadline, `${name} is not ${goal}`, () => {
      const found = catalog.job(id);
      if (isStarting(found, context.clock.now())) return undefined;
      return reached(goal, found, catalog.checkpoints(id).some(isOrWasComplete)) ? found : undefined;
    }).finally(() => wheel.stop());
    if (context.printer.json) await context.printer.document(jobOutcome(job));
    else context.printer.note(goal === 'checkpoint' ? `${name} has a checkpoint` : `${name} is ${job.state}`);
    return EXIT.done;
  });
}

function goalOf(text: string | undefined): Goal {
  if (text === 'running' || text === 'checkpoint' || text === 'finished') return text;
  throw new TidemarkError('USAGE', '--until is missing', {
    hint: 'give --until running, checkpoint or finished',
  });
}

function isOrWasComplete({ state }: { readonly state: string }): boolean {
  return state === 'completed' || state === 'subsumed';
}

/**
 * Whether it is so; false: not yet. A job that has finished did run, and a checkpoint that has been subsumed was
 * taken. Throws JOB_FAILED, or JOB_NOT_RUNNING and JOB_ENDED when nothing that is under way can bring it about.
 */
export function reached(goal: Goal, job: JobRecord, hasCheckpoint: boolean): boolean {
  if (goal === 'checkpoint' && hasCheckpoint) return true;
  switch (job.state) {
    case 'running':
      return goal === 'running';
    case 'created':
    case 'restarting':
      return false;
    case 'finished':
      if (goal !== 'checkpoint') return true;
      throw tooLate('JOB_ENDED', job, 'it took no checkpoint');
    case 'failed':
      throw failed(job);
    case 'canceled':
      throw tooLate('JOB_ENDED', job, 'nothing comes after that');
    case 'suspended':
    case 'lost':
      throw tooLate('JOB_NOT_RUNNING', job, 'it waits for somebody to resume it');
  }
}

function tooLate(
  code: 'JOB_ENDED' | 'JOB_NOT_RUNNING',
  { name, state }: JobRecord,
  why: string,
): TidemarkError {
  return new TidemarkError(code, `${name} is ${state}: ${why}`, {
    hint: code === 'JOB_ENDED' ? `tidemark status ${name}` : `tidemark resume ${name}`,
  });
}

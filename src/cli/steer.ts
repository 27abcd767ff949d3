/** What `checkpoint`, `suspend` and `cancel` have in common: a live job that is asked for something. */
import { assert } from '../base/assert.js';
import { parseDuration } from '../base/duration.js';
import { TidemarkError } from '../base/errors.js';
import type { Catalog } from '../catalog/catalog.js';
import { isLive } from '../catalog/job-state.js';
import type { JobRecord } from '../catalog/records.js';
import { callControl } from '../control/client.js';
import type { Context, Given } from './context.js';
import { Deadline, isStarting, until } from './follow-job.js';

export interface Request {
  readonly path: '/v1/checkpoint' | '/v1/suspend' | '/v1/cancel';
  readonly body?: Readonly<Record<string, unknown>>;
  /** What the spinner says: `suspending word-count`. */
  readonly doing: string;
}

export function deadlineOf(given: Given, context: Context): Deadline {
  const timeout = given.text('timeout');
  return new Deadline(context, timeout === undefined ? undefined : parseDuration(timeout, '--timeout'));
}

/** Asks the process of a live job, and resolves with its answer. */
export async function ask(
  context: Context,
  catalog: Catalog,
  job: JobRecord,
  deadline: Deadline,
  request: Request,
): Promise<unknown> {
  const wheel = await context.printer.spinner(request.doing);
  try {
    const socket = await liveSocket(context, catalog, job, deadline);
    return await callControl(socket, 'POST', request.path, request.body, deadline.left());
  } finally {
    wheel.stop();
  }
}

/** The control socket of a live job; waits for its process to start. */
export function liveSocket(
  context: Context,
  catalog: Catalog,
  job: JobRecord,
  deadline: Deadline,
): Promise<string> {
  return until(context, deadline, 'waiting for the job to start', () => socketOf(context, catalog, job.id));
}

/** The socket of a live job; undefined while its process starts. */
function socketOf({ clock }: Context, catalog: Catalog, id: string): string | undefined {
  const job = catalog.job(id);
  if (isStarting(job, clock.now())) return undefined;
  if (!isLive(job.state)) throw notLive(job);
  return job.epoch === 0 ? undefined : (job.socket ?? noSocket(job));
}

function noSocket(job: JobRecord): never {
  throw new TidemarkError(
    'NO_SOCKET',
    `the process of ${job.name} (${job.pid ?? '?'}) has no control socket`,
    {
      hint: `send it a signal instead: kill ${job.pid ?? '<pid>'} suspends it`,
    },
  );
}

/** Why a job that is not live cannot be asked for anything, and what to type instead. */
export function notLive(job: JobRecord): TidemarkError {
  const { name, state } = job;
  if (state === 'lost') {
    return new TidemarkError('JOB_NOT_RUNNING', `${name} is lost: its process died without ending it`, {
      hint: `tidemark resume ${name} goes on from its last checkpoint; tidemark cancel ${name} ends it`,
    });
  }
  if (state === 'suspended' || state === 'failed') {
    return new TidemarkError('JOB_NOT_RUNNING', `${name} is ${state}, it does not run`, {
      hint: `tidemark resume ${name}`,
    });
  }
  assert(state === 'finished' || state === 'canceled', `job in state ${state} is live`);
  return jobEnded(job);
}

export function jobEnded({ name, state, id }: JobRecord): TidemarkError {
  return new TidemarkError('JOB_ENDED', `${name} (${id}) is ${state}; nothing comes after that`, {
    hint: 'tidemark run <definition> starts a new one',
  });
}

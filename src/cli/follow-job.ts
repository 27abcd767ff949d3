/** Waiting for what happens to a job, by looking at the catalog. */
import { TidemarkError } from '../base/errors.js';
import type { Catalog } from '../catalog/catalog.js';
import { isLive } from '../catalog/job-state.js';
import { isLocked } from '../catalog/lock.js';
import type { JobRecord } from '../catalog/records.js';
import type { Context } from './context.js';

/** Milliseconds between two looks; one costs a row and a probe of the job's lock. */
const INTERVAL = 100;
/** Milliseconds that a job which has just been made has for its process to appear. */
const START_GRACE = 30_000;

/** When to give up: `ms` from now, or never when it is undefined. */
export class Deadline {
  readonly #context: Context;
  readonly #end: number;
  readonly #ms: number;

  constructor(context: Context, ms: number | undefined) {
    this.#context = context;
    this.#ms = ms ?? Number.POSITIVE_INFINITY;
    this.#end = context.clock.monotonic() + this.#ms;
  }

  /** Milliseconds left, at least one; 0 stands for no limit. */
  left(): number {
    if (this.#end === Number.POSITIVE_INFINITY) return 0;
    return Math.max(1, Math.ceil(this.#end - this.#context.clock.monotonic()));
  }

  /** @throws TIMEOUT when it has passed. */
  check(what: string): void {
    if (this.#context.clock.monotonic() < this.#end) return;
    throw new TidemarkError('TIMEOUT', `${what}: not within ${this.#ms} ms`, {
      hint: 'it goes on; look again with tidemark status, or give a longer --timeout',
    });
  }
}

/** Looks again and again until `decide` gives something. Throws what `decide` throws, and TIMEOUT. */
export async function until<T>(
  context: Context,
  deadline: Deadline,
  what: string,
  decide: () => T | undefined,
): Promise<T> {
  for (;;) {
    const decided = decide();
    if (decided !== undefined) return decided;
    deadline.check(what);
    await context.clock.sleep(Math.min(INTERVAL, deadline.left() || INTERVAL));
  }
}

/** Whether it was made just now and its process has not appeared yet, which the catalog shows as `lost`. */
export function isStarting(job: JobRecord, now: number): boolean {
  return (
    job.epoch === 0 && (job.state === 'lost' || job.state === 'created') && now - job.createdAt < START_GRACE
  );
}

/** The job once its process has let go of it, so that the next command finds it free. */
export function untilReleased(
  context: Context,
  catalog: Catalog,
  id: string,
  deadline: Deadline,
): Promise<JobRecord> {
  const { lock } = catalog.home.job(id);
  return until(context, deadline, 'waiting for the job to end', () => {
    const job = catalog.job(id);
    return isLive(job.state) || isLocked(lock) ? undefined : job;
  });
}

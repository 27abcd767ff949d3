/**
 * What an upgrade does with a version that it has restored: watches it until its first checkpoint, or ends it so that
 * its place is free.
 */
import type { Clock } from '../base/clock.js';
import { TidemarkError } from '../base/errors.js';
import type { Catalog } from '../catalog/catalog.js';
import { isOver } from '../catalog/job-state.js';
import { lockInfo } from '../catalog/lock.js';
import type { JobRecord } from '../catalog/records.js';
import { callControl } from '../control/client.js';
import { lockJob } from './lock-job.js';
import { cancelOffline } from './runner.js';
import { hasProcess } from './upgrade-facts.js';
import { LOOK_EVERY } from './upgrade-old.js';

/** Milliseconds for an answer of a job that is looked at, and that is told to end. */
const ANSWER_MS = 2_000;
/** Milliseconds that a process has to end by itself, and to be gone when it was killed. */
const END_MS = 10_000;
/** Elements have flowed: a checkpoint is asked for after so many milliseconds. */
const BUSY_MS = 500;
/** None have: after so many. */
const QUIET_MS = 3_000;

/**
 * Asks a new version for its first checkpoint, once it has shown that it can process, so that nobody waits for its
 * interval; where no input comes, after a while. The schedule may be quicker.
 */
export class FirstCheckpoint {
  readonly #clock: Clock;
  #runningSince: number | undefined;
  #askedAt: number | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be called again and again while it is on trial. Never rejects: what comes of it is seen in the catalog. */
  async look({ state, socket }: JobRecord): Promise<void> {
    const now = this.#clock.monotonic();
    if (state !== 'running' || socket === undefined || this.#askedAt !== undefined) return;
    this.#runningSince ??= now;
    const since = now - this.#runningSince;
    if (since < BUSY_MS || now - this.#lookedAt < BUSY_MS) return;
    this.#lookedAt = now;
    if (since < QUIET_MS && !(await this.#processes(socket))) return;
    this.#askedAt = now;
    // A job that still starts refuses; it is asked again.
    callControl(socket, 'POST', '/v1/checkpoint', { full: false }, 0).catch(() => {
      this.#askedAt = undefined;
    });
  }

  async #processes(socket: string): Promise<boolean> {
    const status = await callControl(socket, 'GET', '/v1/status', undefined, ANSWER_MS).catch(
      () => undefined,
    );
    if (typeof status !== 'object' || status === null || !('elements' in status)) return false;
    return typeof status.elements === 'number' && status.elements > 0;
  }
}

export interface EndingParts {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Ends a job that was fenced, and cancels it, so that its name and its targets are free. What its sinks have prepared
 * is taken away where its code still loads. @throws NO_ANSWER when its process cannot be ended
 */
export async function endFenced(parts: EndingParts, id: string): Promise<void> {
  await endProcess(parts, id);
  const job = parts.catalog.job(id);
  if (isOver(job.state)) return;
  const { catalog, clock, environment } = parts;
  try {
    const quiet = { stdout: async () => undefined, onEvent: () => undefined };
    await cancelOffline({ home: catalog.home, catalog, clock, job: id, environment, ...quiet });
  } catch {
    // Its code cannot be loaded to tidy up. Nothing of it is committed, and its place is needed.
    cancelByHand(catalog, id);
  }
}

async function endProcess({ catalog, clock }: EndingParts, id: string): Promise<void> {
  const job = catalog.job(id);
  if (!hasProcess(catalog, job)) return;
  if (job.socket !== undefined) {
    await callControl(job.socket, 'POST', '/v1/cancel', {}, ANSWER_MS).catch(() => undefined);
    if (await untilGone(catalog, clock, job)) return;
  }
  const pid = lockInfo(catalog.home.job(id).lock)?.['pid'];
  if (typeof pid === 'number' && hasProcess(catalog, job)) kill(pid);
  if (await untilGone(catalog, clock, job)) return;
  throw new TidemarkError('NO_ANSWER', `the process of ${job.name} (${id}), ${pid ?? '?'}, does not end`, {
    hint: `end it, then: tidemark upgrade ${job.name} --recover`,
  });
}

async function untilGone(catalog: Catalog, clock: Clock, job: JobRecord): Promise<boolean> {
  const end = clock.monotonic() + END_MS;
  while (hasProcess(catalog, job)) {
    if (clock.monotonic() > end) return false;
    await clock.sleep(LOOK_EVERY);
  }
  return true;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function cancelByHand(catalog: Catalog, id: string): void {
  const lock = lockJob(catalog, catalog.job(id));
  try {
    const epoch = catalog.beginAttempt(id, { pid: process.pid, socket: undefined });
    catalog.transition(id, epoch, 'canceled', { endedBy: 'cancel' });
  } finally {
    lock.release();
  }
}

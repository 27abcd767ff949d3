/** What an upgrade does with the old version while that runs: saves it aside to look at, and stops it. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../base/clock.js';
import { TidemarkError } from '../base/errors.js';
import { systemRandom } from '../base/random.js';
import type { Catalog } from '../catalog/catalog.js';
import { isLive } from '../catalog/job-state.js';
import type { JobRecord } from '../catalog/records.js';
import { callControl } from '../control/client.js';
import type { SavepointResult } from './savepoint.js';
import { hasProcess } from './upgrade-facts.js';

/** Milliseconds between two looks at the catalog, and at how far a savepoint is. */
export const LOOK_EVERY = 100;
const WATCH_EVERY = 300;
const WATCH_TIMEOUT = 2_000;
/** Milliseconds that a job which was stopped, or whose process has died, has to show that in the catalog. */
const SETTLE_MS = 60_000;

const ASIDE = /^upgrade-[0-9a-f]{12}\.savepoint\.tar$/;

export interface OldParts {
  readonly catalog: Catalog;
  readonly clock: Clock;
  /** What the job says of the savepoint it is taking. */
  onSaving(saving: unknown): void;
}

/** A savepoint in the job's own folder, to look at; {@link removeAside} takes it away. The job runs on. */
export async function saveAside(parts: OldParts, job: JobRecord): Promise<SavepointResult> {
  const { folder } = parts.catalog.home.job(job.id);
  removeAside(parts.catalog, job.id);
  const unique = Buffer.from(systemRandom.bytes(6)).toString('hex');
  const output = join(folder, `upgrade-${unique}.savepoint.tar`);
  return await savepoint(parts, job, {
    output,
    force: false,
    stop: false,
    reason: 'looked at by an upgrade',
  });
}

/** Also what an upgrade that was killed has left. */
export function removeAside(catalog: Catalog, job: string): void {
  const { folder } = catalog.home.job(job);
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder).filter((one) => ASIDE.test(one))) {
    rmSync(join(folder, name), { force: true });
    catalog.forgetSavepoint(job, join(folder, name));
  }
}

export interface Stopping {
  readonly output: string;
  readonly force: boolean;
  readonly reason: string;
}

/** Ends the job with a savepoint. Rejects when it runs on, and when it failed meanwhile. */
export async function stopWithSavepoint(
  parts: OldParts,
  job: JobRecord,
  stopping: Stopping,
): Promise<SavepointResult> {
  const { catalog } = parts;
  try {
    const taken = await savepoint(parts, job, { ...stopping, stop: true });
    await untilStopped(parts, job);
    return taken;
  } catch (error) {
    if (!(error instanceof TidemarkError) || error.code !== 'NO_ANSWER') throw error;
    // Its process may end before its answer is out; the catalog knows of the archive then.
    await untilStopped(parts, job);
    const last = catalog.savepoints(job.id).at(-1);
    if (catalog.job(job.id).endedBy !== 'stop' || last?.kind !== 'stop') throw error;
    const { path, digest, bytes, checkpoint } = last;
    return { path, kind: 'savepoint', layout: 'canonical', digest, bytes, checkpointId: checkpoint };
  }
}

/** Until the job has let go of its lock. @throws JOB_FAILED when it goes on instead. */
async function untilStopped({ catalog, clock }: OldParts, { id, name, epoch }: JobRecord): Promise<void> {
  const end = clock.monotonic() + SETTLE_MS;
  for (;;) {
    const job = catalog.job(id);
    if (!isLive(job.state) && !hasProcess(catalog, job)) return;
    if (job.state === 'restarting' || job.epoch > epoch) {
      const why = job.error === undefined ? '' : `: ${job.error.message}`;
      throw new TidemarkError('JOB_FAILED', `${name} failed while it ended, and runs on${why}`, {
        hint: `tidemark status ${name}`,
      });
    }
    if (clock.monotonic() > end) {
      throw new TidemarkError('TIMEOUT', `${name} has not ended after ${SETTLE_MS / 1_000} s`, {
        hint: `tidemark status ${name}`,
      });
    }
    await clock.sleep(LOOK_EVERY);
  }
}

/** Waits for a savepoint that somebody else has asked for. */
export async function untilSaved(
  { catalog, clock }: Pick<OldParts, 'catalog' | 'clock'>,
  id: string,
): Promise<void> {
  for (;;) {
    const job = catalog.job(id);
    if (!isLive(job.state) || job.socket === undefined) return;
    const status = await callControl(job.socket, 'GET', '/v1/status', undefined, WATCH_TIMEOUT).catch(
      () => undefined,
    );
    if (savingIn(status) === undefined) return;
    await clock.sleep(WATCH_EVERY);
  }
}

async function savepoint(
  parts: OldParts,
  job: JobRecord,
  request: Stopping & { readonly stop: boolean },
): Promise<SavepointResult> {
  const socket = socketOf(parts.catalog.job(job.id));
  const over = new AbortController();
  void watch(parts, socket, over.signal);
  try {
    const answer = await callControl(socket, 'POST', '/v1/savepoint', { ...request, drain: false }, 0);
    if (isSavepoint(answer)) return answer;
    throw new TidemarkError('NO_ANSWER', `the answer of ${job.name} names no archive`, {
      hint: `tidemark status ${job.name}`,
    });
  } finally {
    over.abort();
  }
}

async function watch({ clock, onSaving }: OldParts, socket: string, over: AbortSignal): Promise<void> {
  for (;;) {
    await clock.sleep(WATCH_EVERY, over);
    if (over.aborted) return;
    const status = await callControl(socket, 'GET', '/v1/status', undefined, WATCH_TIMEOUT).catch(
      () => undefined,
    );
    const saving = savingIn(status);
    if (saving !== undefined && !over.aborted) onSaving(saving);
  }
}

function savingIn(status: unknown): object | undefined {
  if (typeof status !== 'object' || status === null || !('saving' in status)) return undefined;
  return typeof status.saving === 'object' && status.saving !== null ? status.saving : undefined;
}

function socketOf({ name, pid, socket }: JobRecord): string {
  if (socket !== undefined) return socket;
  throw new TidemarkError('NO_SOCKET', `the process of ${name} (${pid ?? '?'}) has no control socket`, {
    hint: `stop it by a signal, and go on with it by: tidemark resume ${name}`,
  });
}

function isSavepoint(answer: unknown): answer is SavepointResult {
  if (typeof answer !== 'object' || answer === null) return false;
  const { path, digest, bytes, checkpointId } = answer as Partial<Record<keyof SavepointResult, unknown>>;
  const text = typeof path === 'string' && typeof digest === 'string';
  return text && typeof bytes === 'number' && typeof checkpointId === 'number';
}

/** What the catalog says of the versions of an upgrade, in the words of upgrade-plan.ts. Pure, but for the locks it asks. */
import { isDeepStrictEqual } from 'node:util';
import type { Catalog } from '../catalog/catalog.js';
import { isLive } from '../catalog/job-state.js';
import { isLocked } from '../catalog/lock.js';
import type { JobOrigin, JobRecord, SavepointRecord } from '../catalog/records.js';
import { frozenSettings } from '../graph/frozen-settings.js';
import { isMarked } from './upgrade-mark.js';
import type { NewVersion, OldVersion, RestoredVersion } from './upgrade-plan.js';

/** What the reason of a savepoint begins with that an upgrade stopped its job with. */
const REASON = 'upgrade';

export function upgradeReason(reason: string | undefined): string {
  return reason === undefined ? REASON : `${REASON}: ${reason}`;
}

/** Its process holds its lock, or will do so as soon as it is up. */
export function hasProcess(catalog: Catalog, { id }: JobRecord): boolean {
  return isLocked(catalog.home.job(id).lock);
}

export function oldVersion(job: JobRecord, savepoint: { readonly path: string } | undefined): OldVersion {
  if (isLive(job.state)) return 'runs';
  if (job.state === 'finished' && job.endedBy === 'stop' && savepoint !== undefined) return 'stopped';
  return job.state === 'failed' || job.state === 'lost' ? 'down' : 'ended';
}

/** What the one who runs the upgrade knows of the new version besides. */
export interface AboutNew {
  /** Its process has been started, and has told how that went. */
  readonly started: boolean;
  readonly fenced: boolean;
  /** The time for its first checkpoint is over. */
  readonly expired: boolean;
}

export function newVersion(catalog: Catalog, job: JobRecord, about: AboutNew): NewVersion {
  const { state } = job;
  const completed = catalog.checkpoints(job.id).filter(({ completedAt }) => completedAt !== undefined);
  if (completed.length > 0) {
    if (state === 'failed' || state === 'lost' || state === 'canceled') return 'down';
    const committed = completed.some(({ committedAt }) => committedAt !== undefined);
    return committed || about.expired ? 'proven' : 'committing';
  }
  if (state === 'canceled') return 'gone';
  if (about.fenced) return 'fenced';
  if (job.epoch === 0 && !hasProcess(catalog, job)) return about.started ? 'failed' : 'created';
  if (!isLive(state) || state === 'restarting' || job.restarts > 0) return 'failed';
  return about.expired ? 'expired' : 'trial';
}

export function restoredVersion(catalog: Catalog, job: JobRecord, started: boolean): RestoredVersion {
  if (job.epoch === 0 && !hasProcess(catalog, job)) return started ? 'down' : 'created';
  // One whose input is at its end has done what it was restored for.
  return isLive(job.state) || job.state === 'finished' || job.state === 'suspended' ? 'runs' : 'down';
}

/** An upgrade that was left unfinished, as far as the catalog shows it. */
export interface FoundUpgrade {
  readonly old: JobRecord;
  /** What the old version was stopped with, if it was. */
  readonly savepoint: SavepointRecord | undefined;
  /** The newest job that began from there and was not given up. */
  readonly successor: JobRecord | undefined;
  /** The successor is the old version again. */
  readonly isOld: boolean;
}

/** The unfinished upgrade that `job` is the old or the new version of; undefined when it is neither. */
export function findUpgrade(catalog: Catalog, job: JobRecord): FoundUpgrade | undefined {
  const old = unfinishedOld(catalog, job);
  if (old === undefined) return undefined;
  const last = catalog.savepoints(old.id).at(-1);
  const savepoint = last?.kind === 'stop' && isReason(last.reason) ? last : undefined;
  const successor =
    savepoint === undefined
      ? undefined
      : catalog
          .jobs({ all: true })
          .find(({ origin, state }) => isFrom(origin, savepoint) && state !== 'canceled');
  return { old, savepoint, successor, isOld: successor !== undefined && isSameVersion(successor, old) };
}

function unfinishedOld(catalog: Catalog, job: JobRecord): JobRecord | undefined {
  if (isMarked(catalog, job.id)) return job;
  const from = catalog.savepoints().findLast((one) => isFrom(job.origin, one));
  return from !== undefined && isMarked(catalog, from.job) ? catalog.job(from.job) : undefined;
}

function isFrom(origin: JobOrigin | undefined, { path, digest }: SavepointRecord): boolean {
  return origin?.path === path && origin.digest === digest;
}

function isReason(reason: string | undefined): boolean {
  return reason === REASON || reason?.startsWith(`${REASON}: `) === true;
}

function isSameVersion(a: JobRecord, b: JobRecord): boolean {
  return (
    a.bundle === b.bundle &&
    isDeepStrictEqual(a.params, b.params) &&
    isDeepStrictEqual(frozenSettings(a.settings), frozenSettings(b.settings))
  );
}

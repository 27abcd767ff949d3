/** What the catalog says of the versions of an upgrade, in the words of upgrade-plan.ts. Pure, but for the locks it asks. */
import type { Catalog } from '../catalog/catalog.js';
import { isLive } from '../catalog/job-state.js';
import { isLocked } from '../catalog/lock.js';
import type { JobRecord, SavepointRecord } from '../catalog/records.js';
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

/** An upgrade that somebody began, as far as the catalog shows it. */
export interface FoundUpgrade {
  readonly old: JobRecord;
  /** What it was stopped with. */
  readonly savepoint: SavepointRecord;
  /** The newest job that began from there and was not given up. */
  readonly successor: JobRecord | undefined;
  /** The successor is the old version again. */
  readonly isOld: boolean;
}

/** The newest upgrade that `job` is the old or the new version of; undefined when it is neither. */
export function findUpgrade(catalog: Catalog, job: JobRecord): FoundUpgrade | undefined {
  const ofUpgrades = catalog.savepoints().filter(({ kind, reason }) => kind === 'stop' && isReason(reason));
  const savepoint =
    ofUpgrades.findLast((one) => one.job === job.id) ??
    ofUpgrades.findLast(({ path, digest }) => job.origin?.path === path && job.origin.digest === digest);
  if (savepoint === undefined) return undefined;
  const old = catalog.job(savepoint.job);
  const successor = catalog
    .jobs({ all: true })
    .find(
      ({ origin, state }) =>
        origin?.path === savepoint.path && origin.digest === savepoint.digest && state !== 'canceled',
    );
  return { old, savepoint, successor, isOld: successor !== undefined && isSameVersion(successor, old) };
}

function isReason(reason: string | undefined): boolean {
  return reason === REASON || reason?.startsWith(`${REASON}: `) === true;
}

function isSameVersion(a: JobRecord, b: JobRecord): boolean {
  const frozen = ({ bundle, params, settings }: JobRecord) => JSON.stringify([bundle, params, settings]);
  return frozen(a) === frozen(b);
}

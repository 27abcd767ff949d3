/** Going on where an upgrade that was killed has left off. */
import { TidemarkError } from '../base/errors.js';
import { isLive } from '../catalog/job-state.js';
import type { JobRecord } from '../catalog/records.js';
import { type Beginning, Upgrade, type UpgradeParts } from './upgrade.js';
import { type FoundUpgrade, findUpgrade } from './upgrade-facts.js';
import { untilSaved } from './upgrade-old.js';

/**
 * Puts right what was left: the new version stays if it runs and reaches its first checkpoint, else the old one comes back.
 * `job` is either. @throws UPGRADE_REFUSED when nothing was left; as the constructor
 */
export async function recoverUpgrade(parts: UpgradeParts, job: JobRecord): Promise<Upgrade> {
  const { catalog } = parts;
  // What the old version was asked for goes on without who asked for it.
  if (isLive(job.state)) await untilSaved(parts, job.id);
  const found = findUpgrade(catalog, catalog.job(job.id));
  if (found === undefined) {
    throw new TidemarkError('UPGRADE_REFUSED', `no upgrade of ${job.name} was left unfinished`, {
      hint: `tidemark status ${job.name}`,
    });
  }
  return new Upgrade(parts, beginningOf(found), undefined);
}

function beginningOf({ old, savepoint, successor, isOld }: FoundUpgrade): Beginning {
  const begun = {
    old,
    ...(savepoint === undefined ? {} : { savepoint: { ...savepoint, checkpointId: savepoint.checkpoint } }),
  };
  if (successor === undefined) return { ...begun, wish: 'back' };
  const live = isLive(successor.state);
  if (isOld && live) return { ...begun, back: successor };
  return { ...begun, next: successor, wish: live ? 'forward' : 'back' };
}

/**
 * Carries a plan of prune-plan.ts out.
 *
 *     rows of checkpoints ─▶ leases and pins of the dead ─▶ segments nothing knows ─▶ unfinished files ─▶ bundles
 *
 * Invariants: a job's checkpoints are dropped while its lock is held here, after a second look under it; the catalog
 * changes before files go, so that a kill in between leaks files and loses nothing, and the next prune, whose third
 * step does not ask where a leak comes from, removes them; no step looks at a plan alone, each asks the catalog
 * again under its write lock.
 */
import type { Clock } from '../base/clock.js';
import type { Disk } from '../base/disk.js';
import { failpoint } from '../base/failpoint.js';
import type { Catalog } from '../catalog/catalog.js';
import { makeFolder } from '../catalog/home.js';
import { type PrunePlan, type PruneWish, planJob } from './prune-plan.js';
import { surveyJob } from './survey.js';

const FOLDER_MODE = 0o700;
const SEGMENT_SUFFIX = '.seg';

export interface Pruned {
  readonly checkpoints: number;
  readonly segments: number;
  readonly unfinished: number;
  readonly bundles: number;
  readonly leases: number;
  readonly pins: number;
  /** Of all files. */
  readonly bytes: number;
  /** Jobs that began to run meanwhile, by name: theirs were left alone. */
  readonly busy: readonly string[];
}

/** What carrying the plan out would come to. Pure. */
export function expected(plan: PrunePlan): Pruned {
  const segments = plan.segments.filter(({ action }) => action === 'drop');
  const files = [...segments, ...plan.unfinished, ...plan.bundles];
  return {
    checkpoints: plan.checkpoints.filter(({ action }) => action === 'drop').length,
    segments: segments.length,
    unfinished: plan.unfinished.length,
    bundles: plan.bundles.length,
    leases: plan.leases,
    pins: plan.pins,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    busy: [],
  };
}

/** What a job that began to run meanwhile needs stays; all else as planned. */
export async function prune(
  disk: Disk,
  catalog: Catalog,
  plan: PrunePlan,
  wish: PruneWish,
  clock: Clock,
): Promise<Pruned> {
  const rows = dropCheckpoints(catalog, plan, wish, clock.now());
  failpoint('prune-rows-gone');
  const { leases, pins } = catalog.dropStale();
  failpoint('prune-leases-gone');
  const segments = await removeSegments(disk, catalog);
  failpoint('prune-segments-gone');
  let bytes = segments.bytes;
  let unfinished = 0;
  for (const file of plan.unfinished) {
    if ((await disk.stat(file.path)) === undefined) continue;
    await disk.remove(file.path);
    failpoint('prune-file-gone');
    unfinished++;
    bytes += file.bytes;
  }
  const bundles = new Set(catalog.removeBundles(plan.bundles.map(({ hash }) => hash)));
  for (const bundle of plan.bundles) if (bundles.has(bundle.hash)) bytes += bundle.bytes;
  return { ...rows, segments: segments.removed, unfinished, bundles: bundles.size, leases, pins, bytes };
}

function dropCheckpoints(
  catalog: Catalog,
  plan: PrunePlan,
  wish: PruneWish,
  now: number,
): Pick<Pruned, 'checkpoints' | 'busy'> {
  const byJob = new Map<string, Set<number>>();
  for (const { job, id, action } of plan.checkpoints) {
    if (action === 'drop') byJob.set(job.id, (byJob.get(job.id) ?? new Set()).add(id));
  }
  const busy: string[] = [];
  let checkpoints = 0;
  for (const [job, ids] of byJob) {
    makeFolder(catalog.home.job(job).folder, FOLDER_MODE);
    const lock = catalog.lockJob(job, { pid: process.pid });
    if (lock === undefined) {
      busy.push(catalog.job(job).name);
      continue;
    }
    try {
      // It may have run and ended since the plan was made, and another be its last now.
      const again = planJob({ ...surveyJob(catalog, catalog.job(job)), held: false }, wish, now);
      const still = again.filter(({ id, action }) => action === 'drop' && ids.has(id)).map(({ id }) => id);
      catalog.pruneCheckpoints(job, still);
      checkpoints += still.length;
    } finally {
      lock.release();
    }
  }
  return { checkpoints, busy };
}

async function removeSegments(disk: Disk, catalog: Catalog): Promise<{ removed: number; bytes: number }> {
  const { home } = catalog;
  const files = (await disk.list(home.segments)).filter((name) => name.endsWith(SEGMENT_SUFFIX));
  const loose = catalog.orphanSegments(files.map((name) => name.slice(0, -SEGMENT_SUFFIX.length)));
  let bytes = 0;
  let removed = 0;
  for (const name of loose) {
    const size = (await disk.stat(home.segment(name)))?.size ?? 0;
    if (catalog.removeSegments([name]) === 0) continue;
    removed++;
    bytes += size;
  }
  return { removed, bytes };
}

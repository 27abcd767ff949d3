/** Removes what crashed processes left half-written in a home. Never touches what a row or a live writer knows. */
import { join } from 'node:path';
import type { Disk } from '../base/disk.js';
import type { Catalog } from '../catalog/catalog.js';
import { isLive } from '../catalog/job-state.js';
import { UNFINISHED_SUFFIX } from '../format/segment.js';
import { removeStrayFolders } from './stray-folders.js';

/** Unfinished files younger than this may belong to another job of the home that is writing right now. */
const UNFINISHED_AGE_MS = 3_600_000;
const SEGMENT_SUFFIX = '.seg';

/** `job`: the one whose lock the caller holds. */
export async function sweepHome(disk: Disk, catalog: Catalog, job: string, now: number): Promise<void> {
  const { home } = catalog;
  const others = catalog.jobs({ all: false }).some(({ id, state }) => id !== job && isLive(state));
  const oldest = others ? now - UNFINISHED_AGE_MS : Number.POSITIVE_INFINITY;
  await removeUnfinished(disk, home.segments, oldest);
  await removeUnfinished(disk, home.bundles, oldest);
  // What lies in its own folder is of this job's dead processes: nobody else writes there.
  await removeUnfinished(disk, home.job(job).folder, Number.POSITIVE_INFINITY);
  await removeStrayFolders(catalog, now);
  const finished = (await disk.list(home.segments)).filter((name) => name.endsWith(SEGMENT_SUFFIX));
  const found = finished.map((name) => name.slice(0, -SEGMENT_SUFFIX.length));
  catalog.removeSegments(catalog.orphanSegments(found, job), job);
}

/** Removes unfinished files last changed at or before `oldest`. */
async function removeUnfinished(disk: Disk, folder: string, oldest: number): Promise<void> {
  for (const name of (await disk.list(folder)).filter((name) => name.endsWith(UNFINISHED_SUFFIX))) {
    const path = join(folder, name);
    const stat = await disk.stat(path);
    if (stat !== undefined && stat.modified <= oldest) await disk.remove(path);
  }
}

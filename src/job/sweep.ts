/** Removes what crashed processes left half-written in a home. Never touches what a row or a live writer knows. */
import { join } from 'node:path';
import type { Disk } from '../base/disk.js';
import type { Catalog } from '../catalog/catalog.js';
import { isLive } from '../catalog/job-state.js';
import { UNFINISHED_SUFFIX } from '../format/segment.js';

/** Unfinished files younger than this may belong to another job of the home that is writing right now. */
const UNFINISHED_AGE_MS = 3_600_000;
const SEGMENT_SUFFIX = '.seg';

/** `job`: the one whose lock the caller holds. */
export async function sweepHome(disk: Disk, catalog: Catalog, job: string, now: number): Promise<void> {
  const { segments } = catalog.home;
  const names = await disk.list(segments);
  const others = catalog.jobs({ all: false }).some(({ id, state }) => id !== job && isLive(state));
  for (const name of names.filter((name) => name.endsWith(UNFINISHED_SUFFIX))) {
    const path = join(segments, name);
    const stat = await disk.stat(path);
    if (stat !== undefined && (!others || now - stat.modified > UNFINISHED_AGE_MS)) await disk.remove(path);
  }
  const finished = names.filter((name) => name.endsWith(SEGMENT_SUFFIX));
  catalog.removeSegments(
    catalog.orphanSegments(finished.map((name) => name.slice(0, -SEGMENT_SUFFIX.length))),
  );
}

import { readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { JOB_ID } from '../base/ids.js';
import type { Catalog } from '../catalog/catalog.js';
import { isLocked } from '../catalog/lock.js';

/** A folder younger than this may be one whose lock is just being taken. */
const STRAY_AGE_MS = 60_000;

/**
 * Removes folders of jobs that were reserved and never created: their lock is free and no job has their id. What lies
 * in them is a converted archive of a restore that was killed.
 */
export async function removeStrayFolders(catalog: Catalog, now: number): Promise<void> {
  const { home } = catalog;
  const folder = dirname(home.job('-').folder);
  const idle: string[] = [];
  for (const id of (await readdir(folder)).filter((name) => JOB_ID.test(name))) {
    const found = await stat(join(folder, id)).catch(() => undefined);
    if (found === undefined || now - found.mtimeMs < STRAY_AGE_MS) continue;
    if (!isLocked(home.job(id).lock)) idle.push(id);
  }
  // Looked at after the locks: who holds one creates the job before it lets go.
  const known = new Set(catalog.jobs({ all: true }).map(({ id }) => id));
  for (const id of idle.filter((one) => !known.has(one)))
    await rm(join(folder, id), { recursive: true, force: true });
}

/**
 * The mark of a job that has begun to write into a table: `.begun-<job>`, in the folder where its rows are staged, put
 * there after the same was said in the database. Where the mark is and the database does not know the job, it is
 * another database.
 */
import { join } from 'node:path';
import type { Disk } from '../../base/disk.js';

const PREFIX = '.begun-';

function nameOf(job: string): string {
  return `${PREFIX}${encodeURIComponent(job)}`;
}

export async function beganHere(disk: Disk, folder: string, job: string): Promise<boolean> {
  return (await disk.stat(join(folder, nameOf(job)))) !== undefined;
}

/** Puts this job's mark there and takes away those of others: they are over, or the folder would not be this job's. */
export async function beginHere(disk: Disk, folder: string, job: string): Promise<void> {
  const own = nameOf(job);
  const marks = (await disk.list(folder)).filter((name) => name.startsWith(PREFIX));
  const others = marks.filter((name) => name !== own);
  if (marks.includes(own) && others.length === 0) return;
  for (const name of others) await disk.remove(join(folder, name));
  if (!marks.includes(own)) await (await disk.create(join(folder, own))).close();
  await disk.syncFolder(folder);
}

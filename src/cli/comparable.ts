/** Archives that can be compared: one whose entries are in no order is first rewritten, beside all that is kept. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { convertArchive } from '../archive/convert.js';
import { type Archive, openArchive } from '../archive/read.js';
import { toTidemarkError } from '../base/errors.js';
import { realDisk } from '../base/real-disk.js';

export interface Comparable {
  readonly archive: Archive;
  /** As it was typed, made absolute. */
  readonly path: string;
}

/**
 * `signal` stops the rewriting. What is rewritten has no name any more when this resolves, so that nothing of it can
 * stay behind.
 * @throws ARCHIVE_CORRUPT, FORMAT_NEWER, FILE_NOT_FOUND, DISK_FULL
 */
export async function openComparable(path: string, signal: AbortSignal): Promise<Comparable> {
  const archive = await openArchive(realDisk, path);
  if (await archive.isOrdered()) return { archive, path };
  await archive.close();
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-diff-')).catch((error: unknown) => {
    throw toTidemarkError(error, 'making a temporary folder');
  });
  try {
    const output = join(folder, 'rewritten.tar');
    const converted = await convertArchive({
      disk: realDisk,
      input: path,
      output: { path: output },
      spoolFolder: folder,
      signal,
    });
    await converted.commit();
    return { archive: await openArchive(realDisk, output), path };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

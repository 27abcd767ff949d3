/** Holds all values of an archive that was just made against the definition it is for, before it gets its name. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openArchive } from '../archive/read.js';
import { TidemarkError } from '../base/errors.js';
import { homePaths } from '../base/home.js';
import { realDisk } from '../base/real-disk.js';
import { CHECK_ALL } from './check-values.js';
import { snapshotOf } from './planned-snapshot.js';
import { planSnapshot, type RestoreOptions } from './restore.js';
import { restoreRefusal } from './restore-refusal.js';

export interface CheckArchiveOptions
  extends Pick<RestoreOptions, 'params' | 'cwd' | 'environment' | 'onProgress' | 'signal'> {
  readonly definition: string;
  /** Where the archive lies, and what messages call it. */
  readonly path: string;
  readonly label: string;
}

/** There is no archive yet that could be checked again. */
function ofNoArchive({ code, message, details }: TidemarkError): TidemarkError {
  return new TidemarkError(code, message, {
    ...details,
    hint: 'mend the rows, or the definition; nothing was written',
  });
}

/**
 * Starts nothing and leaves nothing behind. What the definition has no place for is allowed: it may be for another.
 * @throws what a restore would be refused with
 */
export async function checkArchive({ path, label, ...options }: CheckArchiveOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-check-'));
  const archive = await openArchive(realDisk, path);
  try {
    const asked: RestoreOptions = {
      ...options,
      archive: label,
      flags: {},
      sinks: 'mute',
      allowNonRestored: true,
      afterDrain: true,
      convert: false,
      check: CHECK_ALL,
    };
    const snapshot = { label, ...snapshotOf(archive) };
    const plan = await planSnapshot(homePaths(folder), asked, snapshot, CHECK_ALL);
    // Whether the input is there is of no matter yet, nor where.
    const states = plan.states.filter(({ kind }) => kind !== 'splits');
    const refusal = restoreRefusal(asked, { ...plan, states }, []);
    if (refusal !== undefined) throw ofNoArchive(refusal);
  } finally {
    await archive.close();
    await rm(folder, { recursive: true, force: true });
  }
}

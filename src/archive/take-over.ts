/**
 * Takes the segments of a native archive over into a home, as they are: nothing is decoded.
 *
 *     member ─▶ <random>.tmp, hashed, fsynced ─▶ all leased ─▶ <sha256>.seg, each ─▶ fsync of the folder
 *
 * Invariants: no file gets the name of a segment before its content has been held against it and it is leased; a file
 * of that name that is there already is replaced, since a name alone proves nothing; whatever fails, no temporary file
 * stays, and what has got its name is leased.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { assert } from '../base/assert.js';
import type { Disk, WriteFile } from '../base/disk.js';
import { systemCode, toTidemarkError } from '../base/errors.js';
import { failpoint } from '../base/failpoint.js';
import { type Random, systemRandom } from '../base/random.js';
import type { ArchiveMember } from '../format/archive-manifest.js';
import { segmentPath, UNFINISHED_SUFFIX } from '../format/segment.js';
import type { Archive } from './read.js';

const COPY_BYTES = 1024 * 1024;

/** A segment that lies in the folder, durably. */
export interface TakenSegment {
  /** SHA-256 of the file, in hex. */
  readonly name: string;
  readonly bytes: number;
}

interface Copied extends TakenSegment {
  readonly temporary: string;
}

/**
 * Gives the segments in the order in which they are read, oldest first. `folder` is there; `lease` makes them known
 * to the catalog before any gets its name, so that a crash leaves nothing that nobody knows of.
 * @throws ARCHIVE_CORRUPT when a member is not what the manifest says; DISK_FULL and the disk's other errors.
 */
export async function takeOver(
  disk: Disk,
  archive: Archive,
  folder: string,
  lease: (segments: readonly TakenSegment[]) => void | Promise<void>,
  random: Random = systemRandom,
): Promise<readonly TakenSegment[]> {
  assert(archive.manifest.layout === 'native', 'only native archives hold segments');
  const copied: Copied[] = [];
  try {
    for (const member of archive.manifest.members) {
      const unique = Buffer.from(random.bytes(12)).toString('hex');
      const temporary = join(folder, `${unique}${UNFINISHED_SUFFIX}`);
      await copyMember(disk, archive, member, temporary);
      copied.push({ name: member.sha256, bytes: member.length, temporary });
    }
    const taken = copied.map(({ name, bytes }) => ({ name, bytes }));
    await lease(taken);
    failpoint('take-over-leased');
    for (const { name, temporary } of copied) await disk.rename(temporary, segmentPath(folder, name));
    failpoint('take-over-renamed');
    await disk.syncFolder(folder);
    return taken;
  } catch (error) {
    // Those that have their names are not there under these any more.
    for (const { temporary } of copied) await disk.remove(temporary).catch(() => undefined);
    throw systemCode(error) === undefined ? error : toTidemarkError(error, `taking over ${archive.path}`);
  }
}

async function copyMember(disk: Disk, archive: Archive, member: ArchiveMember, path: string): Promise<void> {
  const source = archive.source(member);
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafeSlow(Math.min(COPY_BYTES, Math.max(1, member.length)));
  const file = await disk.create(path, { exclusive: true });
  try {
    for (let at = 0; at < member.length; ) {
      const count = await source.read(buffer, at);
      if (count === 0) break;
      hash.update(buffer.subarray(0, count));
      await file.append(buffer.subarray(0, count));
      at += count;
    }
    if (hash.digest('hex') !== member.sha256) throw archive.notItsHash(member);
    await file.sync();
    await file.close();
  } catch (error) {
    await giveUp(disk, file, path);
    throw error;
  }
}

async function giveUp(disk: Disk, file: WriteFile, path: string): Promise<void> {
  await file.close().catch(() => undefined);
  await disk.remove(path).catch(() => undefined);
}

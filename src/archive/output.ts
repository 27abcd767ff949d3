/**
 * Where an archive goes. A file is complete and durable under a temporary name beside its own before it gets that;
 * a stream gets nothing before all is known.
 */
import { basename, dirname, join } from 'node:path';
import type { Disk } from '../base/disk.js';
import { systemCode, TidemarkError } from '../base/errors.js';
import { type Random, systemRandom } from '../base/random.js';
import { UNFINISHED_SUFFIX } from '../format/segment.js';
import type { Packing } from './pack.js';

export type ArchiveOutput =
  | {
      readonly path: string;
      /** Replaces a file that is there, which is FILE_EXISTS otherwise. */
      readonly force?: boolean;
    }
  /** Is given the whole archive in order; the bytes are valid until the promise resolves. */
  | { readonly stream: (bytes: Uint8Array) => Promise<void> };

export interface PreparedOutput {
  /** Gives the file its name, durably; or writes the stream. */
  commit(): Promise<void>;
  /** Removes what was written. Does nothing after `commit`. */
  discard(): Promise<void>;
}

/** Rejects with FILE_EXISTS before any work, where that is known already. Folders and devices are never replaced. */
export async function checkOutput(disk: Disk, output: ArchiveOutput): Promise<void> {
  if (!('path' in output)) return;
  const found = await disk.stat(output.path);
  if (found === undefined) return;
  if (!found.isFile) {
    throw new TidemarkError('FILE_EXISTS', `${output.path} is there already, and it is no file`, {
      hint: 'choose another with -o FILE: --force replaces files only',
    });
  }
  if (output.force !== true) throw fileExists(output.path);
}

/** `onPiece` is told how many bytes are written, and may throw to stop. */
export async function prepareOutput(
  disk: Disk,
  output: ArchiveOutput,
  packing: Packing,
  onPiece: (bytes: number) => void,
  random: Random = systemRandom,
): Promise<PreparedOutput> {
  if ('stream' in output) {
    return {
      async commit() {
        for await (const piece of packing.pieces()) {
          onPiece(piece.length);
          await output.stream(piece);
        }
      },
      async discard() {},
    };
  }
  const { path, force = false } = output;
  const unique = Buffer.from(random.bytes(6)).toString('hex');
  const temporary = join(dirname(path), `.${basename(path)}.${unique}${UNFINISHED_SUFFIX}`);
  await writeFile(disk, temporary, packing, onPiece);
  let committed = false;
  return {
    async commit() {
      await giveName(disk, temporary, path, force);
      committed = true;
    },
    async discard() {
      if (!committed) await disk.remove(temporary);
    },
  };
}

async function writeFile(
  disk: Disk,
  path: string,
  packing: Packing,
  onPiece: (bytes: number) => void,
): Promise<void> {
  const file = await disk.create(path, { exclusive: true });
  try {
    for await (const piece of packing.pieces()) {
      onPiece(piece.length);
      await file.append(piece);
    }
    await file.sync();
    await file.close();
  } catch (error) {
    await file.close().catch(() => undefined);
    await disk.remove(path).catch(() => undefined);
    throw error;
  }
}

/** Gives a complete file its name. Without `force`, by a link, which is refused where a file has come up in the meantime. */
export async function giveName(disk: Disk, temporary: string, path: string, force: boolean): Promise<void> {
  if (force) await disk.rename(temporary, path);
  else {
    const failed = await disk.link(temporary, path).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    // With its name the archive is there; a second name that stays is a sweep's.
    if (failed === undefined) await disk.remove(temporary).catch(() => undefined);
    else await renameUnlinked(disk, temporary, path, failed.error);
  }
  await disk.syncFolder(dirname(path));
}

/** File systems without links get a look and a rename, which a race can slip between. */
async function renameUnlinked(disk: Disk, temporary: string, path: string, error: unknown): Promise<void> {
  const code = systemCode(error);
  if (code === 'EEXIST') throw fileExists(path);
  if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS') throw error;
  if ((await disk.stat(path)) !== undefined) throw fileExists(path);
  await disk.rename(temporary, path);
}

function fileExists(path: string): TidemarkError {
  return new TidemarkError('FILE_EXISTS', `${path} is there already`, {
    hint: 'choose another with -o FILE, or overwrite it with --force',
  });
}

import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode, TidemarkError, toTidemarkError } from '../base/errors.js';

export interface OutputFile {
  /** Absolute path of the archive; a folder, in which it gets a name of its own, when it ends in `/`. */
  readonly output: string;
  /** Replace a file that is there. */
  readonly force: boolean;
  /** Absolute path of the private key that signs it. */
  readonly sign?: string | undefined;
}

/**
 * Finds before any work what would fail after it; a name of its own is known only then.
 * @throws FILE_EXISTS, FILE_NOT_FOUND (the folder), PERMISSION
 */
export async function refuseBadOutput({ output, force }: OutputFile): Promise<void> {
  const folder = output.endsWith('/') ? output : dirname(output);
  const found = folder === output ? undefined : await stat(output).catch(absentAsUndefined);
  if (found?.isDirectory() === true) {
    throw new TidemarkError('FILE_EXISTS', `${output} is a folder`, {
      hint: 'give the name of the archive, or end it in / to put the archive into the folder',
    });
  }
  if (found !== undefined && !force) {
    throw new TidemarkError('FILE_EXISTS', `${output} is there already`, {
      hint: 'give another name, or --force',
    });
  }
  const writable = await access(folder, constants.W_OK | constants.X_OK).then(
    () => undefined,
    (error: unknown) => systemCode(error),
  );
  if (writable === undefined) return;
  if (writable === 'ENOENT' || writable === 'ENOTDIR') {
    throw new TidemarkError('FILE_NOT_FOUND', `the folder ${folder} does not exist`, {
      hint: `mkdir -p ${folder}`,
    });
  }
  throw new TidemarkError('PERMISSION', `nothing may be written to ${folder} (${writable})`, {
    hint: 'give another -o FILE',
  });
}

function absentAsUndefined(error: unknown): undefined {
  const code = systemCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
  throw toTidemarkError(error);
}

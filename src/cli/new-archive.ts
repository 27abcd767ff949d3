/** Where commands that make an archive put it. */
import { basename, resolve } from 'node:path';
import { TidemarkError } from '../base/errors.js';
import { realDisk } from '../base/real-disk.js';

/** `-o`: a file, or in a folder that ends in `/` a file called like `like`. Only files, since names are given at the end. */
export function archiveOutput(option: string, like: string, command: string, cwd: string): string {
  if (option === '') {
    throw new TidemarkError('USAGE', '-o: the name of a file is missing', { hint: 'as in -o new.tar' });
  }
  if (option === '-') {
    throw new TidemarkError('USAGE', `-o -: ${command} writes a file, and nothing to stdout`, {
      hint: 'as in -o FILE.savepoint.tar && cat FILE.savepoint.tar; a file of that name is -o ./-',
    });
  }
  if (!option.endsWith('/')) return resolve(cwd, option);
  const name = basename(like).replace(/(\.checkpoint|\.savepoint)?\.tar$/, '');
  return resolve(cwd, option, `${name}.savepoint.tar`);
}

/** @throws FILE_NOT_FOUND where there is no such folder */
export async function checkFolder(folder: string): Promise<void> {
  const found = await realDisk.stat(folder);
  if (found !== undefined && !found.isFile) return;
  throw new TidemarkError('FILE_NOT_FOUND', `${folder}: there is no such folder`, {
    hint: `make it: mkdir -p ${folder}`,
  });
}

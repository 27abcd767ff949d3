import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { TidemarkError, toTidemarkError } from '../base/errors.js';

/** A PEM file of one key has some hundred bytes. */
const MAX_KEY_FILE = 16_384;

/** The content of a key file. @throws FILE_NOT_FOUND, PERMISSION and the disk's other errors; USAGE for a larger file */
export function readKeyFile(path: string): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    const { code, message, details } = toTidemarkError(error, `cannot open ${path}`);
    const hint = details.hint ?? 'give the file of one ed25519 key, in PEM';
    throw new TidemarkError(code, message, { ...details, hint });
  }
  try {
    const { size } = fstatSync(file);
    if (size > MAX_KEY_FILE)
      throw new TidemarkError('USAGE', `${path} has ${size} bytes: expected a key in PEM`, {
        hint: 'give the file of one ed25519 key',
      });
    const bytes = Buffer.alloc(size);
    return bytes.toString('latin1', 0, readSync(file, bytes, 0, size, 0));
  } catch (error) {
    throw toTidemarkError(error, `cannot read ${path}`);
  } finally {
    closeSync(file);
  }
}

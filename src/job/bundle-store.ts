/**
 * Frozen definitions in a home: `bundles/<sha256>.mjs`, written once and named by their content, so that a
 * bundle that was checked is the code that was frozen.
 */
import { createHash, randomBytes } from 'node:crypto';
import { assert } from '../base/assert.js';
import type { Disk, ReadFile } from '../base/disk.js';
import { systemCode, TidemarkError } from '../base/errors.js';
import type { HomePaths } from '../base/home.js';

/** No bundle is larger; what claims to be is not read. */
export const MAX_BUNDLE_BYTES = 64 * 1024 * 1024;

const HASH = /^[0-9a-f]{64}$/;

/**
 * Keeps a bundle durably and returns its path. One that is there already and intact stays; a damaged one is
 * replaced. `suffix` tells the temporary files of two writers apart.
 */
export async function storeBundle(
  disk: Disk,
  home: HomePaths,
  code: string,
  hash: string,
  suffix: string = randomBytes(6).toString('hex'),
): Promise<string> {
  const bytes = Buffer.from(code, 'utf8');
  assert(hashOf(bytes) === hash, `a bundle is stored under its own hash, not ${hash}`);
  if (bytes.length > MAX_BUNDLE_BYTES) throw tooLarge(bytes.length);
  const path = home.bundle(hash);
  await disk.mkdir(home.bundles);
  if ((await readBundle(disk, path))?.equals(bytes) !== true) {
    await replace(disk, path, `${path}.${suffix}.tmp`, bytes);
  }
  // Also for one that was there: whoever renamed it may have died before syncing the name.
  await disk.syncFolder(home.bundles);
  return path;
}

/** Reads a bundle, holds it against its hash and returns its path. BUNDLE_CORRUPT or FILE_NOT_FOUND. */
export async function verifyBundle(disk: Disk, home: HomePaths, hash: string): Promise<string> {
  const path = home.bundle(hash);
  if (!HASH.test(hash)) throw corrupt(path, `expected a SHA-256 in hex, found ${JSON.stringify(hash)}`);
  const bytes = await readBundle(disk, path);
  if (bytes === undefined) {
    throw new TidemarkError('FILE_NOT_FOUND', `the frozen definition is gone: ${path}`, {
      hint: 'tidemark resume <job> --definition FILE',
    });
  }
  const found = hashOf(bytes);
  if (found !== hash) throw corrupt(path, `expected SHA-256 ${hash}, found ${found}`);
  return path;
}

function corrupt(path: string, what: string): TidemarkError {
  return new TidemarkError('BUNDLE_CORRUPT', `the frozen definition ${path} was changed: ${what}`, {
    hint: 'tidemark resume <job> --definition FILE',
  });
}

function tooLarge(size: number): TidemarkError {
  return new TidemarkError(
    'DEFINITION_INVALID',
    `the definition and what it imports are ${size} bytes, expected at most ${MAX_BUNDLE_BYTES}`,
    { hint: 'read data files when the job runs instead of importing them' },
  );
}

async function replace(disk: Disk, path: string, temporary: string, bytes: Uint8Array): Promise<void> {
  const file = await disk.create(temporary, { exclusive: true });
  try {
    try {
      await file.append(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await disk.rename(temporary, path);
  } catch (error) {
    await disk.remove(temporary).catch(() => undefined);
    throw error;
  }
}

/** Undefined when absent. One over the limit is cut there, and so matches nothing. */
async function readBundle(disk: Disk, path: string): Promise<Buffer | undefined> {
  const file = await openIfThere(disk, path);
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    const bytes = Buffer.allocUnsafe(Math.min(size, MAX_BUNDLE_BYTES));
    let length = 0;
    while (length < bytes.length) {
      const read = await file.read(bytes.subarray(length), length);
      if (read === 0) break;
      length += read;
    }
    return bytes.subarray(0, length);
  } finally {
    await file.close();
  }
}

async function openIfThere(disk: Disk, path: string): Promise<ReadFile | undefined> {
  try {
    return await disk.open(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

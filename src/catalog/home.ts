/** The folder of a home: finding and making it. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { toTidemarkError } from '../base/errors.js';
import { type HomePaths, homePaths } from '../base/home.js';
import { resolveHome } from '../base/resolve-home.js';

/** Only the owner may look: state and parameters are the user's. */
const HOME_MODE = 0o700;

/** A folder is a home when it holds a catalog; the `.tidemark` of a sink's target does not. */
export function isHome(root: string): boolean {
  return existsSync(homePaths(root).catalog);
}

/** The home that a command uses; it may not exist yet. */
export function findHome(given: {
  readonly flag: string | undefined;
  readonly env: string | undefined;
  readonly cwd: string;
}): HomePaths {
  return homePaths(resolveHome({ ...given, isHome }));
}

/** Makes the folders of a home, durably. Those that are there are left as they are. */
export function makeHome(home: HomePaths): void {
  makeFolder(home.root, HOME_MODE);
  for (const folder of [home.bundles, home.segments, join(home.root, 'jobs')]) makeFolder(folder, HOME_MODE);
}

/** Makes a folder and what is missing above it, and syncs the names. */
export function makeFolder(folder: string, mode: number): void {
  try {
    const first = mkdirSync(folder, { recursive: true, mode });
    if (first === undefined) return;
    for (let made = folder; made.length >= first.length; made = dirname(made)) syncFolder(dirname(made));
  } catch (error) {
    throw toTidemarkError(error, `cannot make the folder ${folder}`);
  }
}

/** Returns when the names in the folder are durable. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

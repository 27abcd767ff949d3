/**
 * Where a job's control socket lies, and the folder that keeps everyone else away from it.
 *
 * Invariants: the path is at most {@link MAX_SOCKET_PATH} bytes; its folder is a real folder, not a link, belongs to
 * this user and gives nobody else any right; whoever takes the path holds the job's lock, so a socket that is
 * already there belongs to a process that has died.
 */
import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { systemCode, TidemarkError } from '../base/errors.js';

/** `sun_path` has 108 bytes on Linux, one of them the final zero; a longer path is cut or refused. */
export const MAX_SOCKET_PATH = 107;

const OTHERS = 0o077;

/** A place to try. `tighten`: the folder is tidemark's own, so its mode is set rather than held against it. */
export interface SocketPlace {
  readonly path: string;
  readonly tighten: boolean;
}

/**
 * The places for a job's socket, best first: in the job's own folder, else beside those of other deep homes. The
 * name says which home it is for, since a copied home has the same job ids.
 */
export function socketPlaces(
  jobFolder: string,
  environment: Readonly<Record<string, string | undefined>>,
  user = process.getuid?.() ?? 0,
): readonly SocketPlace[] {
  const home = createHash('sha256').update(jobFolder).digest('hex').slice(0, 12);
  const name = `${basename(jobFolder)}-${home}.sock`;
  const runtime = environment['XDG_RUNTIME_DIR'];
  const shared = [...(runtime?.startsWith('/') ? [runtime] : []), tmpdir()];
  const places = [
    { path: join(jobFolder, 'control.sock'), tighten: true },
    ...shared.map((folder) => ({ path: join(folder, `tidemark-${user}`, name), tighten: false })),
  ];
  return places.filter((place) => Buffer.byteLength(place.path) <= MAX_SOCKET_PATH);
}

/** Makes the folder and the path ready to listen on, or says why this place cannot serve. */
export async function prepareSocketPlace(place: SocketPlace): Promise<void> {
  await secureFolder(dirname(place.path), place.tighten);
  await removeStaleSocket(place.path);
}

async function secureFolder(folder: string, tighten: boolean): Promise<void> {
  await mkdir(folder, { mode: 0o700, recursive: tighten }).catch((error: unknown) => {
    if (systemCode(error) !== 'EEXIST') throw error;
  });
  const found = await lstat(folder);
  if (!found.isDirectory()) throw refused(`${folder} is not a folder`);
  const user = process.getuid?.();
  if (user !== undefined && found.uid !== user) {
    throw refused(`${folder} belongs to user ${found.uid}, expected ${user}`);
  }
  if ((found.mode & OTHERS) === 0) return;
  const mode = (found.mode & 0o777).toString(8);
  if (!tighten) throw refused(`${folder} is open to others: its mode is ${mode}, expected 700`);
  await chmod(folder, 0o700);
}

async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isSocket()) throw refused(`${path} is there and is not a socket`);
  await unlink(path);
}

function refused(message: string): TidemarkError {
  return new TidemarkError('PERMISSION', message, {
    hint: 'remove it, or set XDG_RUNTIME_DIR to a folder of your own',
  });
}

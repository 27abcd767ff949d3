/** What SQLite and its loader say, as coded errors. */
import { type ErrorCode, systemCode, TidemarkError, toTidemarkError } from '../base/errors.js';

/** Primary SQLite codes; an extended one (`SQLITE_IOERR_WRITE`) begins with its primary. */
const BY_PRIMARY: readonly (readonly [primary: string, code: ErrorCode, hint: string])[] = [
  ['SQLITE_CORRUPT', 'CATALOG_CORRUPT', 'bring the file back from a backup'],
  ['SQLITE_NOTADB', 'CATALOG_CORRUPT', 'the file is not an SQLite database: bring it back from a backup'],
  ['SQLITE_FULL', 'DISK_FULL', 'free some space on that disk, then try again'],
  ['SQLITE_CANTOPEN', 'PERMISSION', 'check that you may read and write the file and its folder'],
  ['SQLITE_PERM', 'PERMISSION', 'check that you may read and write the file and its folder'],
  ['SQLITE_READONLY', 'PERMISSION', 'check that you may read and write the file and its folder'],
  ['SQLITE_NOLFS', 'DISK_ERROR', 'the file system cannot hold files this large'],
  ['SQLITE_IOERR', 'DISK_ERROR', 'check the disk; a network file system without locks cannot hold a home'],
  ['SQLITE_BUSY', 'HOME_LOCKED', 'another process holds it for long; try again, or see `tidemark list`'],
  ['SQLITE_PROTOCOL', 'HOME_LOCKED', 'another process holds it for long; try again, or see `tidemark list`'],
];

/** The error of a statement on `where`. */
export function sqliteError(error: unknown, where: string): TidemarkError {
  const code = systemCode(error) ?? '';
  const text = error instanceof Error ? error.message : String(error);
  for (const [primary, ours, hint] of BY_PRIMARY) {
    if (code !== primary && !code.startsWith(`${primary}_`)) continue;
    return new TidemarkError(ours, `${where}: ${text} (${code})`, { hint, cause: error });
  }
  // better-sqlite3 looks at the folder itself, and says so without a code.
  if (error instanceof TypeError && text.includes('directory does not exist')) {
    return new TidemarkError('FILE_NOT_FOUND', `${where}: its folder does not exist`, { cause: error });
  }
  return toTidemarkError(error, where);
}

const NATIVE_CODES = new Set(['ERR_DLOPEN_FAILED', 'MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND']);

/** The error of a native part that is absent or was built for another Node; undefined for any other error. */
export function nativeError(error: unknown, name: string): TidemarkError | undefined {
  const text = error instanceof Error ? error.message : String(error);
  // The `bindings` package throws without a code when it finds no file to load.
  const missing = /could not locate the bindings file|NODE_MODULE_VERSION|invalid ELF header/i.test(text);
  if (!missing && !NATIVE_CODES.has(systemCode(error) ?? '')) return undefined;
  const [line = text] = text.split('\n');
  const message = `the native part of ${name} does not load in Node ${process.versions.node}: ${line}`;
  return new TidemarkError('NATIVE_MODULE', message, { hint: 'npm rebuild better-sqlite3', cause: error });
}

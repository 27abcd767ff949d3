/** Which files a path or a pattern names. The only importer of tinyglobby. */
import { createRequire } from 'node:module';
import { posix, resolve } from 'node:path';

type Library = typeof import('tinyglobby');

/** A path with none of these is no pattern, and most are such: the library is loaded for the others. */
const SPECIAL = /[*?[\]{}()!+@|\\]/;

let loaded: Library | undefined;
function library(): Library {
  loaded ??= createRequire(import.meta.url)('tinyglobby') as Library;
  return loaded;
}

function isDynamicPattern(text: string): boolean {
  return SPECIAL.test(text) && library().isDynamicPattern(text);
}

export interface Pattern {
  /** As the user wrote it. */
  readonly given: string;
  /** The folder that ids and positions are relative to: the part without wildcards. */
  readonly base: string;
  /** Relative to `base`: a file, or a pattern when `dynamic`. */
  readonly rest: string;
  readonly dynamic: boolean;
}

/** Splits a path or pattern into its fixed folder and what varies. */
export function parsePattern(given: string, cwd: string): Pattern {
  if (!isDynamicPattern(given)) {
    const path = resolve(cwd, given);
    return { given, base: posix.dirname(path), rest: posix.basename(path), dynamic: false };
  }
  const segments = given.split('/');
  const first = segments.findIndex((segment) => isDynamicPattern(segment));
  const fixed = segments.slice(0, first).join('/');
  const base = resolve(cwd, fixed === '' && given.startsWith('/') ? '/' : fixed);
  return { given, base, rest: segments.slice(first).join('/'), dynamic: true };
}

/** The files the pattern matches now, relative to its base, in bytewise order. Dot files are not matched. */
export async function matches(pattern: Pattern): Promise<string[]> {
  const found = await library().glob(pattern.rest, {
    cwd: pattern.base,
    onlyFiles: true,
    expandDirectories: false,
  });
  return found.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/**
 * Where in the user's source an error comes from. Works on the text of the stack, so that an error from another
 * thread serves as well; needs `process.setSourceMapsEnabled(true)` in the thread that made it (`loadDefinition`
 * turns it on), else frames name the bundle and are passed over.
 */
import { isAbsolute, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface UserFrame {
  /** `file:line:column` of the user's source; relative to the working directory when inside it. */
  readonly at: string;
  /** Message and the frames outside tidemark and Node, bounded. */
  readonly stack: string;
}

/** Characters of a stack that are kept. */
const MAX_STACK = 8_192;
/** Errors looked at along `cause`. */
const MAX_CAUSES = 5;

/** `dist/src/` of this copy, and the `src/` its source maps name. */
const OWN_FOLDERS = ['../', '../../../src/'].map((up) => fileURLToPath(new URL(up, import.meta.url)));
const FRAME = /^\s+at (?:.*? \(|async )?((?:file:\/\/|\/|[A-Za-z]:[\\/]).*):(\d+):(\d+)\)?$/;
/** Clients that connectors load; a definition's own use of one has a frame of its own as well. */
const CLIENT = /[\\/]node_modules[\\/]@platformatic[\\/]/;
const BUNDLE = /[0-9a-f]{64}\.mjs$/;

interface Frame {
  readonly text: string;
  readonly path: string;
  readonly at: string;
}

/** The first frame in the user's source: of their own files, else of a package that was bundled with them. */
export function userFrame(error: unknown, cwd: string = process.cwd()): UserFrame | undefined {
  let current = error;
  for (let depth = 0; depth < MAX_CAUSES && current instanceof Error; depth++) {
    const found = frameIn(current, cwd);
    if (found !== undefined) return found;
    current = current.cause;
  }
  return undefined;
}

/** `path` as a person at `cwd` would write it. */
export function shownPath(path: string, cwd: string = process.cwd()): string {
  const inside = relative(cwd, path);
  return inside === '' || isAbsolute(inside) || inside === '..' || inside.startsWith(`..${sep}`)
    ? path
    : inside;
}

function frameIn(error: Error, cwd: string): UserFrame | undefined {
  const stack = stackOf(error);
  if (stack === undefined) return undefined;
  const lines = stack.split('\n');
  const frames = lines.flatMap((line) => userLine(line, cwd));
  const first = frames.find(({ path }) => !path.includes(`${sep}node_modules${sep}`)) ?? frames[0];
  if (first === undefined) return undefined;
  const message = lines.slice(
    0,
    lines.findIndex((line) => /^\s+at /.test(line)),
  );
  const kept = [...message, ...frames.map(({ text }) => text)].join('\n');
  return { at: first.at, stack: kept.length > MAX_STACK ? `${kept.slice(0, MAX_STACK)}…` : kept };
}

/** A getter of the user's, or a `prepareStackTrace` of theirs, may throw or give anything. */
function stackOf(error: Error): string | undefined {
  try {
    return typeof error.stack === 'string' ? error.stack : undefined;
  } catch {
    return undefined;
  }
}

function userLine(line: string, cwd: string): Frame[] {
  const match = FRAME.exec(line);
  const place = match?.[1];
  if (match === null || place === undefined || line.includes('(eval at ')) return [];
  const path = filePath(place);
  if (path === undefined || BUNDLE.test(path) || CLIENT.test(path)) return [];
  if (OWN_FOLDERS.some((own) => path.startsWith(own))) return [];
  return [{ text: line, path, at: `${shownPath(path, cwd)}:${match[2]}:${match[3]}` }];
}

function filePath(place: string): string | undefined {
  if (!place.startsWith('file:')) return place;
  try {
    return fileURLToPath(place);
  } catch {
    return undefined;
  }
}

/** Turns a bundle into a definition, in whatever thread calls. `installLibrary` must have run there before. */
import { pathToFileURL } from 'node:url';
import { TidemarkError } from '../base/errors.js';
import { type Definition, isDefinition } from '../graph/definition.js';
import { userFrame } from './user-frame.js';

/** Frames kept of an error: enough to get through a library of the user's to their own line. */
const STACK_FRAMES = 50;

/**
 * Runs the bundle's top level and returns its default export. Rejects with DEFINITION_INVALID and the user's line
 * when that throws, or gives no definition; FILE_NOT_FOUND when there is no such file. Does not return when the
 * top level does not: the caller holds the thread's time limit.
 */
export async function loadDefinition(bundlePath: string): Promise<Definition> {
  process.setSourceMapsEnabled(true);
  Error.stackTraceLimit = Math.max(Error.stackTraceLimit, STACK_FRAMES);
  const url = pathToFileURL(bundlePath).href;
  let loaded: { readonly default?: unknown };
  try {
    loaded = await import(url);
  } catch (error) {
    throw loadError(error, url);
  }
  const exported = defaultOf(loaded);
  if (isDefinition(exported)) return exported;
  throw new TidemarkError(
    'DEFINITION_INVALID',
    `expected the default export to be a definition, found ${described(exported, Object.keys(loaded))}`,
    { hint: "write: export default defineJob('name', { … }, (job, p) => { … })" },
  );
}

/** User code failed while being loaded or built: its own code when it has one, and the user's line. */
export function definitionError(error: unknown, doing: string): TidemarkError {
  const frame = userFrame(error);
  if (error instanceof TidemarkError) {
    return frame === undefined
      ? error
      : new TidemarkError(error.code, error.message, { ...frame, ...error.details, cause: error });
  }
  const thrown = error instanceof Error ? `${error.name}: ${error.message}` : `threw ${shown(error)}`;
  const where = frame === undefined ? '' : ` at ${frame.at}`;
  return new TidemarkError('DEFINITION_INVALID', `the definition failed while ${doing}${where}: ${thrown}`, {
    hint: 'mend the definition, then run: tidemark plan <definition>',
    ...frame,
    cause: error,
  });
}

function loadError(error: unknown, bundle: string): TidemarkError {
  const missing = missingModule(error);
  if (missing === bundle) {
    return new TidemarkError('FILE_NOT_FOUND', `the bundled definition is gone: ${bundle}`, { cause: error });
  }
  if (missing === undefined) return definitionError(error, 'being loaded');
  return new TidemarkError('DEFINITION_INVALID', `the definition imports what is not there: ${missing}`, {
    hint: 'packages with native code are not frozen with the job: install it again where it was',
    cause: error,
  });
}

/** What Node's loader did not find: the URL of a module that `import` was given. */
function missingModule(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'ERR_MODULE_NOT_FOUND')
    return undefined;
  if ('url' in error && typeof error.url === 'string') return error.url;
  const path = /^Cannot find module '([^']+)'/.exec(error.message)?.[1];
  return path?.startsWith('/') === true ? pathToFileURL(path).href : path;
}

/** A CommonJS definition compiled from TypeScript has its default one level deeper. */
function defaultOf(loaded: { readonly default?: unknown }): unknown {
  const outer = loaded.default;
  if (typeof outer !== 'object' || outer === null || isDefinition(outer)) return outer;
  return '__esModule' in outer && 'default' in outer ? outer.default : outer;
}

function described(value: unknown, names: readonly string[]): string {
  if (value === undefined) {
    return names.length === 0
      ? 'no export at all'
      : `no default export, only ${names.slice(0, 10).join(', ')}`;
  }
  if (value instanceof Promise) return 'a promise; write: export default await …';
  if (typeof value === 'function') return 'a function; did you forget defineJob?';
  return shown(value);
}

function shown(value: unknown): string {
  if (value === null || typeof value === 'undefined') return String(value);
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 100));
  return `a ${typeof value}: ${String(value).slice(0, 100)}`;
}

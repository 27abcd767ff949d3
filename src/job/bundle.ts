/**
 * Freezes a definition: one ESM file with all it imports, that runs the same from anywhere, later, without its
 * sources. What stays outside is Node itself and packages with native code.
 *
 * Invariants: the code depends on the contents and places of the inputs, the names of the library that are used
 * and esbuild's version, on nothing else (not the working directory, not where tidemark is installed); its stack
 * traces name the original files, when source maps are on.
 */
import { createHash } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { BuildFailure, BuildOptions, BuildResult, Message } from 'esbuild';
import { present } from '../base/assert.js';
import { systemCode, TidemarkError } from '../base/errors.js';
import { DEFINITION_EXTENSIONS, definitionPlugin, META_DEFINES, VIRTUAL } from './bundle-plugin.js';
import { shownPath } from './user-frame.js';

export interface Bundle {
  readonly code: string;
  /** SHA-256 of `code`, in hex. */
  readonly hash: string;
  /** Absolute paths of the files that went in, sorted. */
  readonly inputs: readonly string[];
  /** Packages left outside, or the path of an addon that belongs to none; sorted. */
  readonly external: readonly string[];
}

export interface BundleOptions {
  /** What `tidemark` exports, as `installLibrary` gives it. */
  readonly libraryNames: readonly string[];
}

/** Findings shown of one failed build. */
const MAX_FINDINGS = 50;
/** The oldest Node that runs bundles; a constant, so that every Node makes the same bundle. */
const TARGET = 'node20';

/**
 * Bundles a TypeScript or JavaScript definition.
 *
 * Rejects with FILE_NOT_FOUND, or DEFINITION_INVALID with every finding and its place, or NATIVE_MODULE when
 * esbuild itself cannot start.
 */
export async function bundleDefinition(file: string, options: BundleOptions): Promise<Bundle> {
  const entry = await findDefinition(file);
  const external = new Set<string>();
  const built = await runEsbuild(entry, options.libraryNames, {
    ...buildOptions(entry),
    plugins: [definitionPlugin(options.libraryNames, external)],
  });
  const code = assemble(entry, outputOf(built, '.mjs'), outputOf(built, '.mjs.map'));
  return {
    code,
    hash: createHash('sha256').update(code).digest('hex'),
    inputs: Object.keys(present(built.metafile, 'metafile').inputs)
      .filter((input) => !isVirtual(input))
      .map((input) => resolve(dirname(entry), input))
      .sort(),
    external: [...external].sort(),
  };
}

/** The real path of the definition, as Node would name it in `import.meta.url`. */
async function findDefinition(file: string): Promise<string> {
  const shown = shownPath(resolve(file));
  let path: string;
  try {
    path = await realpath(file);
    if ((await stat(path)).isDirectory()) {
      throw new TidemarkError('DEFINITION_INVALID', `expected a definition file, found a folder: ${shown}`, {
        hint: 'name the .ts or .js file that exports the definition',
      });
    }
  } catch (error) {
    const code = systemCode(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    throw new TidemarkError('FILE_NOT_FOUND', `no definition at ${shown}`, {
      hint: 'check the path; a definition is a .ts or .js file',
      cause: error,
    });
  }
  if (DEFINITION_EXTENSIONS.includes(extname(path))) return path;
  const kinds = DEFINITION_EXTENSIONS.join(' ');
  throw new TidemarkError('DEFINITION_INVALID', `a definition ends in one of ${kinds}, found ${shown}`, {
    hint: 'write it in TypeScript or JavaScript',
  });
}

function buildOptions(entry: string): BuildOptions & { write: false; metafile: true } {
  const folder = dirname(entry);
  return {
    entryPoints: [entry],
    absWorkingDir: folder,
    // Never written; names in the source map are relative to it.
    outfile: join(folder, 'bundle.mjs'),
    write: false,
    metafile: true,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: TARGET,
    // Only what Node itself would choose: esbuild adds `module` otherwise.
    conditions: [],
    define: { ...META_DEFINES },
    charset: 'utf8',
    sourcemap: 'external',
    sourcesContent: false,
    legalComments: 'inline',
    logLevel: 'silent',
    logLimit: 0,
  };
}

/** Builds in flight; esbuild's service is one child of this process, and stops when the last is done. */
let building = 0;

async function runEsbuild(
  entry: string,
  names: readonly string[],
  options: BuildOptions,
): Promise<BuildResult> {
  const { build, stop } = loadEsbuild();
  building++;
  try {
    return await build(options);
  } catch (error) {
    throw buildError(error, entry, names);
  } finally {
    building--;
    if (building === 0) await stop();
  }
}

/** Required: to import a CommonJS module of its size, Node reads it twice, which takes longer than the build. */
function loadEsbuild(): typeof import('esbuild') {
  try {
    return createRequire(import.meta.url)('esbuild') as typeof import('esbuild');
  } catch (error) {
    throw noEsbuild(error);
  }
}

function buildError(error: unknown, entry: string, names: readonly string[]): TidemarkError {
  if (!isBuildFailure(error)) return noEsbuild(error);
  const folder = dirname(entry);
  const findings = error.errors.map((message) => finding(message, folder, names));
  const shown = findings
    .slice(0, MAX_FINDINGS)
    .map(({ at, text }) => (at === undefined ? text : `${at}: ${text}`));
  const more = findings.length - shown.length;
  const lines = more > 0 ? [...shown, `and ${more} more`] : shown;
  const at = findings[0]?.at;
  const missing = findings
    .map(({ text }) => MISSING_PACKAGE.exec(text)?.[1])
    .find((name) => name !== undefined);
  return new TidemarkError('DEFINITION_INVALID', `${shownPath(entry)} does not build:\n${lines.join('\n')}`, {
    hint:
      missing === undefined
        ? `mend it, then run: tidemark plan ${shownPath(entry)}`
        : `in ${shownPath(folder) || '.'} run: npm install ${missing}`,
    ...(at === undefined ? {} : { at }),
    cause: error,
  });
}

const NO_EXPORT = new RegExp(`^No matching export in "${VIRTUAL.library}:tidemark" for import ("[^"]*")`);
const MISSING_PACKAGE = /^Could not resolve "((?:@[^/"]+\/)?[^./#"@][^/"]*)/;

function finding(
  { location, text, notes }: Message,
  folder: string,
  names: readonly string[],
): { at: string | undefined; text: string } {
  const lacking = NO_EXPORT.exec(text)?.[1];
  const hint = notes.map((note) => note.text).find((note) => note.startsWith('Did you mean'));
  const whole =
    lacking === undefined
      ? `${text}${hint === undefined ? '' : ` (${hint})`}`
      : `tidemark has no export ${lacking}; it has: ${names.join(', ')}`;
  if (location === null || isVirtual(location.file)) return { at: undefined, text: whole };
  const file = shownPath(resolve(folder, location.file));
  return { at: `${file}:${location.line}:${location.column + 1}`, text: whole };
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && 'errors' in error && Array.isArray(error.errors);
}

function noEsbuild(error: unknown): TidemarkError {
  const text = error instanceof Error ? error.message : String(error);
  return new TidemarkError('NATIVE_MODULE', `esbuild, which loads definitions, cannot start: ${text}`, {
    hint: 'install it again for this machine: npm rebuild esbuild, or npm install',
    cause: error,
  });
}

function isVirtual(name: string): boolean {
  return Object.values(VIRTUAL).some((namespace) => name.startsWith(`${namespace}:`));
}

function outputOf(built: BuildResult, ending: string): string {
  const output = built.outputFiles?.find(({ path }) => path.endsWith(`bundle${ending}`));
  return present(output, `esbuild's output ${ending}`).text;
}

/**
 * A hashbang becomes an empty line; the file is imported, not run.
 *
 *     import … createRequire … const require = …   only where CommonJS was inlined
 *     code
 *     //# sourceMappingURL=data:…                  sources as absolute file URLs
 */
function assemble(entry: string, output: string, mapText: string): string {
  const map: { sources: string[]; mappings: string } = JSON.parse(mapText);
  map.sources = map.sources.map((source) => sourceUrl(entry, source));
  // esbuild's `__require` is there only when needed, and then it gives way to a `require` of the user's.
  const head = /^var __require = /m.test(output) ? requireBanner(entry) : '';
  map.mappings = ';'.repeat(head.split('\n').length - 1) + map.mappings;
  const body = output.replace(/^#![^\n]*/, '');
  const encoded = Buffer.from(JSON.stringify(map)).toString('base64');
  return `${head}${body}//# sourceMappingURL=data:application/json;base64,${encoded}\n`;
}

function requireBanner(entry: string): string {
  return `import { createRequire as __tidemark_require } from 'node:module';
const require = __tidemark_require(${JSON.stringify(pathToFileURL(entry).href)});
`;
}

function sourceUrl(entry: string, source: string): string {
  return isVirtual(source) ? source : pathToFileURL(resolve(dirname(entry), source)).href;
}

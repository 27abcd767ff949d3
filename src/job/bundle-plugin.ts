/**
 * What esbuild must be told so that a definition runs from one file as it would from its own place.
 *
 *  - `tidemark` is the library of whoever runs the bundle: a module that reads it from the global that
 *    `installLibrary` sets. Only the names a definition uses end up in its bundle, so the hash does not change
 *    with each export that tidemark gains.
 *  - packages with native code stay where they are: `import` gets their file URL, `require` their path.
 *  - `import.meta`, `__dirname` and `__filename` are those of the file they stand in, not of the bundle.
 */
import { readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Loader, OnLoadResult, OnResolveArgs, OnResolveResult, Plugin, PluginBuild } from 'esbuild';
import { LIBRARY } from './library.js';
import { PackageFinder } from './native-package.js';

/** Namespaces of the modules that are not files. */
export const VIRTUAL = { library: 'tidemark-library', meta: 'tidemark-meta' } as const;

/** The identifier that `import.meta` becomes; see `META_DEFINES`. */
const META = '__tidemark_meta';

/** esbuild's `define`s that this plugin needs; each file that has one of them gets a binding of `META`. */
export const META_DEFINES: Readonly<Record<string, string>> = {
  'import.meta': META,
  __dirname: `${META}.dirname`,
  __filename: `${META}.filename`,
};

const LOADERS: Readonly<Record<string, Loader>> = {
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.tsx': 'tsx',
  '.js': 'js',
  '.mjs': 'js',
  '.cjs': 'js',
  '.jsx': 'jsx',
};

/** File names a definition may end in. */
export const DEFINITION_EXTENSIONS: readonly string[] = Object.keys(LOADERS);

/** Marks a resolve that the plugin asked for itself. */
const OWN_RESOLVE = Symbol('tidemark resolve');

/** `external` gathers the names of what was left outside. */
export function definitionPlugin(libraryNames: readonly string[], external: Set<string>): Plugin {
  return {
    name: 'tidemark',
    setup(build) {
      provideLibrary(build, libraryNames);
      keepFilePlaces(build);
      leaveNativeOutside(build, external);
    },
  };
}

function provideLibrary(build: PluginBuild, names: readonly string[]): void {
  build.onResolve({ filter: /^tidemark(?:\/|$)/ }, ({ path }) => {
    if (path === 'tidemark') return { path, namespace: VIRTUAL.library, sideEffects: false };
    const text =
      path === 'tidemark/testing'
        ? '"tidemark/testing" is for tests and cannot be part of a definition'
        : `tidemark has no "${path}"; a definition imports from "tidemark"`;
    return { errors: [{ text }] };
  });
  build.onLoad({ filter: /.*/, namespace: VIRTUAL.library }, () => ({
    contents: librarySource(names),
    loader: 'js',
  }));
}

/** A map with one place for all: lines of a module that is no file help nobody, and would make the hash follow them. */
const NO_PLACES = `//# sourceMappingURL=data:application/json;base64,${Buffer.from(
  `{"version":3,"sources":["${VIRTUAL.library}:tidemark"],"names":[],"mappings":"AAAA"}`,
).toString('base64')}`;

/** Each export stands alone and is marked pure, so that unused ones leave no trace. */
function librarySource(names: readonly string[]): string {
  const take = `function take(name) {
  const library = globalThis[Symbol.for(${JSON.stringify(LIBRARY)})];
  if (library === undefined) throw new Error('this file is a definition bundled by tidemark; start it with: tidemark run');
  if (!(name in library)) throw new Error('this definition uses "' + name + '", which this version of tidemark does not have');
  return library[name];
}`;
  const exports = [...names]
    .sort()
    .filter((name) => name !== 'default')
    .map((name) => `export const ${name} = /* @__PURE__ */ take(${JSON.stringify(name)});`);
  return [take, ...exports, NO_PLACES].join('\n');
}

function leaveNativeOutside(build: PluginBuild, external: Set<string>): void {
  const packages = new PackageFinder();
  const leave = (args: OnResolveArgs, path: string, name: string): OnResolveResult => {
    external.add(name);
    const required = args.kind === 'require-call' || args.kind === 'require-resolve';
    return { path: required ? path : pathToFileURL(path).href, external: true };
  };
  // Bare names, and addons by path; what is relative belongs to a file that is inside already.
  build.onResolve({ filter: /^[^./#]|\.node$/, namespace: 'file' }, async (args) => {
    if (args.pluginData === OWN_RESOLVE || args.kind === 'entry-point' || isBuiltin(args.path))
      return undefined;
    const { kind, importer, resolveDir, with: attributes } = args;
    const asked = { kind, importer, resolveDir, with: attributes, pluginData: OWN_RESOLVE };
    const found = await build.resolve(args.path, asked);
    if (found.errors.length > 0 || found.external || found.namespace !== 'file') return undefined;
    const owner = packages.find(found.path);
    if (owner?.native === true) return leave(args, found.path, owner.name);
    if (extname(found.path) === '.node') return leave(args, found.path, owner?.name ?? found.path);
    return undefined;
  });
}

const MENTIONS_PLACE = /\bimport\s*\.\s*meta\b|\b__dirname\b|\b__filename\b/;
const MENTIONS_RESOLVE = /\bmeta\s*\.\s*resolve\b/;
const STARTS_STRICT = /^(?:\s|\/\/[^\n]*\n|\/\*[\s\S]*?\*\/)*(['"])use strict\1/;
const ESM_SYNTAX =
  /^\s*(?:import\s*[\w$*{'"]|export\s*(?:[{*]|(?:default|const|let|var|function|class|async)\b))/m;
const CJS_SYNTAX = /\bmodule\s*\.\s*exports\b|^\s*exports\s*\./m;

function keepFilePlaces(build: PluginBuild): void {
  build.onLoad({ filter: /\.[cm]?[jt]sx?$/, namespace: 'file' }, async ({ path }) => {
    const text = await readFile(path, 'utf8');
    return MENTIONS_PLACE.test(text) ? bindPlace(path, text) : undefined;
  });
  build.onResolve({ filter: new RegExp(`^${VIRTUAL.meta}:`) }, ({ path, importer }) => ({
    path: importer,
    namespace: VIRTUAL.meta,
    pluginData: path.endsWith(':resolve'),
  }));
  build.onLoad({ filter: /.*/, namespace: VIRTUAL.meta }, ({ path, pluginData }) => ({
    contents: metaSource(path, pluginData === true),
    loader: 'js',
    resolveDir: dirname(path),
  }));
}

/**
 * Binds `META` in one file. An import behind the last line shifts nothing and is hoisted, but makes the file a
 * module; where it may be CommonJS, a `var` goes before the first statement, which moves columns of line 1 only.
 */
function bindPlace(path: string, text: string): OnLoadResult {
  const extension = extname(path);
  const loader = LOADERS[extension] ?? 'js';
  const esm =
    /^\.m/.test(extension) || (!/^\.c/.test(extension) && ESM_SYNTAX.test(text) && !CJS_SYNTAX.test(text));
  if (esm) {
    const from = `${VIRTUAL.meta}:${MENTIONS_RESOLVE.test(text) ? 'resolve' : 'place'}`;
    return { contents: `${text}\nimport { meta as ${META} } from ${JSON.stringify(from)};\n`, loader };
  }
  const hashbang = /^#![^\n]*\n/.exec(text)?.[0] ?? '';
  const body = text.slice(hashbang.length);
  const strict = STARTS_STRICT.test(body) ? '"use strict";' : '';
  return { contents: `${hashbang}${strict}var ${META}={${placeOf(path)}};${body}`, loader };
}

function placeOf(path: string): string {
  const place = { url: pathToFileURL(path).href, dirname: dirname(path), filename: path };
  return Object.entries(place)
    .map(([name, value]) => `${name}:${JSON.stringify(value)}`)
    .join(',');
}

function metaSource(path: string, resolves: boolean): string {
  if (!resolves) return `export const meta = {${placeOf(path)}};`;
  const url = JSON.stringify(pathToFileURL(path).href);
  return `import { createRequire, isBuiltin } from 'node:module';
import { pathToFileURL } from 'node:url';
const resolve = (to) => {
  if (/^\\.{0,2}\\/|^file:/.test(to)) return new URL(to, ${url}).href;
  if (isBuiltin(to)) return to.startsWith('node:') ? to : 'node:' + to;
  return pathToFileURL(createRequire(${url}).resolve(to)).href;
};
export const meta = {${placeOf(path)}, resolve};`;
}

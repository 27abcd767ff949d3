/** Which packages cannot be put into a bundle, because they load a compiled addon from their own folder. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';

/** Packages that exist to find or build an addon: what depends on one of them has an addon. */
const ADDON_HELPERS = [
  'bindings',
  'node-gyp-build',
  'node-gyp-build-optional-packages',
  'prebuild-install',
  'node-pre-gyp',
  '@mapbox/node-pre-gyp',
  'node-addon-api',
  'cmake-js',
  'nan',
];

/** What is read of a `package.json`; nothing of it is trusted. */
interface Manifest {
  readonly name?: unknown;
  readonly gypfile?: unknown;
  readonly napi?: unknown;
  readonly dependencies?: unknown;
}

export interface PackageRoot {
  readonly name: string;
  readonly folder: string;
  readonly native: boolean;
}

/** Finds the package of a file in `node_modules`; answers are kept, for one build reads few packages many times. */
export class PackageFinder {
  readonly #known = new Map<string, PackageRoot | undefined>();

  /** The package that holds the file; undefined when the file is not in a `node_modules` folder. */
  find(file: string): PackageRoot | undefined {
    return file.includes(`${sep}node_modules${sep}`) ? this.#findFrom(dirname(file)) : undefined;
  }

  #findFrom(folder: string): PackageRoot | undefined {
    if (this.#known.has(folder)) return this.#known.get(folder);
    const above = dirname(folder);
    const found = readPackage(folder) ?? (above === folder ? undefined : this.#findFrom(above));
    this.#known.set(folder, found);
    return found;
  }
}

/** The package whose root is this folder. A `package.json` without a name (`{"type":"module"}`) is no root. */
function readPackage(folder: string): PackageRoot | undefined {
  const manifest = readManifest(join(folder, 'package.json'));
  if (typeof manifest?.name !== 'string') return undefined;
  return { name: manifest.name, folder, native: isNative(manifest, folder) };
}

function isNative(manifest: Manifest, folder: string): boolean {
  if (manifest.gypfile === true || manifest.napi !== undefined) return true;
  if (existsSync(join(folder, 'binding.gyp'))) return true;
  const { dependencies } = manifest;
  if (typeof dependencies !== 'object' || dependencies === null) return false;
  return ADDON_HELPERS.some((helper) => Object.hasOwn(dependencies, helper));
}

/** A broken or absent manifest is no finding here: esbuild reports it where it matters. */
function readManifest(path: string): Manifest | undefined {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : undefined;
  } catch {
    return undefined;
  }
}

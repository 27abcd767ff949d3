/**
 * One instance of the library for every definition. A bundle does not contain tidemark, nor the path of one: its
 * `import … from 'tidemark'` reads the namespace that the running process installs here (see bundle-plugin.ts).
 *
 * Duty of a thread that runs bundles: `installLibrary` before the first `loadDefinition`.
 */

/** Where a bundle looks for the library. Part of every bundle ever stored: never renamed. */
export const LIBRARY = 'tidemark.library';

/** Installs this copy of the library in the present thread and returns the names it exports, sorted. */
export async function installLibrary(): Promise<readonly string[]> {
  return exposeLibrary(await import('../index.js'));
}

/** `installLibrary` for a namespace that is at hand already. */
export function exposeLibrary(library: object): readonly string[] {
  Object.defineProperty(globalThis, Symbol.for(LIBRARY), { value: library, configurable: true });
  return Object.keys(library)
    .filter((name) => name !== 'default')
    .sort();
}

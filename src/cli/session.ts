/** The home a command works on, and its catalog. */
import { systemRandom } from '../base/random.js';
import { Catalog } from '../catalog/catalog.js';
import { findHome } from '../catalog/home.js';
import type { Context } from './context.js';

/** Opens the catalog for as long as `use` takes. `create`: the command starts jobs, and so may make the home. */
export async function withCatalog<T>(
  { home, environment, cwd, clock }: Context,
  create: boolean,
  use: (catalog: Catalog) => Promise<T>,
): Promise<T> {
  const found = findHome({ flag: home, env: environment['TIDEMARK_HOME'], cwd });
  const catalog = Catalog.open(found, { create, clock, random: systemRandom });
  try {
    return await use(catalog);
  } finally {
    catalog.close();
  }
}

/** `tidemark savepoint <job> [-o FILE|-]` */
import type { Context, Given } from '../context.js';
import { withCatalog } from '../session.js';
import { takeSavepoint } from '../take-savepoint.js';

export function run(given: Given, context: Context): Promise<number> {
  return withCatalog(context, false, (catalog) =>
    takeSavepoint(given, context, catalog, { stop: false, drain: false }, async () => {}),
  );
}

/** What a stored bundle's thread is asked for in one go. No element is read or written. */
import type { JobSettings } from '../graph/settings.js';
import type { LineageEntry, TransactionId } from '../graph/sink.js';
import { type DefinitionPlace, OpenDefinition } from './open-definition.js';
import type { GraphFacts } from './protocol.js';

/** The graph of a definition. Rejects with what its code throws. */
export async function graphOfBundle(what: DefinitionPlace, settings: JobSettings): Promise<GraphFacts> {
  const definition = await OpenDefinition.open(what, settings, [], { targets: false });
  await definition.close();
  return definition.facts;
}

/** By sink, the transactions that its target holds beyond the lineage. */
export async function probeTargets(
  what: DefinitionPlace,
  settings: JobSettings,
  lineage: readonly LineageEntry[],
): Promise<ReadonlyMap<string, readonly TransactionId[]>> {
  const definition = await OpenDefinition.open(what, settings, lineage, { targets: true });
  return await definition.ahead().finally(() => definition.close());
}

/** Connects a source or a sink to its brokers: loads the client, and asks for nothing yet. */
import type { SinkContext } from '../../graph/sink.js';
import { Cluster } from './cluster.js';
import { loadKafka } from './library.js';
import type { Reach } from './options.js';

export async function openCluster(
  reach: Reach,
  context: Pick<SinkContext, 'cwd' | 'clock' | 'alive'>,
): Promise<Cluster> {
  return new Cluster(await loadKafka(context.cwd, reach.resolveFrom), reach, context);
}

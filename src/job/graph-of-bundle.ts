/** Loads a stored bundle in a data thread just far enough to learn its graph. Nothing is opened, read or written. */
import { systemClock } from '../base/clock.js';
import { TidemarkError } from '../base/errors.js';
import type { JobSettings } from '../graph/settings.js';
import { Attempt } from './attempt.js';
import type { DataThreadData, GraphFacts } from './protocol.js';

type What = Pick<DataThreadData, 'bundle' | 'job' | 'params' | 'cwd'>;

export async function graphOfBundle(what: What, settings: JobSettings): Promise<GraphFacts> {
  const { parallelism, maxParallelism, heap, stepTimeout } = settings;
  const data = {
    ...what,
    attempt: 0,
    parallelism,
    maxParallelism,
    liveSinks: false,
    rewind: false,
    lineage: [],
    mode: 'run' as const,
  };
  const ignore = () => undefined;
  const attempt = new Attempt(
    { data: { ...data, metricsEvery: Number.MAX_SAFE_INTEGER }, heap, stepTimeout, clock: systemClock },
    {
      chunk: ignore,
      drained: ignore,
      committed: ignore,
      inputEnded: ignore,
      print: async () => undefined,
      log: ignore,
      output: ignore,
      metrics: ignore,
    },
  );
  const facts = await Promise.race([attempt.described, attempt.ended]);
  await attempt.terminate();
  if (facts === undefined) throw new TidemarkError('DEFINITION_INVALID', 'the definition ended its thread');
  if (facts instanceof TidemarkError) throw facts;
  return facts;
}

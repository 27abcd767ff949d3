/** Loads a stored bundle in a data thread just far enough to learn something of it. No element is read or written. */
import { systemClock } from '../base/clock.js';
import { TidemarkError } from '../base/errors.js';
import type { JobSettings } from '../graph/settings.js';
import type { LineageEntry, TransactionId } from '../graph/sink.js';
import { Attempt, type AttemptEvents } from './attempt.js';
import type { DataThreadData, GraphFacts } from './protocol.js';

type What = Pick<DataThreadData, 'bundle' | 'job' | 'params' | 'cwd'>;

/** No job's id. */
const NOBODY = '-';

/** For an attempt of which only the thread's end is of interest. */
export const IGNORE: AttemptEvents = {
  chunk: () => undefined,
  drained: () => undefined,
  committed: () => undefined,
  flush: () => undefined,
  flushed: () => undefined,
  opened: () => undefined,
  inputEnded: () => undefined,
  print: async () => undefined,
  log: () => undefined,
  output: () => undefined,
  metrics: () => undefined,
  ahead: () => undefined,
};

/** The graph of a definition. Rejects with what its code throws. */
export async function graphOfBundle(what: What, settings: JobSettings): Promise<GraphFacts> {
  const attempt = start(what, settings, 'run', [], IGNORE);
  const facts = await Promise.race([attempt.described, attempt.ended]);
  await attempt.terminate();
  if (facts === undefined) throw new TidemarkError('DEFINITION_INVALID', 'the definition ended its thread');
  if (facts instanceof TidemarkError) throw facts;
  return facts;
}

/** By sink, the transactions that its target holds beyond the lineage. */
export async function probeTargets(
  what: What,
  settings: JobSettings,
  lineage: readonly LineageEntry[],
): Promise<ReadonlyMap<string, readonly TransactionId[]>> {
  let found: ReadonlyMap<string, readonly TransactionId[]> = new Map();
  const ahead: AttemptEvents['ahead'] = (sinks) => {
    found = sinks;
  };
  // A job's own transactions are never ahead of it: the one to come has none, and no id yet.
  const nobody = { ...what, job: { id: NOBODY, name: what.job.name } };
  const attempt = start(nobody, settings, 'probe', lineage, { ...IGNORE, ahead });
  attempt.send({ type: 'go', beginning: { barrierTime: undefined, fromOrigin: true } });
  const error = await attempt.ended;
  if (error !== undefined) throw error;
  return found;
}

function start(
  what: What,
  settings: JobSettings,
  mode: DataThreadData['mode'],
  lineage: readonly LineageEntry[],
  events: AttemptEvents,
): Attempt {
  const { parallelism, maxParallelism, heap, stepTimeout } = settings;
  const quiet = { attempt: 0, liveSinks: false, rewind: false, metricsEvery: Number.MAX_SAFE_INTEGER };
  const data: Omit<DataThreadData, 'where'> = {
    ...what,
    ...quiet,
    parallelism,
    maxParallelism,
    lineage,
    mode,
    // Nothing is processed, and no state is kept.
    backend: 'memory',
    snapshots: 'all',
    segments: '',
    cache: 0,
  };
  return new Attempt({ data, heap, stepTimeout, clock: systemClock }, events);
}

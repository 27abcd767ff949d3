/** What becomes of the sinks of a restored job: where they write, and whether their targets are ahead of the snapshot. */
import type { TidemarkError } from '../base/errors.js';
import type { TransactionId } from '../graph/sink.js';
import { targetAhead } from '../runtime/sink.js';
import type { GraphFacts } from './protocol.js';
import type { RestoreOptions, SinkPlan } from './restore.js';

/** Every sink with what its target holds beyond the snapshot, and a refusal when that would be written twice. */
export async function planSinks(
  options: Pick<RestoreOptions, 'sinks'>,
  facts: GraphFacts,
  probe: () => Promise<ReadonlyMap<string, readonly TransactionId[]>>,
): Promise<{ readonly plans: readonly SinkPlan[]; readonly refusal: TidemarkError | undefined }> {
  const mode = options.sinks ?? 'live';
  const none: ReadonlyMap<string, readonly TransactionId[]> = new Map();
  const found = mode === 'mute' ? none : await probe();
  const plans = facts.operators
    .filter(({ kind }) => kind === 'sink')
    .map(({ uid }) => {
      const target = facts.targets.find(({ sink }) => sink === uid)?.target ?? null;
      return { uid, target, mode, ahead: found.get(uid)?.length ?? 0 };
    });
  const first = mode === 'live' ? plans.find(({ ahead }) => ahead > 0) : undefined;
  const refusal = first === undefined ? undefined : targetAhead(first.uid, found.get(first.uid) ?? []);
  return { plans, refusal };
}

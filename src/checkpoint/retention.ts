/**
 * Which completed checkpoints stay, and which are subsumed. Pure.
 *
 * Rules: the newest `retain` stay, and never fewer than one, for recovery needs it; a pinned one stays; one whose
 * commits have not ended stays, since recovery may still have to deliver them.
 */
import type { CheckpointRecord } from '../catalog/records.js';

export type RetentionCandidate = Pick<CheckpointRecord, 'id' | 'state' | 'committedAt' | 'retainedBy'>;

export interface RetentionPlan {
  /** Ids, ascending. */
  readonly keep: readonly number[];
  readonly subsume: readonly number[];
}

/** `checkpoints`: those of one job in any order and state; `retain`: how many completed ones stay. */
export function retention(checkpoints: readonly RetentionCandidate[], retain: number): RetentionPlan {
  const completed = checkpoints.filter(({ state }) => state === 'completed').sort((a, b) => a.id - b.id);
  const old = completed.slice(0, -Math.max(1, retain));
  const subsume = old.filter((one) => one.committedAt !== undefined && !one.retainedBy.includes('pin'));
  const dropped = new Set(subsume.map(({ id }) => id));
  return {
    keep: completed.map(({ id }) => id).filter((id) => !dropped.has(id)),
    subsume: [...dropped],
  };
}

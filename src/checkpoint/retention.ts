/**
 * Which completed checkpoints stay, and which are subsumed. Pure.
 *
 * Rules: the newest `retain` stay, and never fewer than one, for recovery needs it; a pinned one stays, and does
 * not count; one whose commits have not ended stays, since recovery may still have to deliver them.
 */

export interface RetentionCandidate {
  readonly id: number;
  readonly committed: boolean;
  readonly pinned: boolean;
}

export interface RetentionPlan {
  /** Ids, ascending. */
  readonly keep: readonly number[];
  readonly subsume: readonly number[];
}

/** `completed`: the job's completed checkpoints in any order; `retain`: how many stay. */
export function planRetention(completed: readonly RetentionCandidate[], retain: number): RetentionPlan {
  const newestFirst = completed.filter((one) => !one.pinned).sort((a, b) => b.id - a.id);
  const retained = new Set(newestFirst.slice(0, Math.max(1, retain)).map((one) => one.id));
  const stays = (one: RetentionCandidate) => one.pinned || !one.committed || retained.has(one.id);
  const ids = (some: readonly RetentionCandidate[]) => some.map((one) => one.id).sort((a, b) => a - b);
  return { keep: ids(completed.filter(stays)), subsume: ids(completed.filter((one) => !stays(one))) };
}

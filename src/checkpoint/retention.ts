/**
 * Which completed checkpoints stay: while a job runs, and when it ends. Pure.
 *
 * While it runs, the newest `retain` stay, and never fewer than one, for recovery needs it; a pinned one stays; one whose
 * commits have not ended stays, since recovery may still have to deliver them.
 *
 * When it ends, the end and two policies decide. Pinned ones stay in any case; what stays belongs to the user, and
 * goes by `prune` only.
 *
 *     end        checkpoints
 *     finished   dropped: there is nothing to go on with
 *     canceled   dropped, or with `--on-cancel retain` those that were kept stay; the default is delete
 *     failed     stay, or with `--on-failure delete` dropped, except a last one whose commits have not ended, and
 *                then nothing can be resumed; the default is retain
 *     suspended  stay: the job is meant to go on
 *     lost       stay: nobody was there to decide, and the job can go on
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

export interface EndPolicies {
  readonly onCancel: 'delete' | 'retain';
  readonly onFailure: 'delete' | 'retain';
}

/** The ids that go when a job has come to its end, by the table above. */
export function droppedAtEnd(
  end: 'finished' | 'canceled' | 'failed' | 'suspended' | 'lost',
  policies: EndPolicies,
  checkpoints: readonly RetentionCandidate[],
): readonly number[] {
  if (!dropsAtEnd(end, policies)) return [];
  const completed = checkpoints.filter(({ state }) => state === 'completed').sort((a, b) => a.id - b.id);
  const last = completed.at(-1);
  // The commits of a job that was canceled have been finished; of one that failed, `cancel` may yet finish them.
  const owed = end === 'failed' && last?.committedAt === undefined ? last : undefined;
  return completed.filter((one) => one !== owed && !one.retainedBy.includes('pin')).map(({ id }) => id);
}

function dropsAtEnd(end: Parameters<typeof droppedAtEnd>[0], { onCancel, onFailure }: EndPolicies): boolean {
  switch (end) {
    case 'finished':
      return true;
    case 'canceled':
      return onCancel === 'delete';
    case 'failed':
      return onFailure === 'delete';
    case 'suspended':
    case 'lost':
      return false;
  }
}

/**
 * A mark: a number per entry that says when it last changed or was written to a drain, and whether a kept drain may
 * hold it. Epochs count freezes; the first is 1.
 *
 *     mark = 4 * epoch + 2 if the entry changed in that epoch      (else it was written by the drain of that freeze)
 *                      + 1 if a kept drain may hold it: KEPT       (also when what wrote it was lost: seen too late)
 *
 * So marks compare as time goes: what changed before freeze `f` is below `writtenAt(f)`, what that freeze wrote is
 * below `changedAt(f)`, and what changed since is not. store.ts says which of them are pending.
 */
export const KEPT = 1;
const CHANGED = 2;
const EPOCH = 4;

export const FIRST_EPOCH = 1;
/** Marks are kept in 31 bits. Freezing once a second gets there in 17 years. */
export const LAST_EPOCH = 2 ** 29 - 1;

/** The least mark of what the drain of a freeze wrote. */
export function writtenAt(epoch: number): number {
  return EPOCH * epoch;
}

/** The mark of what changed after a freeze. */
export function changedAt(epoch: number): number {
  return EPOCH * epoch + CHANGED;
}

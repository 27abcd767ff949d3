/**
 * When to take a checkpoint, and when to give one up. Pure: the coordinator asks after every event and when the
 * time it was told to wait for has come, and does what it is told.
 *
 * Rules: one at a time, the next only after the commits of the previous have ended; what was asked for goes
 * before the schedule and does not wait for the pause; after a failure the schedule simply goes on; nothing is
 * triggered after a last one.
 *
 * Times are milliseconds of one clock that does not go back (`Clock.monotonic`).
 */

export interface CheckpointTiming {
  /** Between two triggers; 0 turns periodic checkpoints off. */
  readonly interval: number;
  /** Of rest between the end of one and the trigger of the next periodic one. */
  readonly minPause: number;
  /** After which one that has not completed, or whose commits have not ended, is given up. */
  readonly timeout: number;
  /** Consecutive failures that do not yet fail the attempt. */
  readonly tolerated: number;
}

export interface CheckpointProgress {
  /** Someone waits for one to be taken. */
  readonly asked: boolean;
  /** The one under way; `committing` once it is completed. */
  readonly running: { readonly startedAt: number; readonly committing: boolean } | undefined;
  /** When the latest was triggered, of whatever kind; before the first, when the attempt began. */
  readonly lastTriggeredAt: number;
  /** When the latest ended: its commits done, or failed. */
  readonly lastEndedAt: number | undefined;
  /** Since the latest completed one. */
  readonly consecutiveFailures: number;
  /** A last one has been triggered: what lies behind its barrier is never processed. */
  readonly over: boolean;
}

export type CheckpointDecision =
  | { readonly action: 'trigger' }
  /** Nothing to do before that time; `Infinity`: before something else happens. */
  | { readonly action: 'wait'; readonly until: number }
  /** The running one: as failed while it is pending; the attempt with it when it is committing. */
  | { readonly action: 'give-up' }
  | { readonly action: 'fail-attempt' };

export function decide(
  settings: CheckpointTiming,
  state: CheckpointProgress,
  now: number,
): CheckpointDecision {
  if (state.consecutiveFailures > settings.tolerated) return { action: 'fail-attempt' };
  if (state.running !== undefined) {
    const until = state.running.startedAt + settings.timeout;
    return now >= until ? { action: 'give-up' } : { action: 'wait', until };
  }
  if (state.over) return { action: 'wait', until: Number.POSITIVE_INFINITY };
  if (state.asked) return { action: 'trigger' };
  const due = nextDue(settings, state);
  return now >= due ? { action: 'trigger' } : { action: 'wait', until: due };
}

/** A checkpoint that took longer than the interval is followed by the next one after the pause, not by a pile. */
function nextDue({ interval, minPause }: CheckpointTiming, state: CheckpointProgress): number {
  if (interval === 0) return Number.POSITIVE_INFINITY;
  const byPause = (state.lastEndedAt ?? Number.NEGATIVE_INFINITY) + minPause;
  return Math.max(state.lastTriggeredAt + interval, byPause);
}

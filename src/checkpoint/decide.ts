/**
 * When to take a checkpoint, and when to give one up. Pure: the coordinator asks after every event and when the
 * time it was told to wait for has come, and does what it is told.
 *
 * Rules: one at a time, the next only after the commits of the previous have ended; what was asked for goes
 * before the schedule and does not wait for the pause; after a failure the schedule simply goes on.
 *
 * Times are milliseconds of one clock that does not go back (`Clock.monotonic`).
 */

export interface CheckpointTiming {
  /** Between two triggers; 0 turns periodic checkpoints off. */
  readonly interval: number;
  /** Of rest between the end of one and the trigger of the next periodic one. */
  readonly minPause: number;
  /** After which one that has not completed is given up. */
  readonly timeout: number;
  /** Consecutive failures that do not yet fail the attempt. */
  readonly tolerated: number;
}

/** Why one is taken other than by the schedule: a person, the end of the input, a suspension. */
export type AskedKind = 'asked' | 'final' | 'suspend';

export interface CheckpointProgress {
  /** When the attempt began to run. */
  readonly startedAt: number;
  /** When the latest was triggered, of whatever kind, in this attempt. */
  readonly lastTriggeredAt: number | undefined;
  /** When the latest ended: its commits done, or failed. */
  readonly lastEndedAt: number | undefined;
  /** The one under way: `pending` until it is completed, then `committing`. */
  readonly current: 'none' | 'pending' | 'committing';
  readonly asked: AskedKind | undefined;
  /** Failures since the latest completed one. */
  readonly failures: number;
}

export type CheckpointDecision =
  | { readonly action: 'trigger'; readonly kind: 'periodic' | AskedKind }
  /** Nothing to do before that time; undefined: before something else happens. */
  | { readonly action: 'wait'; readonly until: number | undefined }
  | { readonly action: 'give-up-pending' }
  | { readonly action: 'fail-attempt'; readonly failures: number };

export function decide(
  settings: CheckpointTiming,
  state: CheckpointProgress,
  now: number,
): CheckpointDecision {
  if (state.failures > settings.tolerated) return { action: 'fail-attempt', failures: state.failures };
  if (state.current === 'committing') return { action: 'wait', until: undefined };
  if (state.current === 'pending') return watch(settings, state, now);
  if (state.asked !== undefined) return { action: 'trigger', kind: state.asked };
  if (settings.interval === 0) return { action: 'wait', until: undefined };
  const due = nextDue(settings, state);
  return now >= due ? { action: 'trigger', kind: 'periodic' } : { action: 'wait', until: due };
}

function watch(settings: CheckpointTiming, state: CheckpointProgress, now: number): CheckpointDecision {
  const until = (state.lastTriggeredAt ?? state.startedAt) + settings.timeout;
  return now >= until ? { action: 'give-up-pending' } : { action: 'wait', until };
}

/** A checkpoint that took longer than the interval is followed by the next one after the pause, not by a pile. */
function nextDue(settings: CheckpointTiming, state: CheckpointProgress): number {
  const byInterval = (state.lastTriggeredAt ?? state.startedAt) + settings.interval;
  const byPause = (state.lastEndedAt ?? Number.NEGATIVE_INFINITY) + settings.minPause;
  return Math.max(byInterval, byPause);
}

/**
 * Whether and when a failed attempt is followed by another. Pure.
 *
 * The strategies are those of Flink (`FixedDelayRestartBackoffTimeStrategy`,
 * `ExponentialDelayRestartBackoffTimeStrategy`, `FailureRateRestartBackoffTimeStrategy`), with one difference:
 * what resets the exponential one is a new completed checkpoint, not a stretch of quiet time, so that a job that
 * only replays the same input again does not count as recovered.
 */
import type { RestartSettings } from '../graph/settings.js';

export interface AttemptFailure {
  /** Milliseconds, of the same clock as `now`. */
  readonly at: number;
  /** Whether the attempt that failed had completed a new checkpoint. */
  readonly progressed: boolean;
}

/** The failures since the job was started or resumed, oldest first, the one to decide on last. */
export interface FailureHistory {
  readonly failures: readonly AttemptFailure[];
}

export type RestartDecision =
  /** `delay`: milliseconds from now. */
  { readonly restart: true; readonly delay: number } | { readonly restart: false; readonly why: string };

export function decideRestart(
  settings: RestartSettings,
  history: FailureHistory,
  now: number,
): RestartDecision {
  const { failures } = history;
  switch (settings.strategy) {
    case 'none':
      return { restart: false, why: 'the restart strategy is none' };
    case 'fixed-delay':
      return failures.length > settings.attempts
        ? { restart: false, why: `${settings.attempts} restarts are used up (fixed-delay)` }
        : { restart: true, delay: settings.delay };
    case 'exponential-delay':
      return exponential(settings, failures);
    case 'failure-rate': {
      const recent = failures.filter(({ at }) => at > now - settings.window).length;
      return recent > settings.failures
        ? { restart: false, why: `${recent} failures within ${settings.window} ms (failure-rate)` }
        : { restart: true, delay: settings.delay };
    }
  }
}

type Exponential = Extract<RestartSettings, { strategy: 'exponential-delay' }>;

function exponential(settings: Exponential, failures: readonly AttemptFailure[]): RestartDecision {
  const lastProgress = failures.findLastIndex((failure) => failure.progressed);
  const fruitless = failures.length - 1 - lastProgress;
  if (fruitless >= settings.attempts) {
    const why = `${fruitless} attempts in a row without a new checkpoint (exponential-delay)`;
    return { restart: false, why };
  }
  // The failure that ended a fruitful attempt is the first of its row.
  const doublings = lastProgress === -1 ? Math.max(0, fruitless - 1) : fruitless;
  const delay = settings.initial * settings.factor ** doublings;
  return { restart: true, delay: Math.min(settings.maximum, delay) };
}

/**
 * What of a history the decision can ever need: the row since the last progress, and what the strategy counts.
 * Keeps the history of a job that fails for months bounded.
 */
export function boundHistory(settings: RestartSettings, history: FailureHistory): FailureHistory {
  const most = 'attempts' in settings ? settings.attempts : 'failures' in settings ? settings.failures : 0;
  // One beyond the bound is what makes it exceeded; one more may be the fruitful attempt a row follows.
  return { failures: history.failures.slice(-(most + 2)) };
}

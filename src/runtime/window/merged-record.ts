/**
 * What the trigger of a session keeps that several became: their timers, and their states merged in order of time. A timer
 * for the end of a session is then for the end of the new one: else each element that makes a session longer would leave
 * one behind, to be carried and looked at with every element that follows (Flink's triggers delete theirs in `clear`).
 */
import type { TimeWindow, Trigger } from '../../graph/window.js';
import { allTimes, type Times, type TriggerRecord, withoutTime, withTime } from './trigger-record.js';
import type { UserCode } from './user-code.js';

/** What one of the sessions kept. */
export interface SessionRecord {
  readonly window: TimeWindow;
  readonly record: TriggerRecord;
}

/** `end` is that of the new session; `shown`: the pane, for what the trigger's `merge` throws. */
export function mergedRecord(
  sessions: readonly SessionRecord[],
  end: number,
  trigger: Trigger<unknown, unknown>,
  user: UserCode,
  shown: unknown,
): TriggerRecord {
  const [first, ...others] = sessions.map(({ record }) => record.state);
  let state = first;
  for (const other of others) {
    try {
      state = merged(state, other, trigger);
    } catch (error) {
      throw user.failed(error, shown);
    }
    user.refusePromise(state, shown);
  }
  return {
    state,
    event: allTimes(sessions.map(({ window, record }) => moved(record.event, window.end - 1, end - 1))),
    processing: allTimes(sessions.map(({ record }) => record.processing)),
  };
}

function moved(times: Times, from: number, to: number): Times {
  return from === to || !times.includes(from) ? times : withTime(withoutTime(times, from), to);
}

function merged(a: unknown, b: unknown, trigger: Trigger<unknown, unknown>): unknown {
  const { kind, initial } = trigger;
  if (trigger.merge !== undefined) return trigger.merge(a, b);
  if (Object.is(a, initial)) return b;
  if (Object.is(b, initial)) return a;
  throw new TypeError(`trigger ${kind} has a state, but no merge`);
}

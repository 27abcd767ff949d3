/** What the trigger of a session keeps that several became: their timers, and their states merged in order of time. */
import type { Trigger } from '../../graph/window.js';
import { allTimes, type TriggerRecord } from './trigger-record.js';
import type { UserCode } from './user-code.js';

/** `shown`: the pane, for what the trigger's `merge` throws. */
export function mergedRecord(
  records: readonly TriggerRecord[],
  trigger: Trigger<unknown, unknown>,
  user: UserCode,
  shown: unknown,
): TriggerRecord {
  const [first, ...others] = records.map(({ state }) => state);
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
    event: allTimes(records.map(({ event }) => event)),
    processing: allTimes(records.map(({ processing }) => processing)),
  };
}

function merged(a: unknown, b: unknown, trigger: Trigger<unknown, unknown>): unknown {
  const { kind, initial } = trigger;
  if (trigger.merge !== undefined) return trigger.merge(a, b);
  if (Object.is(a, initial)) return b;
  if (Object.is(b, initial)) return a;
  throw new TypeError(`trigger ${kind} has a state, but no merge`);
}

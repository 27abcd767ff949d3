/** `triggers.…` and `defineTrigger`: when a pane gives its result (Flink's `Trigger` and those it brings). */
import { formatDuration } from '../base/duration.js';
import { graphInvalid } from './graph-invalid.js';
import { readLength } from './lengths.js';
import { show } from './names.js';
import type { AnyTrigger, PaneContext, Trigger, TriggerResult } from './window.js';

/** Stands for no trigger of its own: the runtime does what it says by itself, and cheaper. */
const EVENT_TIME: Trigger<unknown, undefined> = {
  kind: 'eventTime',
  onElement: (_element, pane) => atEnd(pane),
  onEventTime: (time, { window }) => (time === window.end - 1 ? 'fire' : 'continue'),
  onMerge: (pane) => void atEnd(pane),
};

/** Fires where the window has ended, else sees to it that it will. */
function atEnd(pane: PaneContext): TriggerResult {
  const last = pane.window.end - 1;
  if (last === Number.POSITIVE_INFINITY) return 'continue';
  if (last <= pane.watermark()) return 'fire';
  pane.eventTimer.set(last);
  return 'continue';
}

/** Fires when the watermark passes the end of the window, and for each late element after that: the default. */
function eventTime(): AnyTrigger<unknown> {
  return EVENT_TIME;
}

/**
 * Fires each time `elements` more have come, and at no other time: where a window ends, what came after its last full count
 * shows in no result. Flink's `CountTrigger`.
 * @throws TidemarkError GRAPH_INVALID when `elements` is no whole number of at least 1.
 */
function count(elements: number): AnyTrigger<unknown> {
  if (!Number.isSafeInteger(elements) || elements < 1)
    throw graphInvalid('triggers.count', [`expected a whole number of at least 1, found ${show(elements)}`]);
  const trigger: Trigger<unknown, number> = {
    kind: `count(${elements})`,
    initial: 0,
    typed: true,
    onElement(_element, { state }) {
      const seen = state.get() + 1;
      state.set(seen >= elements ? 0 : seen);
      return seen >= elements ? 'fire' : 'continue';
    },
    merge: (a, b) => a + b,
  };
  return trigger;
}

/**
 * Fires at every multiple of `interval` of event time from the first element on, and at the end of the window: early
 * results. Flink's `ContinuousEventTimeTrigger`.
 * @throws TidemarkError GRAPH_INVALID when `interval` is no length over 0.
 */
function continuous(interval: string | number): AnyTrigger<unknown> {
  const every = readLength(interval, 1);
  if (typeof every === 'string') throw graphInvalid('triggers.continuous', [`interval: ${every}`]);
  /** The state is the next time; Infinity where only the end is left. */
  const next = (pane: PaneContext<number>, after: number) => {
    const time = Math.floor(after / every) * every + every;
    // At the end of time there is a next one for ever, in a window that has no end.
    const over =
      pane.watermark() === Number.POSITIVE_INFINITY && pane.window.end === Number.POSITIVE_INFINITY;
    const early = time < pane.window.end - 1 && !over;
    pane.state.set(early ? time : Number.POSITIVE_INFINITY);
    if (early) pane.eventTimer.set(time);
  };
  const trigger: Trigger<unknown, number> = {
    kind: `continuous(${formatDuration(every)})`,
    initial: Number.POSITIVE_INFINITY,
    typed: true,
    onElement(_element, pane) {
      const result = atEnd(pane);
      if (result === 'continue' && pane.state.get() === Number.POSITIVE_INFINITY)
        next(pane, Math.max(pane.timestamp, pane.watermark()));
      return result;
    },
    onEventTime(time, pane) {
      if (time === pane.window.end - 1) return 'fire';
      if (time !== pane.state.get()) return 'continue';
      next(pane, time);
      return 'fire';
    },
    merge: Math.min,
    onMerge: (pane) => void atEnd(pane),
  };
  return trigger;
}

/**
 * Fires when `trigger` does, and then drops what the pane keeps, so that each element shows in one result. Flink's
 * `PurgingTrigger`.
 * @throws TidemarkError GRAPH_INVALID when `trigger` is none.
 */
function purging<T>(trigger: AnyTrigger<T>): AnyTrigger<T> {
  if (!isTrigger(trigger))
    throw graphInvalid('triggers.purging', [`expected a trigger, found ${show(trigger)}`]);
  const of: Trigger<unknown, unknown> = trigger;
  const purge = (result: TriggerResult) => (result === 'fire' ? 'fire-and-purge' : result);
  const { onEventTime, onProcessingTime } = of;
  const made: Trigger<unknown, unknown> = {
    ...of,
    kind: `purging(${of.kind})`,
    onElement: (element, pane) => purge(of.onElement(element, pane)),
    // Only what is there: what has an onEventTime needs event time.
    ...(onEventTime && { onEventTime: (time, pane) => purge(onEventTime.call(of, time, pane)) }),
    ...(onProcessingTime && {
      onProcessingTime: (time, pane) => purge(onProcessingTime.call(of, time, pane)),
    }),
  };
  return made;
}

/**
 * When a pane gives its result; a late element, too, shows when the trigger says so. The default is `eventTime()`, and
 * for `windows.global()` there is none.
 * @example
 * triggers.count(100)
 * triggers.purging(triggers.count(100))
 * triggers.continuous('1m')
 * triggers.eventTime()
 */
export const triggers = { eventTime, count, continuous, purging } as const;

/** What a trigger of one's own says; see `Trigger` for each property. */
export interface TriggerDefinition<T, S> {
  /** What `plan` calls it. Default `custom`. */
  readonly kind?: string;
  /** What the trigger's state holds for a new pane; without it, there is no state. */
  readonly initial?: S;
  onElement(element: T, pane: PaneContext<NoInfer<S>>): TriggerResult;
  onEventTime?(time: number, pane: PaneContext<NoInfer<S>>): TriggerResult;
  onProcessingTime?(time: number, pane: PaneContext<NoInfer<S>>): TriggerResult;
  /** The state of two sessions that became one; needed for sessions where there is a state. */
  merge?(a: NoInfer<S>, b: NoInfer<S>): NoInfer<S>;
  onMerge?(pane: PaneContext<NoInfer<S>>): void;
}

const FUNCTIONS = ['onElement', 'onEventTime', 'onProcessingTime', 'merge', 'onMerge'];
const KNOWN = ['kind', 'initial', ...FUNCTIONS];

/**
 * Makes a trigger (Flink's `Trigger`). The functions are told of elements and of timers that they set, and answer
 * `'continue'`, `'fire'` (the pane gives its result), `'purge'` (what it keeps is dropped) or `'fire-and-purge'`. They do
 * nothing but to `pane`: its state and timers are in every snapshot, variables outside are not. Elements of `T` come
 * from the annotation of `onElement`'s parameter.
 * @throws TidemarkError GRAPH_INVALID with all that is wrong with its shape.
 * @example
 * // As soon as the window has seen a landing, and again whenever there is another.
 * const onLanding = defineTrigger({
 *   kind: 'onLanding',
 *   initial: false,
 *   onElement(flight: Flight, pane) {
 *     if (flight.landed) pane.state.set(true);
 *     return pane.state.get() ? 'fire' : 'continue';
 *   },
 *   merge: (a, b) => a || b,
 * });
 */
export function defineTrigger<T = unknown, S = undefined>(
  definition: TriggerDefinition<T, S>,
): AnyTrigger<T> {
  const findings = triggerFindings(definition);
  if (findings.length > 0) throw graphInvalid('a trigger', findings);
  const trigger: Trigger<T, S> = { kind: 'custom', ...definition };
  return trigger;
}

function triggerFindings(given: unknown): string[] {
  if (typeof given !== 'object' || given === null)
    return [`expected an object with onElement, found ${show(given)}`];
  const findings = Object.keys(given)
    .filter((name) => !KNOWN.includes(name))
    .map((name) => `no property ${show(name)}; expected one of: ${KNOWN.join(', ')}`);
  const values = given as Readonly<Record<string, unknown>>;
  for (const name of FUNCTIONS) {
    const value = values[name];
    if (value === undefined && name === 'onElement') findings.push('onElement is missing');
    else if (value !== undefined && typeof value !== 'function')
      findings.push(`${name}: expected a function, found ${show(value)}`);
  }
  const { kind } = values;
  if (kind !== undefined && (typeof kind !== 'string' || kind === ''))
    findings.push(`kind: expected non-empty text, found ${show(kind)}`);
  return findings;
}

/** True for what `triggers.…` and `defineTrigger` made, of any copy of the library. */
export function isTrigger(value: unknown): value is Trigger<unknown, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    typeof value.kind === 'string' &&
    'onElement' in value &&
    typeof value.onElement === 'function'
  );
}

/** True for `triggers.eventTime()`, which the runtime does by itself. */
export function isEventTime(trigger: Trigger<unknown, unknown>): boolean {
  return trigger === EVENT_TIME;
}

/**
 * What a trigger is given of a pane: one object for all panes of an operator. It works on a draft of the pane's record,
 * which the operator takes back when the trigger has answered.
 */
import { TidemarkError } from '../../base/errors.js';
import { GLOBAL_WINDOW, type PaneContext, type TimeWindow, type Trigger } from '../../graph/window.js';
import type { OperatorTime } from '../event-time.js';
import type { ProcessingTime } from '../processing-time.js';
import { show } from '../show.js';
import { type TimeKind, type TriggerRecord, withoutTime, withTime } from './trigger-record.js';

export class TriggerPane implements PaneContext {
  key: unknown;
  window: TimeWindow = GLOBAL_WINDOW;
  timestamp = Number.NaN;
  readonly state: PaneContext['state'];
  readonly eventTimer: PaneContext['eventTimer'];
  readonly processingTimer: PaneContext['processingTimer'];
  readonly #time: OperatorTime;
  readonly #processingTime: ProcessingTime;
  readonly #empty: TriggerRecord;
  readonly #handles: Readonly<Record<TimeKind, boolean>>;
  #before: TriggerRecord;
  #draft: TriggerRecord;

  constructor(
    trigger: Trigger<unknown, unknown>,
    time: OperatorTime,
    processingTime: ProcessingTime,
    empty: TriggerRecord,
  ) {
    this.#time = time;
    this.#processingTime = processingTime;
    this.#empty = empty;
    this.#handles = {
      event: trigger.onEventTime !== undefined,
      processing: trigger.onProcessingTime !== undefined,
    };
    this.#before = empty;
    this.#draft = empty;
    this.state = {
      get: () => this.#draft.state,
      set: (state) => {
        if (!Object.is(state, this.#draft.state)) this.#draft = { ...this.#draft, state };
      },
    };
    this.eventTimer = this.#timerOf('event');
    this.processingTimer = this.#timerOf('processing');
  }

  watermark(): number {
    return this.#time.watermark;
  }

  now(): number {
    return this.#processingTime.now();
  }

  /** The next answer is about this pane. */
  load(key: unknown, window: TimeWindow, timestamp: number, record: TriggerRecord | undefined): void {
    this.key = key;
    this.window = window;
    this.timestamp = timestamp;
    this.#before = record ?? this.#empty;
    this.#draft = this.#before;
  }

  get changed(): boolean {
    return this.#draft !== this.#before;
  }

  get timersChanged(): boolean {
    const { event, processing } = this.#draft;
    return event !== this.#before.event || processing !== this.#before.processing;
  }

  /** The record as it is now; undefined where it says nothing. */
  record(): TriggerRecord | undefined {
    const { state, event, processing } = this.#draft;
    const empty = Object.is(state, this.#empty.state) && event.length === 0 && processing.length === 0;
    return empty ? undefined : this.#draft;
  }

  #timerOf(kind: TimeKind): PaneContext['eventTimer'] {
    return {
      set: (time) => {
        if (!Number.isSafeInteger(time)) throw refusedTime(time);
        if (!this.#handles[kind]) throw unhandled(kind);
        this.#change(kind, withTime(this.#draft[kind], time + 0));
      },
      delete: (time) => this.#change(kind, withoutTime(this.#draft[kind], time)),
    };
  }

  #change(kind: TimeKind, times: TriggerRecord[TimeKind]): void {
    if (times !== this.#draft[kind]) this.#draft = { ...this.#draft, [kind]: times };
  }
}

function refusedTime(time: unknown): TidemarkError {
  const message = `a timer of a trigger: expected a time in whole milliseconds since 1970, found ${show(time)}`;
  return new TidemarkError('VALUE_REFUSED', message, {
    hint: 'set it to a time such as pane.timestamp + 60_000 or pane.now() + 60_000',
  });
}

/** A timer that nobody would be told of: what fires it is ignored, and so is the mistake. */
function unhandled(kind: TimeKind): TypeError {
  const [timer, handler] =
    kind === 'event' ? ['eventTimer', 'onEventTime'] : ['processingTimer', 'onProcessingTime'];
  return new TypeError(`the trigger sets pane.${timer}, but has no ${handler}`);
}

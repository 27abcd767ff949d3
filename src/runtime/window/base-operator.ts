/**
 * What all window operators have in common: the key made current, elements that came too late, results with the
 * timestamp of their window.
 *
 * `in` counts elements, `out` results, `late` the elements that came too late for every window of theirs; `in` − `late`
 * are in panes (but for those between the windows of a sliding assigner with gaps, which are in none).
 */
import { assert } from '../../base/assert.js';
import { TidemarkError } from '../../base/errors.js';
import type { KeyGroupRange } from '../../base/key-groups.js';
import type { Key, KeyCodec, KeyIdentity } from '../../codec/key.js';
import type { WindowNode } from '../../graph/node.js';
import type { TimeWindow } from '../../graph/window.js';
import type { KeyedBackend, PanesHandle, TimerHandle, TimerTime } from '../../state/backend.js';
import type { EventTime, OperatorTime } from '../event-time.js';
import type { Input, KeyedOperator, KeyedParts } from '../operator.js';
import { type Contents, contentsOf, type Emit } from './contents.js';
import { EVENT, PANES } from './layout.js';
import { UserCode } from './user-code.js';

/** Windows further from 1970 could not be told apart: their bounds are no safe integers. */
const FARTHEST = Number.MAX_SAFE_INTEGER / 2;

export abstract class BaseOperator implements KeyedOperator {
  in = 0;
  out = 0;
  late: number | undefined = 0;
  readonly subtask: number;
  readonly range: KeyGroupRange;
  readonly backend: KeyedBackend;
  protected readonly user: UserCode;
  protected readonly contents: Contents;
  protected readonly panes: PanesHandle;
  protected readonly eventTimer: TimerHandle;
  protected readonly time: OperatorTime;
  protected readonly eventTime: EventTime;
  /** The current key, as results are given it. */
  protected key: unknown;
  readonly #keys: KeyCodec;
  readonly #lateOutput: Input | undefined;
  readonly #emit: Emit;

  constructor({ id, spec }: WindowNode, parts: KeyedParts) {
    const { backend, subtask, next } = parts;
    this.subtask = subtask;
    this.range = parts.range;
    this.backend = backend;
    this.user = new UserCode(parts.where, id, subtask);
    this.contents = contentsOf(spec.keeps, this.user);
    this.panes = backend.state(PANES) as PanesHandle;
    this.eventTimer = backend.timer(EVENT);
    this.time = parts.time;
    this.eventTime = parts.eventTime;
    this.#keys = parts.keys;
    this.#lateOutput = parts.sides['late'];
    this.#emit = (result) => {
      this.out++;
      next.push(result);
      this.user.at();
    };
  }

  abstract pushKeyed(value: unknown, key: unknown, group: number, hash: number): void;

  /** A timer of the current key was due at `time`, and is no longer set. */
  protected abstract onEventTime(time: number): void;

  protected onProcessingTime(_time: number): void {
    assert(false, 'a processing timer where there is no trigger to set one');
  }

  async open(): Promise<void> {}

  async close(): Promise<void> {}

  fireTimer(time: TimerTime, now: number): boolean {
    const fired = this.backend.fireTimer(time, now);
    if (fired === undefined) return false;
    this.key = fired.key;
    this.eventTime.timestamp = time === 'event' ? fired.time : Number.NaN;
    this.user.at();
    if (time === 'event') this.onEventTime(fired.time);
    else this.onProcessingTime(fired.time);
    return true;
  }

  protected select(key: unknown, group: number, hash: number): void {
    this.backend.select(key as Key, typeof key === 'string' ? key : this.#keys.identity(key), group, hash);
    this.key = key;
  }

  /** Of the current key. */
  protected identity(): KeyIdentity {
    const { key } = this;
    return typeof key === 'string' ? key : this.#keys.identity(key as Key);
  }

  /** The timestamp of an element that windows are found for. */
  protected timestampOf(value: unknown): number {
    const { timestamp } = this.eventTime;
    if (timestamp <= FARTHEST && timestamp >= -FARTHEST) return timestamp;
    // The graph has a timestamp for each element; timers of processing time and broadcasts without one emit others.
    const problem = Number.isNaN(timestamp)
      ? 'an element without a timestamp: emit to windows where there is one, in onElement or by a timer of event time'
      : `timestamp ${timestamp} is too far from 1970 to be in a window`;
    throw this.user.failed(new RangeError(problem), value);
  }

  /** Puts into a pane of the current key what it keeps once `element` has come. True where there was none of this window. */
  protected keep(window: TimeWindow, kept: unknown, element: unknown): boolean {
    try {
      return this.panes.set(window, kept);
    } catch (error) {
      throw error instanceof TidemarkError ? this.user.failed(error, element) : error;
    }
  }

  protected tooLate(value: unknown): void {
    this.late = (this.late ?? 0) + 1;
    this.#lateOutput?.push(value);
  }

  /** Gives the results of a pane of the current key, which keeps `kept`. */
  protected give({ start, end }: TimeWindow, kept: unknown): void {
    const { eventTime } = this;
    const own = eventTime.timestamp;
    if (end !== Number.POSITIVE_INFINITY) eventTime.timestamp = end - 1;
    this.contents.results(kept, { key: this.key, start, end }, this.#emit);
    eventTime.timestamp = own;
  }
}

/**
 * What flows into what. One operator instance stands for one subtask of one graph node; instances call each other
 * directly, so an element has passed through everything below when `push` returns.
 *
 * Duties of `push`: process the element wholly or throw; never keep a promise; count it.
 * Duties of the caller: one element at a time, never from within another thread, and after a throw never again.
 */
import type { KeyGroupRange } from '../base/key-groups.js';
import type { KeyCodec } from '../codec/key.js';
import type { KeyedBackend, TimerTime } from '../state/backend.js';
import type { EventTime, OperatorTime } from './event-time.js';
import type { ProcessingTime } from './processing-time.js';
import type { Where } from './where.js';

export interface Input {
  push(value: unknown): void;
}

/** An input that belongs to a keyed operator: the caller has normalised and hashed the key and found the owner. */
export interface KeyedInput {
  pushKeyed(value: unknown, key: unknown, group: number, hash: number): void;
}

/**
 * One subtask of an operator with keyed state.
 *
 * Duties of the caller: `open` before the first element; timers of an order fire in the order of their times, event timers
 * only after `time.watermark` has been raised to at least theirs; between two batches no event timer at or before the
 * watermark is left, but for those that an advance cut short fires before the next.
 */
export interface KeyedOperator extends KeyedInput, Counted {
  readonly subtask: number;
  readonly range: KeyGroupRange;
  readonly backend: KeyedBackend;
  /** Elements that came too late: see the operators. Undefined where there is no such thing. */
  readonly late: number | undefined;
  open(): Promise<void>;
  close(): Promise<void>;
  /** Fires the earliest timer that is due; false when none is. */
  fireTimer(time: TimerTime, now: number): boolean;
}

/** What a keyed operator is made of, beside its node. */
export interface KeyedParts {
  readonly subtask: number;
  readonly parallelism: number;
  readonly range: KeyGroupRange;
  readonly keys: KeyCodec;
  readonly backend: KeyedBackend;
  readonly processingTime: ProcessingTime;
  readonly eventTime: EventTime;
  readonly time: OperatorTime;
  readonly where: Where;
  readonly next: Input;
  readonly sides: Readonly<Record<string, Input>>;
  log(line: string): void;
}

/** Elements in and out of one subtask, since the attempt began. */
export interface Counted {
  in: number;
  out: number;
}

class FanOut implements Input {
  readonly #targets: readonly Input[];

  constructor(targets: readonly Input[]) {
    this.#targets = targets;
  }

  push(value: unknown): void {
    for (const target of this.#targets) target.push(value);
  }
}

const NOWHERE: Input = { push() {} };

/** One input for many: nothing, the one itself, or all in graph order. */
export function fanOut(targets: readonly Input[]): Input {
  const [only] = targets;
  if (only === undefined) return NOWHERE;
  return targets.length === 1 ? only : new FanOut(targets);
}

/** True for what an async function returns. */
export function isPromise(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

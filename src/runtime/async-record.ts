/**
 * An element in flight, and one try to have it answered.
 *
 *     waiting ──▶ calling (try n) ──▶ answered ──▶ settled ──▶ emitted, and gone
 *                    ▲     └─ too late ─┤
 *                    └─── resting ◀─────┘ failed, and tries are left
 */
import type { Link } from '../base/linked-list.js';
import type { AsyncContext } from '../graph/async-map.js';

export type Phase = 'waiting' | 'calling' | 'answered' | 'resting' | 'settled';

export interface InFlight {
  readonly element: unknown;
  /** Of the element; NaN where it has none. */
  readonly timestamp: number;
  /** The watermark when it came: until it has left, none beyond is handed on. */
  arrivedAt: number;
  /** From a snapshot. */
  readonly restored: boolean;
  phase: Phase;
  /** The number of the try at hand, or of the last; 0 before the first. */
  attempt: number;
  /** When the try counts as failed, or the next one is made; in the operator's own time. */
  due: number;
  try: Try | undefined;
  failed: boolean;
  /** What it was answered, or why not. */
  answer: unknown;
  /** Its place among those in flight, and among those called, in the order of their calls. */
  place: Link<InFlight> | undefined;
  called: Link<InFlight> | undefined;
}

export interface TryParts {
  readonly attempt: number;
  readonly subtask: number;
  readonly timestamp: number | undefined;
  log(line: string): void;
}

/** The context of one call. Most never ask for the signal, so that it is made when they do. */
export class Try implements AsyncContext {
  readonly attempt: number;
  readonly subtask: number;
  readonly timestamp: number | undefined;
  readonly log: (line: string) => void;
  #controller: AbortController | undefined;
  #aborted = false;
  #reason: unknown;

  constructor({ attempt, subtask, timestamp, log }: TryParts) {
    this.attempt = attempt;
    this.subtask = subtask;
    this.timestamp = timestamp;
    this.log = log;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Nobody waits for its answer any more. */
  abort(reason: unknown): void {
    this.#aborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}

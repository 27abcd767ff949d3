/**
 * `asyncMap`: calls user code whose answers come later, and lets what they are pass on (Flink's `AsyncWaitOperator`).
 *
 *     push ─▶ waiting ─▶ called, tried again ─▶ settled ─▶ deliver ─▶ next
 *             beyond the capacity               in order, or as they come
 *
 * Invariants: an answer only marks its record and wakes the job, all else is done in a step; what counts against the
 * capacity is all that was called and has not left; a record is in flight, and so in every snapshot, until it has left.
 *
 * No timer of the machine runs for it: when a try is too late, and when the next one is made, is told by `waitMs` and looked at
 * in `look`, in the operator's own time, which stands still while the process does.
 */
import { present } from '../base/assert.js';
import { TidemarkError } from '../base/errors.js';
import { type Link, LinkedList } from '../base/linked-list.js';
import { MinHeap } from '../base/min-heap.js';
import type { AsyncMapSpec } from '../graph/async-map.js';
import type { AsyncMapNode } from '../graph/node.js';
import type { OpenContext } from '../graph/process.js';
import { type InFlight, Try } from './async-record.js';
import type { EventTime } from './event-time.js';
import { type Counted, type Input, isPromise } from './operator.js';
import type { Where } from './where.js';

export interface AsyncParts {
  readonly subtask: number;
  readonly parallelism: number;
  readonly eventTime: EventTime;
  readonly where: Where;
  readonly next: Input;
  log(line: string): void;
  /** There is an answer. */
  wake(): void;
}

/** What the subtasks of one operator share. */
export interface AsyncShared {
  /** Its own time, monotonic milliseconds. */
  readonly now: number;
  /** How far event time has come at its input, and what it has handed on. */
  readonly arriving: { readonly watermark: number };
  readonly released: number;
  /** That an element can be kept. @throws TidemarkError VALUE_REFUSED */
  probe(element: unknown): void;
}

export class AsyncOperator implements Input, Counted {
  in = 0;
  out = 0;
  readonly subtask: number;
  readonly #node: AsyncMapNode;
  readonly #spec: AsyncMapSpec<unknown, unknown>;
  readonly #parts: AsyncParts;
  readonly #shared: AsyncShared;
  /** In the order in which they came. */
  readonly #records = new LinkedList<InFlight>();
  /** The first of them that was not called yet; all behind it were not either. */
  #waiting: Link<InFlight> | undefined;
  /** Called, and not yet gone. */
  #under = 0;
  /** Under way, in the order of their calls, and so of when they are too late. */
  readonly #called = new LinkedList<InFlight>();
  readonly #resting = new MinHeap<InFlight>((a, b) => a.due < b.due);
  /** Those with an answer that was not looked at. */
  #answered: InFlight[] = [];
  /** Where order does not count: those that may leave, in the order of their answers. */
  readonly #settled = new LinkedList<InFlight>();
  #restored = 0;
  #probed = false;
  #opened = false;

  constructor(node: AsyncMapNode, parts: AsyncParts, shared: AsyncShared) {
    this.#node = node;
    this.#spec = node.spec;
    this.#parts = parts;
    this.#shared = shared;
    this.subtask = parts.subtask;
  }

  /** How many are in flight. */
  get inFlight(): number {
    return this.#records.size;
  }

  /** Nothing may be given to it: some wait for others to leave, or a snapshot's are still to leave before any other. */
  get blocked(): boolean {
    return this.#waiting !== undefined || this.#restored > 0;
  }

  /** The watermark that the oldest in flight came at; undefined where there is none. */
  get oldest(): number | undefined {
    return this.#records.first?.value.arrivedAt;
  }

  records(): Iterable<InFlight> {
    return this.#records;
  }

  /** Runs the user's `open`, awaited. */
  async open(): Promise<void> {
    const { subtask, parallelism, log, where } = this.#parts;
    const context: OpenContext = { uid: this.#node.uid, subtask, parallelism, log };
    where.at(this.#node.id, subtask);
    this.#opened = true;
    try {
      await this.#spec.open?.(context);
    } catch (error) {
      throw where.fail(error, this.#node.id, '(in open)');
    }
  }

  /** Gives up what is under way, and runs the user's `close`, if `open` was tried. */
  async close(): Promise<void> {
    const { where } = this.#parts;
    for (const record of this.#called) record.try?.abort(new Error('the job ends'));
    if (!this.#opened) return;
    where.at(this.#node.id, this.subtask);
    try {
      await this.#spec.close?.();
    } catch (error) {
      throw where.fail(error, this.#node.id, '(in close)');
    }
  }

  push(value: unknown): void {
    this.in++;
    const { where, eventTime } = this.#parts;
    if (!this.#probed) {
      this.#probed = true;
      where.at(this.#node.id, this.subtask);
      try {
        this.#shared.probe(value);
      } catch (error) {
        throw where.fail(error, this.#node.id, value);
      }
    }
    this.#add(value, eventTime.timestamp, this.#shared.arriving.watermark, false);
    this.startWaiting();
  }

  /** Takes an element of a snapshot; it is called once the job steps. */
  restore(element: unknown, timestamp: number, watermark: number): void {
    this.#restored++;
    this.#add(element, timestamp, watermark, true);
  }

  /** Event time is behind again: what is in flight holds it back from its beginning. */
  recede(watermark: number): void {
    for (const record of this.#records) record.arrivedAt = watermark;
  }

  /** Looks at answers, at what is too late, and at what is to be tried again. Calls user code. */
  look(): void {
    if (this.#answered.length > 0) {
      const answered = this.#answered;
      this.#answered = [];
      for (const record of answered) {
        if (record.failed) this.#failed(record, record.answer);
        else this.#settle(record, record.answer);
      }
    }
    const { now } = this.#shared;
    for (
      let late = this.#called.first;
      late !== undefined && late.value.due <= now;
      late = this.#called.first
    )
      this.#timedOut(late.value);
    for (let next = this.#resting.first; next !== undefined && next.due <= now; next = this.#resting.first) {
      this.#resting.take();
      this.#call(next);
    }
  }

  /** Calls those that wait, as far as there is room. */
  startWaiting(): void {
    while (this.#waiting !== undefined && this.#under < this.#spec.capacity) {
      const { value, after } = this.#waiting;
      this.#waiting = after;
      this.#under++;
      this.#call(value);
    }
  }

  /** Lets up to `most` results leave; how many did. */
  deliver(most: number): number {
    let left = 0;
    for (let next = this.#ready(); left < most && next !== undefined; next = this.#ready()) {
      this.#emit(next);
      left++;
    }
    return left;
  }

  /** When the next try is too late or made, in its own time; Infinity where none is. */
  get nextDue(): number {
    const late = this.#called.first?.value.due ?? Number.POSITIVE_INFINITY;
    return Math.min(late, this.#resting.first?.due ?? Number.POSITIVE_INFINITY);
  }

  /** Those that wait for an answer, and not for the clock. */
  get asked(): number {
    return this.#called.size;
  }

  #add(element: unknown, timestamp: number, arrivedAt: number, restored: boolean): void {
    const record: InFlight = {
      element,
      timestamp,
      arrivedAt,
      restored,
      phase: 'waiting',
      attempt: 0,
      due: 0,
      try: undefined,
      failed: false,
      answer: undefined,
      place: undefined,
      called: undefined,
    };
    record.place = this.#records.add(record);
    this.#waiting ??= record.place;
  }

  /** The next that may leave. Where order counts it also waits until event time has come to where it was for its own. */
  #ready(): InFlight | undefined {
    if (!this.#spec.ordered) return this.#settled.first?.value;
    const head = this.#records.first?.value;
    return head?.phase === 'settled' && head.arrivedAt <= this.#shared.released ? head : undefined;
  }

  #emit(record: InFlight): void {
    const { eventTime, where, next } = this.#parts;
    this.#records.remove(present(record.place, 'a record in flight'));
    if (!this.#spec.ordered) this.#settled.remove(present(this.#settled.first, 'a settled record'));
    this.#under--;
    if (record.restored) this.#restored--;
    this.out++;
    const { timestamp } = eventTime;
    eventTime.timestamp = record.timestamp;
    where.at(this.#node.id, this.subtask);
    next.push(record.answer);
    eventTime.timestamp = timestamp;
  }

  /** One try. What the synchronous part throws is as good as a rejection. */
  #call(record: InFlight): void {
    const { where, log } = this.#parts;
    const attempt = record.attempt + 1;
    const timestamp = Number.isNaN(record.timestamp) ? undefined : record.timestamp;
    const own = new Try({ attempt, subtask: this.subtask, timestamp, log });
    record.attempt = attempt;
    record.try = own;
    record.phase = 'calling';
    record.due = this.#shared.now + this.#spec.timeout;
    record.called = this.#called.add(record);
    where.at(this.#node.id, this.subtask);
    let answer: Promise<unknown>;
    try {
      answer = Promise.resolve(this.#spec.call(record.element, own));
    } catch (error) {
      this.#hear(record, own, true, error);
      return;
    }
    // Also of a try that nobody waits for any more: its rejection is heard, and so fails nothing.
    answer.then(
      (value) => this.#hear(record, own, false, value),
      (error: unknown) => this.#hear(record, own, true, error),
    );
  }

  /** Called from anywhere: only notes the answer. */
  #hear(record: InFlight, own: Try, failed: boolean, answer: unknown): void {
    if (record.try !== own || record.phase !== 'calling') return;
    this.#called.remove(present(record.called, 'a call under way'));
    record.phase = 'answered';
    record.failed = failed;
    record.answer = answer;
    this.#answered.push(record);
    this.#parts.wake();
  }

  #timedOut(record: InFlight): void {
    const { timeout, retries } = this.#spec;
    this.#called.remove(present(record.called, 'a call under way'));
    const of = retries.attempts === 1 ? '' : ` (try ${record.attempt} of ${retries.attempts})`;
    const message = `a call of asyncMap ${this.#node.uid} was not answered within ${timeout} ms${of}`;
    const error = new TidemarkError('ASYNC_TIMEOUT', message, {
      hint: 'raise timeout, add retries, or give a fallback for the result',
    });
    record.try?.abort(error);
    this.#failed(record, error);
  }

  #failed(record: InFlight, error: unknown): void {
    const { where } = this.#parts;
    const { retries, fallback } = this.#spec;
    record.try = undefined;
    where.at(this.#node.id, this.subtask);
    let result: unknown;
    try {
      if (record.attempt < retries.attempts && retries.retryIf(error) === true) {
        const { delay, factor, most } = retries;
        record.phase = 'resting';
        record.due = this.#shared.now + Math.min(most, delay * factor ** (record.attempt - 1));
        this.#resting.add(record);
        return;
      }
      if (fallback === undefined) throw error;
      result = fallback(record.element, error);
    } catch (thrown) {
      throw where.fail(thrown, this.#node.id, record.element);
    }
    if (isPromise(result)) throw this.#promised(record.element);
    this.#settle(record, result);
  }

  #promised(element: unknown): TidemarkError {
    const message = `the fallback of asyncMap ${this.#node.uid} returned a promise; it gives the result at once`;
    return this.#parts.where.fail(new TidemarkError('USER_PROMISE', message), this.#node.id, element);
  }

  #settle(record: InFlight, answer: unknown): void {
    record.phase = 'settled';
    record.try = undefined;
    record.answer = answer;
    if (!this.#spec.ordered) this.#settled.add(record);
  }
}

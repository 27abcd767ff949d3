/** The keyed operator: makes the element's key current in the backend and calls the user's callbacks. */

import type { KeyGroupRange } from '../base/key-groups.js';
import type { Key, KeyCodec } from '../codec/key.js';
import type { ProcessNode } from '../graph/node.js';
import type { OpenContext, ProcessContext } from '../graph/process.js';
import type { KeyedBackend, TimerTime } from '../state/backend.js';
import type { BroadcastStates } from './broadcast-state.js';
import type { EventTime, OperatorTime } from './event-time.js';
import { handleOf } from './handles.js';
import { type Input, isPromise, type KeyedOperator, type KeyedParts } from './operator.js';
import type { Where } from './where.js';

type AnyContext = ProcessContext<unknown, never, never, never, unknown>;
type Callback = (value: unknown, context: AnyContext) => unknown;

/** Those that the graph has found to be there. */
interface Callbacks {
  onElement(value: unknown, context: AnyContext): unknown;
  onLeft(value: unknown, context: AnyContext): unknown;
  onRight(value: unknown, context: AnyContext): unknown;
  readonly onTimer?: Readonly<Record<string, Callback>>;
}

/** The context handed to callbacks: one per subtask, its `key` changed for each. */
class Context {
  key: unknown;
  readonly state: Record<string, unknown>;
  readonly timers: Record<string, unknown>;
  readonly side: Record<string, (value: unknown) => void>;
  /** Of operators that a stream is broadcast to. */
  readonly broadcast: unknown;
  readonly subtask: number;
  readonly log: (line: string) => void;
  readonly now: () => number;
  readonly watermark: () => number;
  readonly #eventTime: EventTime;
  readonly #operator: ProcessOperator;
  readonly #next: Input;

  constructor(
    { spec }: ProcessNode,
    parts: KeyedParts,
    broadcast: BroadcastStates | undefined,
    operator: ProcessOperator,
  ) {
    const { backend, processingTime, time } = parts;
    const states = Object.entries(spec.state ?? {});
    this.state = Object.fromEntries(states.map(([name, one], i) => [name, handleOf(one, backend.state(i))]));
    const timers = Object.keys(spec.timers ?? {});
    this.timers = Object.fromEntries(timers.map((name, i) => [name, backend.timer(i)]));
    this.side = Object.fromEntries(
      Object.entries(parts.sides).map(([name, input]) => [name, (value) => operator.emitTo(input, value)]),
    );
    this.broadcast = broadcast?.handles;
    this.subtask = parts.subtask;
    this.log = parts.log;
    this.now = () => processingTime.now();
    this.watermark = () => time.watermark;
    this.#eventTime = parts.eventTime;
    this.#operator = operator;
    this.#next = parts.next;
  }

  get timestamp(): number | undefined {
    const { timestamp } = this.#eventTime;
    return Number.isNaN(timestamp) ? undefined : timestamp;
  }

  emit(value: unknown): void {
    this.#operator.emitTo(this.#next, value);
  }

  /** As `JoinRun.emitAt` has it. */
  emitAt(value: unknown, timestamp: number, element: unknown): void {
    this.#operator.refusePromise(value, element);
    const own = this.#eventTime.timestamp;
    this.#eventTime.timestamp = timestamp;
    this.#operator.emitTo(this.#next, value);
    this.#eventTime.timestamp = own;
  }
}

export class ProcessOperator implements KeyedOperator {
  in = 0;
  out = 0;
  /** Elements at or behind the watermark; of operators with event timers. They are processed like any. */
  late: number | undefined;
  readonly range: KeyGroupRange;
  readonly backend: KeyedBackend;
  readonly subtask: number;
  readonly #node: ProcessNode;
  readonly #parts: KeyedParts;
  readonly #eventTime: EventTime;
  readonly #time: OperatorTime;
  readonly #keys: KeyCodec;
  readonly #where: Where;
  readonly #context: Context;
  readonly #typedContext: AnyContext;
  /** Of one that two keyed streams reach: `onLeft`. */
  readonly #onElement: Callback;
  readonly #onRight: Callback | undefined;
  #opened = false;
  readonly #onTimer: readonly Callback[];

  constructor(node: ProcessNode, parts: KeyedParts, broadcast?: BroadcastStates) {
    this.#node = node;
    this.#parts = parts;
    this.#eventTime = parts.eventTime;
    this.#time = parts.time;
    this.#keys = parts.keys;
    this.#where = parts.where;
    this.range = parts.range;
    this.backend = parts.backend;
    this.subtask = parts.subtask;
    const timers = Object.keys(node.spec.timers ?? {});
    this.late = Object.values(node.spec.timers ?? {}).includes('event') ? 0 : undefined;
    this.#context = new Context(node, parts, broadcast, this);
    this.#typedContext = this.#context as unknown as AnyContext;
    const spec = node.spec as unknown as Callbacks;
    if (node.right === undefined) this.#onElement = (value, context) => spec.onElement(value, context);
    else {
      this.#onElement = (value, context) => spec.onLeft(value, context);
      this.#onRight = (value, context) => spec.onRight(value, context);
    }
    this.#onTimer = timers.map((name) => (time, context) => spec.onTimer?.[name]?.(time, context));
  }

  /** Runs the user's `open`, awaited. */
  async open(): Promise<void> {
    const { subtask, parallelism, log } = this.#parts;
    const context: OpenContext = { uid: this.#node.uid, subtask, parallelism, log };
    this.#where.at(this.#node.id, subtask);
    this.#opened = true;
    try {
      await this.#node.spec.open?.(context);
    } catch (error) {
      throw this.#where.fail(error, this.#node.id, '(in open)');
    }
  }

  /** Runs the user's `close`, if `open` was tried. */
  async close(): Promise<void> {
    if (!this.#opened) return;
    this.#where.at(this.#node.id, this.subtask);
    try {
      await this.#node.spec.close?.();
    } catch (error) {
      throw this.#where.fail(error, this.#node.id, '(in close)');
    }
  }

  pushKeyed(value: unknown, key: unknown, group: number, hash: number): void {
    this.in++;
    if (this.late !== undefined && this.#eventTime.timestamp <= this.#time.watermark) this.late++;
    this.backend.select(key as Key, typeof key === 'string' ? key : this.#keys.identity(key), group, hash);
    this.#context.key = key;
    this.#where.at(this.#node.id, this.subtask);
    let result: unknown;
    try {
      result = this.#onElement(value, this.#typedContext);
    } catch (error) {
      throw this.#where.fail(error, this.#node.id, value);
    }
    if (result !== undefined) this.refusePromise(result, value);
  }

  /** An element of the second keyed stream, as `pushKeyed`: apart from it, for what is called for every element is fast. */
  pushRight(value: unknown, key: unknown, group: number, hash: number): void {
    this.in++;
    if (this.late !== undefined && this.#eventTime.timestamp <= this.#time.watermark) this.late++;
    this.backend.select(key as Key, typeof key === 'string' ? key : this.#keys.identity(key), group, hash);
    this.#context.key = key;
    this.#where.at(this.#node.id, this.subtask);
    let result: unknown;
    try {
      result = this.#onRight?.(value, this.#typedContext);
    } catch (error) {
      throw this.#where.fail(error, this.#node.id, value);
    }
    if (result !== undefined) this.refusePromise(result, value);
  }

  fireTimer(time: TimerTime, now: number): boolean {
    const timer = this.backend.fireTimer(time, now);
    if (timer === undefined) return false;
    this.#eventTime.timestamp = time === 'event' ? timer.time : Number.NaN;
    this.#context.key = timer.key;
    this.#where.at(this.#node.id, this.subtask);
    let result: unknown;
    try {
      result = this.#onTimer[timer.index]?.(timer.time, this.#typedContext);
    } catch (error) {
      throw this.#where.fail(error, this.#node.id, { timer: timer.time, key: timer.key });
    }
    if (result !== undefined) this.refusePromise(result, timer.time);
    return true;
  }

  /** Called from user code: what fails below must fail the attempt even if user code catches it. */
  emitTo(target: Input, value: unknown): void {
    this.out++;
    target.push(value);
    this.#where.at(this.#node.id, this.subtask);
  }

  /** @throws what becomes of user code that gave a promise for `element`. */
  refusePromise(result: unknown, element: unknown): void {
    if (isPromise(result)) throw this.#where.failPromise(this.#node.id, element);
  }
}

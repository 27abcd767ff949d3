/** The keyed operator: makes the element's key current in the backend and calls the user's callbacks. */

import type { KeyGroupRange } from '../base/key-groups.js';
import type { Key, KeyCodec } from '../codec/key.js';
import type { ProcessNode } from '../graph/node.js';
import type { OpenContext, ProcessContext } from '../graph/process.js';
import type { KeyedBackend } from '../state/backend.js';
import { type Counted, type Input, isPromise, type KeyedInput } from './operator.js';
import type { ProcessingTime } from './processing-time.js';
import type { Where } from './where.js';

type AnyContext = ProcessContext<unknown, never, never, never, unknown>;
type Callback = (value: unknown, context: AnyContext) => unknown;

export interface ProcessParts {
  readonly subtask: number;
  readonly parallelism: number;
  readonly range: KeyGroupRange;
  readonly keys: KeyCodec;
  readonly backend: KeyedBackend;
  readonly time: ProcessingTime;
  readonly where: Where;
  readonly next: Input;
  readonly sides: Readonly<Record<string, Input>>;
  log(line: string): void;
}

/** The context handed to callbacks: one per subtask, its `key` changed for each. */
class Context {
  key: unknown;
  readonly state: Record<string, unknown>;
  readonly timers: Record<string, unknown>;
  readonly side: Record<string, (value: unknown) => void>;
  readonly subtask: number;
  readonly log: (line: string) => void;
  readonly now: () => number;
  readonly #operator: ProcessOperator;
  readonly #next: Input;

  constructor(
    parts: ProcessParts,
    states: readonly string[],
    timers: readonly string[],
    operator: ProcessOperator,
  ) {
    this.state = Object.fromEntries(states.map((name, i) => [name, parts.backend.state(i)]));
    this.timers = Object.fromEntries(timers.map((name, i) => [name, parts.backend.timer(i)]));
    this.side = Object.fromEntries(
      Object.entries(parts.sides).map(([name, input]) => [name, (value) => operator.emitTo(input, value)]),
    );
    this.subtask = parts.subtask;
    this.log = parts.log;
    this.now = () => parts.time.now();
    this.#operator = operator;
    this.#next = parts.next;
  }

  emit(value: unknown): void {
    this.#operator.emitTo(this.#next, value);
  }
}

export class ProcessOperator implements KeyedInput, Counted {
  in = 0;
  out = 0;
  readonly range: KeyGroupRange;
  readonly backend: KeyedBackend;
  readonly subtask: number;
  readonly #node: ProcessNode;
  readonly #parts: ProcessParts;
  readonly #keys: KeyCodec;
  readonly #where: Where;
  readonly #context: Context;
  readonly #typedContext: AnyContext;
  readonly #onElement: Callback;
  #opened = false;
  readonly #onTimer: readonly Callback[];

  constructor(node: ProcessNode, parts: ProcessParts) {
    this.#node = node;
    this.#parts = parts;
    this.#keys = parts.keys;
    this.#where = parts.where;
    this.range = parts.range;
    this.backend = parts.backend;
    this.subtask = parts.subtask;
    const timers = Object.keys(node.spec.timers ?? {});
    this.#context = new Context(parts, Object.keys(node.spec.state ?? {}), timers, this);
    this.#typedContext = this.#context as unknown as AnyContext;
    const spec = node.spec as { onElement: Callback; onTimer?: Record<string, Callback> };
    this.#onElement = (value, context) => spec.onElement(value, context);
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
    this.backend.select(key as Key, typeof key === 'string' ? key : this.#keys.identity(key), group, hash);
    this.#context.key = key;
    this.#where.at(this.#node.id, this.subtask);
    let result: unknown;
    try {
      result = this.#onElement(value, this.#typedContext);
    } catch (error) {
      throw this.#where.fail(error, this.#node.id, value);
    }
    if (result !== undefined) this.#refusePromise(result, value);
  }

  /** Fires the earliest timer that is due; false when none is. */
  fireTimer(now: number): boolean {
    const timer = this.backend.fireTimer(now);
    if (timer === undefined) return false;
    this.#context.key = timer.key;
    this.#where.at(this.#node.id, this.subtask);
    let result: unknown;
    try {
      result = this.#onTimer[timer.index]?.(timer.time, this.#typedContext);
    } catch (error) {
      throw this.#where.fail(error, this.#node.id, { timer: timer.time, key: timer.key });
    }
    if (result !== undefined) this.#refusePromise(result, timer.time);
    return true;
  }

  /** Called from user code: what fails below must fail the attempt even if user code catches it. */
  emitTo(target: Input, value: unknown): void {
    this.out++;
    target.push(value);
    this.#where.at(this.#node.id, this.subtask);
  }

  #refusePromise(result: unknown, element: unknown): void {
    if (isPromise(result)) throw this.#where.failPromise(this.#node.id, element);
  }
}

/**
 * Where a broadcast stream reaches a keyed operator. All subtasks share one copy of the state, so each element is given
 * to `onBroadcast` once, in the subtask that it came to, and not to every subtask.
 */
import type { ProcessNode } from '../graph/node.js';
import type { BroadcastStates } from './broadcast-state.js';
import { type Input, isPromise, type KeyedParts } from './operator.js';
import type { ProcessOperator } from './process.js';

type OnBroadcast = (value: unknown, context: unknown) => unknown;

/** The context of `onBroadcast`: there is no key, and so no keyed state and no timers. */
class Context {
  readonly broadcast: unknown;
  readonly side: Readonly<Record<string, (value: unknown) => void>>;
  readonly log: (line: string) => void;
  readonly now: () => number;
  readonly watermark: () => number;
  readonly emit: (value: unknown) => void;
  readonly #parts: KeyedParts;

  constructor(parts: KeyedParts, states: BroadcastStates, operator: ProcessOperator) {
    const { processingTime, time, next, sides } = parts;
    this.broadcast = states.handles;
    this.side = Object.fromEntries(
      Object.entries(sides).map(([name, input]) => [name, (value) => operator.emitTo(input, value)]),
    );
    this.log = parts.log;
    this.now = () => processingTime.now();
    this.watermark = () => time.watermark;
    this.emit = (value) => operator.emitTo(next, value);
    this.#parts = parts;
  }

  get timestamp(): number | undefined {
    const { timestamp } = this.#parts.eventTime;
    return Number.isNaN(timestamp) ? undefined : timestamp;
  }
}

/** One subtask's side of it. What is emitted counts, and goes on, as the operator's own. */
export class BroadcastInput implements Input {
  readonly #node: ProcessNode;
  readonly #parts: KeyedParts;
  readonly #states: BroadcastStates;
  readonly #operator: ProcessOperator;
  readonly #context: Context;

  constructor(node: ProcessNode, parts: KeyedParts, states: BroadcastStates, operator: ProcessOperator) {
    this.#node = node;
    this.#parts = parts;
    this.#states = states;
    this.#operator = operator;
    this.#context = new Context(parts, states, operator);
  }

  push(value: unknown): void {
    const { where, subtask } = this.#parts;
    const spec = this.#node.spec as unknown as { onBroadcast: OnBroadcast };
    this.#operator.in++;
    where.at(this.#node.id, subtask);
    let result: unknown;
    this.#states.changing = true;
    try {
      result = spec.onBroadcast(value, this.#context);
    } catch (error) {
      throw where.fail(error, this.#node.id, value);
    } finally {
      this.#states.changing = false;
    }
    if (isPromise(result)) throw where.failPromise(this.#node.id, value);
  }
}

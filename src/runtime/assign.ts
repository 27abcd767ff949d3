/** `assignTimestamps`: makes an element's timestamp current while it passes, and notes the greatest of its split. */
import { TidemarkError } from '../base/errors.js';
import type { AssignNode } from '../graph/node.js';
import type { EventTime } from './event-time.js';
import { type Counted, type Input, isPromise } from './operator.js';
import { show } from './show.js';
import type { Where } from './where.js';

export class AssignOperator implements Input, Counted {
  in = 0;
  out = 0;
  readonly #node: AssignNode;
  readonly #subtask: number;
  readonly #where: Where;
  readonly #time: EventTime;
  readonly #next: Input;

  constructor(node: AssignNode, subtask: number, where: Where, time: EventTime, next: Input) {
    this.#node = node;
    this.#subtask = subtask;
    this.#where = where;
    this.#time = time;
    this.#next = next;
  }

  push(value: unknown): void {
    this.in++;
    this.#where.at(this.#node.id, this.#subtask);
    let timestamp: number;
    try {
      timestamp = this.#node.timestamp(value);
    } catch (error) {
      throw this.#where.fail(error, this.#node.id, value);
    }
    if (!Number.isSafeInteger(timestamp)) throw this.#refused(timestamp, value);
    const time = this.#time;
    const { split } = time;
    if (split !== undefined && timestamp > split.greatest) split.greatest = timestamp;
    const before = time.timestamp;
    time.timestamp = timestamp;
    this.out++;
    this.#next.push(value);
    time.timestamp = before;
  }

  #refused(timestamp: unknown, value: unknown): TidemarkError {
    if (isPromise(timestamp)) return this.#where.failPromise(this.#node.id, value);
    const date = timestamp instanceof Date;
    const hint = `return whole milliseconds since 1970 from assignTimestamps, such as ${date ? 'date.getTime()' : 'Date.parse(text)'}, or filter such elements out before it`;
    const found = `${date ? 'the Date ' : ''}${show(timestamp, 100)}`;
    const error = new TidemarkError('TIMESTAMP_REFUSED', `expected a timestamp, found ${found}`, { hint });
    return this.#where.fail(error, this.#node.id, value);
  }
}

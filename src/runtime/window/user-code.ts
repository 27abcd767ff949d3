/** The user's functions of one window operator: whatever they throw, or give where they may not, fails the attempt. */
import type { TidemarkError } from '../../base/errors.js';
import type { WindowOf } from '../../graph/window.js';
import { isPromise } from '../operator.js';
import type { Where } from '../where.js';

export class UserCode {
  readonly #where: Where;
  readonly #node: number;
  readonly #subtask: number;

  constructor(where: Where, node: number, subtask: number) {
    this.#where = where;
    this.#node = node;
    this.#subtask = subtask;
  }

  /** To be said before user code runs, and again after elements were passed on. */
  at(): void {
    this.#where.at(this.#node, this.#subtask);
  }

  /** What a failure becomes; `element` is the one in hand, or the pane. */
  failed(error: unknown, element: unknown): TidemarkError {
    return this.#where.fail(error, this.#node, element);
  }

  refusePromise(value: unknown, element: unknown): void {
    if (isPromise(value)) throw this.#where.failPromise(this.#node, element);
  }

  /** Refuses what a pane cannot keep. */
  refuseKept(value: unknown, what: string, element: unknown): void {
    if (value === undefined) {
      const error = new TypeError(`${what} is undefined; a pane keeps any value but that, such as null`);
      throw this.failed(error, element);
    }
    this.refusePromise(value, element);
  }
}

/** A pane as failures show it. */
export function shownPane({ key, start, end }: WindowOf<unknown>): unknown {
  return { window: { start, end }, key };
}

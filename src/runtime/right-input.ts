/** Where the second of two keyed streams reaches an operator: the same subtask, the same state, another callback. */
import type { KeyedInput } from './operator.js';
import type { ProcessOperator } from './process.js';

export class RightInput implements KeyedInput {
  readonly #operator: ProcessOperator;

  constructor(operator: ProcessOperator) {
    this.#operator = operator;
  }

  pushKeyed(value: unknown, key: unknown, group: number, hash: number): void {
    this.#operator.pushRight(value, key, group, hash);
  }
}

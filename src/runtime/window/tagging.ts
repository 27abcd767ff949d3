/**
 * Where two keyed streams reach a window that joins them: its elements are told apart by their side, and lose that again
 * where they come out late.
 */
import { LATE, LEFT, type RIGHT, type Tagged } from '../../graph/join.js';
import type { Input, KeyedInput } from '../operator.js';

/** One of the two inputs of a subtask. */
export class TaggedInput implements KeyedInput {
  readonly #side: typeof LEFT | typeof RIGHT;
  readonly #operator: KeyedInput;

  constructor(side: typeof LEFT | typeof RIGHT, operator: KeyedInput) {
    this.#side = side;
    this.#operator = operator;
  }

  pushKeyed(value: unknown, key: unknown, group: number, hash: number): void {
    const tagged: Tagged = [this.#side, value];
    this.#operator.pushKeyed(tagged, key, group, hash);
  }
}

/** The late output of a window that joins: each element goes to that of its side. */
export function lateBySide(sides: Readonly<Record<string, Input>>): Input {
  const { [LATE.left]: left, [LATE.right]: right } = sides;
  return {
    push(tagged) {
      const [side, element] = tagged as Tagged;
      (side === LEFT ? left : right)?.push(element);
    },
  };
}

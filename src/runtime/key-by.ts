/** The exchange in front of keyed operators: finds each element's key, key group and owner, and calls the owner. */

import { present } from '../base/assert.js';
import { TidemarkError } from '../base/errors.js';
import { keyGroupOf, subtaskOf } from '../base/key-groups.js';
import { type KeyCodec, KeyRefused } from '../codec/key.js';
import type { KeyByNode } from '../graph/node.js';
import { type Input, isPromise, type KeyedInput } from './operator.js';
import { show } from './show.js';
import type { Where } from './where.js';

export class KeyByOperator implements Input {
  readonly #node: number;
  readonly #select: KeyByNode['select'];
  readonly #codec: KeyCodec;
  readonly #subtask: number;
  readonly #maxParallelism: number;
  readonly #where: Where;
  /** By key group: its owner; for several keyed operators that read from here, their owners together. */
  readonly #owners: readonly KeyedInput[];

  /** `targets[n][i]` is subtask `i` of the nth keyed operator that reads from this node. */
  constructor(
    node: KeyByNode,
    subtask: number,
    maxParallelism: number,
    where: Where,
    targets: readonly (readonly KeyedInput[])[],
  ) {
    this.#node = node.id;
    this.#select = node.select;
    this.#codec = node.codec;
    this.#subtask = subtask;
    this.#maxParallelism = maxParallelism;
    this.#where = where;
    this.#owners = ownersByGroup(targets, maxParallelism);
  }

  push(value: unknown): void {
    this.#where.at(this.#node, this.#subtask);
    let key: unknown;
    let hash: number;
    try {
      key = this.#select(value);
      hash = this.#codec.hash(key);
      if (typeof key !== 'string') key = this.#codec.normalise(key);
    } catch (error) {
      throw this.#refused(error, key, value);
    }
    const group = keyGroupOf(hash, this.#maxParallelism);
    // There is an owner for every group; a check would be one more for every element.
    (this.#owners[group] as KeyedInput).pushKeyed(value, key, group, hash);
  }

  #refused(error: unknown, key: unknown, value: unknown): TidemarkError {
    if (!(error instanceof KeyRefused)) return this.#where.fail(error, this.#node, value);
    if (isPromise(key)) return this.#where.failPromise(this.#node, value);
    const message = `${error.message} (key ${show(key, 100)} of element ${show(value)})`;
    const refused = new TidemarkError('KEY_REFUSED', message, {
      hint: `keys are declared as ${this.#codec.id}; return another key from keyBy, or filter such elements out before it`,
    });
    return this.#where.fail(refused, this.#node, value);
  }
}

/** One owner for many, in graph order. */
class KeyedFanOut implements KeyedInput {
  readonly #targets: readonly KeyedInput[];

  constructor(targets: readonly KeyedInput[]) {
    this.#targets = targets;
  }

  pushKeyed(value: unknown, key: unknown, group: number, hash: number): void {
    for (const target of this.#targets) target.pushKeyed(value, key, group, hash);
  }
}

function ownersByGroup(
  targets: readonly (readonly KeyedInput[])[],
  maxParallelism: number,
): readonly KeyedInput[] {
  const parallelism = targets[0]?.length ?? 1;
  const owners = Array.from({ length: parallelism }, (_, subtask) => {
    const instances = targets.map((operators) => present(operators[subtask], 'a subtask of every operator'));
    const [only] = instances;
    return only !== undefined && instances.length === 1 ? only : new KeyedFanOut(instances);
  });
  return Array.from({ length: maxParallelism }, (_, group) =>
    present(owners[subtaskOf(group, parallelism, maxParallelism)], 'an owner'),
  );
}

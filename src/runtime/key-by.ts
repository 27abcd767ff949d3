/** The exchange in front of keyed operators: finds each element's key, key group and owner, and calls the owner. */

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
  /** By key group: the owners among the keyed operators that read from here. */
  readonly #owners: readonly (readonly KeyedInput[])[];

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
    let group: number;
    try {
      key = this.#select(value);
      group = keyGroupOf(this.#codec.hash(key), this.#maxParallelism);
      if (typeof key !== 'string') key = this.#codec.normalise(key);
    } catch (error) {
      throw this.#refused(error, key, value);
    }
    const owners = this.#owners[group];
    if (owners === undefined) return;
    for (const owner of owners) owner.pushKeyed(value, key, group);
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

function ownersByGroup(
  targets: readonly (readonly KeyedInput[])[],
  maxParallelism: number,
): readonly (readonly KeyedInput[])[] {
  // Few distinct rows, shared: one per subtask.
  const parallelism = targets[0]?.length ?? 0;
  const rows = Array.from({ length: parallelism }, (_, subtask) =>
    targets.flatMap((instances) => instances[subtask] ?? []),
  );
  return Array.from({ length: maxParallelism }, (_, group) => {
    return rows[subtaskOf(group, parallelism, maxParallelism)] ?? [];
  });
}

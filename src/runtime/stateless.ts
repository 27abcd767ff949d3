/** The stateless operators: map, filter, flatMap. */
import type { TidemarkError } from '../base/errors.js';
import type { FilterNode, FlatMapNode, MapNode } from '../graph/node.js';
import { type Counted, type Input, isPromise } from './operator.js';
import { show } from './show.js';
import type { Where } from './where.js';

abstract class Stateless implements Input, Counted {
  in = 0;
  out = 0;
  protected readonly node: number;
  protected readonly subtask: number;
  protected readonly where: Where;
  protected readonly next: Input;

  constructor(node: number, subtask: number, where: Where, next: Input) {
    this.node = node;
    this.subtask = subtask;
    this.where = where;
    this.next = next;
  }

  abstract push(value: unknown): void;

  protected refusePromise(element: unknown): TidemarkError {
    return this.where.failPromise(this.node, element);
  }
}

export class MapOperator extends Stateless {
  readonly #apply: MapNode['apply'];

  constructor(node: MapNode, subtask: number, where: Where, next: Input) {
    super(node.id, subtask, where, next);
    this.#apply = node.apply;
  }

  push(value: unknown): void {
    this.in++;
    this.where.at(this.node, this.subtask);
    let result: unknown;
    try {
      result = this.#apply(value);
    } catch (error) {
      throw this.where.fail(error, this.node, value);
    }
    if (isPromise(result)) throw this.refusePromise(value);
    this.out++;
    this.next.push(result);
  }
}

export class FilterOperator extends Stateless {
  readonly #keep: FilterNode['keep'];

  constructor(node: FilterNode, subtask: number, where: Where, next: Input) {
    super(node.id, subtask, where, next);
    this.#keep = node.keep;
  }

  push(value: unknown): void {
    this.in++;
    this.where.at(this.node, this.subtask);
    let keep: unknown;
    try {
      keep = this.#keep(value);
    } catch (error) {
      throw this.where.fail(error, this.node, value);
    }
    if (isPromise(keep)) throw this.refusePromise(value);
    if (!keep) return;
    this.out++;
    this.next.push(value);
  }
}

export class FlatMapOperator extends Stateless {
  readonly #apply: FlatMapNode['apply'];

  constructor(node: FlatMapNode, subtask: number, where: Where, next: Input) {
    super(node.id, subtask, where, next);
    this.#apply = node.apply;
  }

  push(value: unknown): void {
    this.in++;
    this.where.at(this.node, this.subtask);
    let results: Iterable<unknown>;
    try {
      results = this.#apply(value);
    } catch (error) {
      throw this.where.fail(error, this.node, value);
    }
    if (Array.isArray(results)) {
      for (const result of results) this.#emit(result, value);
      return;
    }
    if (isPromise(results)) throw this.refusePromise(value);
    this.#drain(results, value);
  }

  #emit(result: unknown, element: unknown): void {
    if (isPromise(result)) throw this.refusePromise(element);
    this.out++;
    this.next.push(result);
  }

  /** Generators run user code between elements, so it may throw, and the place must be set again. */
  #drain(results: Iterable<unknown>, element: unknown): void {
    let iterator: Iterator<unknown>;
    try {
      if (typeof results?.[Symbol.iterator] !== 'function') {
        throw new TypeError(`flatMap must return an iterable, found ${show(results)}`);
      }
      iterator = results[Symbol.iterator]();
    } catch (error) {
      throw this.where.fail(error, this.node, element);
    }
    for (;;) {
      let step: IteratorResult<unknown>;
      try {
        step = iterator.next();
      } catch (error) {
        throw this.where.fail(error, this.node, element);
      }
      if (step.done === true) return;
      this.#emit(step.value, element);
      this.where.at(this.node, this.subtask);
    }
  }
}

/**
 * What a pane keeps, and the results made of it: the user's `reduce`, `aggregate` or `apply`, guarded.
 *
 * Duties of the caller: `kept` is what `add` or `merge` gave for the pane, or undefined where there was nothing; what
 * is given back takes its place, and `kept` is not used again.
 */
import { assert, unreachable } from '../../base/assert.js';
import type { WindowKeeps, WindowOf } from '../../graph/window.js';
import { show } from '../show.js';
import { shownPane, type UserCode } from './user-code.js';

export type Emit = (result: unknown) => void;

export interface Contents {
  add(kept: unknown, element: unknown): unknown;
  /** What two panes, or slices, keep together; `a` is the earlier. Neither is undefined. */
  merge(a: unknown, b: unknown, pane: WindowOf<unknown>): unknown;
  results(kept: unknown, pane: WindowOf<unknown>, emit: Emit): void;
}

export function contentsOf(keeps: WindowKeeps, user: UserCode): Contents {
  switch (keeps.kind) {
    case 'reducing':
      return new Reduced(keeps, user);
    case 'aggregating':
      return new Aggregated(keeps, user);
    case 'list':
      return new Collected(keeps, user);
    default:
      return unreachable(keeps);
  }
}

type Keeps<K extends WindowKeeps['kind']> = Extract<WindowKeeps, { readonly kind: K }>;

class Reduced implements Contents {
  readonly #keeps: Keeps<'reducing'>;
  readonly #user: UserCode;

  constructor(keeps: Keeps<'reducing'>, user: UserCode) {
    this.#keeps = keeps;
    this.#user = user;
  }

  add(kept: unknown, element: unknown): unknown {
    let value = element;
    if (kept !== undefined) {
      try {
        value = this.#keeps.reduce(kept, element);
      } catch (error) {
        throw this.#user.failed(error, element);
      }
    }
    this.#user.refuseKept(value, kept === undefined ? 'the element' : 'what reduce returned', element);
    return value;
  }

  merge(a: unknown, b: unknown, pane: WindowOf<unknown>): unknown {
    let value: unknown;
    try {
      value = this.#keeps.reduce(a, b);
    } catch (error) {
      throw this.#user.failed(error, shownPane(pane));
    }
    this.#user.refuseKept(value, 'what reduce returned', shownPane(pane));
    return value;
  }

  results(kept: unknown, pane: WindowOf<unknown>, emit: Emit): void {
    let result = kept;
    if (this.#keeps.result !== undefined) {
      try {
        result = this.#keeps.result(kept, pane);
      } catch (error) {
        throw this.#user.failed(error, shownPane(pane));
      }
      this.#user.refusePromise(result, shownPane(pane));
    }
    emit(result);
  }
}

class Aggregated implements Contents {
  readonly #aggregate: Keeps<'aggregating'>['aggregate'];
  readonly #user: UserCode;

  constructor({ aggregate }: Keeps<'aggregating'>, user: UserCode) {
    this.#aggregate = aggregate;
    this.#user = user;
  }

  add(kept: unknown, element: unknown): unknown {
    let value: unknown;
    try {
      value = this.#aggregate.add(kept === undefined ? this.#begin(element) : kept, element);
    } catch (error) {
      throw this.#user.failed(error, element);
    }
    this.#user.refuseKept(value, 'what add returned', element);
    return value;
  }

  /** A new accumulator: a promise would go unseen in what `add` makes of it. */
  #begin(element: unknown): unknown {
    const accumulator: unknown = this.#aggregate.init();
    this.#user.refusePromise(accumulator, element);
    return accumulator;
  }

  merge(a: unknown, b: unknown, pane: WindowOf<unknown>): unknown {
    const aggregate = this.#aggregate;
    assert(aggregate.merge !== undefined, 'an aggregate whose panes become one has merge');
    let value: unknown;
    try {
      value = aggregate.merge(a, b);
    } catch (error) {
      throw this.#user.failed(error, shownPane(pane));
    }
    this.#user.refuseKept(value, 'what merge returned', shownPane(pane));
    return value;
  }

  results(kept: unknown, pane: WindowOf<unknown>, emit: Emit): void {
    let result: unknown;
    try {
      result = this.#aggregate.result(kept, pane);
    } catch (error) {
      throw this.#user.failed(error, shownPane(pane));
    }
    this.#user.refusePromise(result, shownPane(pane));
    emit(result);
  }
}

/** All elements, in one array that grows: backends give out what is added to, if it is then set. */
class Collected implements Contents {
  readonly #keeps: Keeps<'list'>;
  readonly #user: UserCode;

  constructor(keeps: Keeps<'list'>, user: UserCode) {
    this.#keeps = keeps;
    this.#user = user;
  }

  add(kept: unknown, element: unknown): unknown {
    if (kept === undefined) return [element];
    (kept as unknown[]).push(element);
    return kept;
  }

  merge(a: unknown, b: unknown): unknown {
    for (const element of b as readonly unknown[]) (a as unknown[]).push(element);
    return a;
  }

  results(kept: unknown, pane: WindowOf<unknown>, emit: Emit): void {
    let results: Iterable<unknown>;
    try {
      results = this.#keeps.apply(kept as readonly unknown[], pane);
    } catch (error) {
      throw this.#user.failed(error, shownPane(pane));
    }
    this.#user.refusePromise(results, shownPane(pane));
    this.#drain(results, pane, emit);
  }

  /** Generators run user code between results, so it may throw then, too. */
  #drain(results: Iterable<unknown>, pane: WindowOf<unknown>, emit: Emit): void {
    let iterator: Iterator<unknown>;
    try {
      if (typeof results?.[Symbol.iterator] !== 'function')
        throw new TypeError(`apply must return an iterable, found ${show(results)}`);
      iterator = results[Symbol.iterator]();
    } catch (error) {
      throw this.#user.failed(error, shownPane(pane));
    }
    for (;;) {
      let step: IteratorResult<unknown>;
      try {
        step = iterator.next();
      } catch (error) {
        throw this.#user.failed(error, shownPane(pane));
      }
      if (step.done === true) return;
      this.#user.refusePromise(step.value, shownPane(pane));
      emit(step.value);
    }
  }
}

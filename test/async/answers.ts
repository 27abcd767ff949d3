/** Calls whose answers come when they will: late, in any order, not at the first try, or never. */
import { type AsyncContext, type AsyncMapOptions, TidemarkError } from 'tidemark';

export interface Answering {
  readonly seed: number;
  /** Of a hundred tries: how many fail, and how many are never answered. */
  readonly fails: number;
  readonly hangs: number;
  /** Turns of the event loop that an answer takes at most. */
  readonly turns: number;
  /** Tries after which every call is answered. */
  readonly attempts: number;
}

export const TIMEOUT = 20;

/** A number from 0 to below `n`, by what it is asked for. */
export function chance(n: number, ...of: readonly number[]): number {
  let hash = 0x811c9dc5;
  for (const part of of) {
    hash = Math.imul(hash ^ part, 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    hash ^= hash >>> 13;
  }
  return (hash >>> 0) % n;
}

/** Asked by one attempt of a job. Which try of an attempt fails differs from one attempt to the next. */
export class Answers {
  readonly #how: Answering;
  #salt = 0;

  constructor(how: Answering) {
    this.#how = how;
  }

  async ask<T>(id: number, element: T, { attempt, signal }: AsyncContext): Promise<T> {
    const { seed, fails, hangs, turns, attempts } = this.#how;
    const draw = (n: number, what: number) => chance(n, seed, id, attempt, what, this.#salt);
    this.#salt++;
    const last = attempt >= attempts;
    const fate = draw(100, 1);
    // The half of those that are never answered heed their signal.
    if (!last && fate < hangs)
      return new Promise((_, reject) => {
        if (draw(2, 2) === 0) signal.addEventListener('abort', () => reject(signal.reason));
      });
    if (!last && fate < hangs + fails && draw(3, 3) === 0) throw new Error('refused at once');
    for (let turn = draw(turns + 1, 4); turn > 0; turn--)
      await new Promise<void>((resolve) => setImmediate(resolve));
    if (!last && fate < hangs + fails) throw new TidemarkError('USER_CODE', 'not this time');
    return element;
  }

  options<T>(ordered: boolean, capacity: number): AsyncMapOptions<T, T> {
    const { attempts } = this.#how;
    return { ordered, capacity, timeout: TIMEOUT, retries: { attempts, delay: 3, factor: 1.5, most: 10 } };
  }
}

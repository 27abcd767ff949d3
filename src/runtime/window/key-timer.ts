/**
 * The one timer of the current key in one order of time, where what is due can change in many ways before the key is left:
 * `touch` before the first change, `settle` after the last.
 */
import type { TimerHandle } from '../../state/backend.js';

const NEVER = Number.POSITIVE_INFINITY;

export class KeyTimer {
  readonly #timer: TimerHandle;
  readonly #least: () => number;
  /** What is set; undefined where nothing was touched. */
  #before: number | undefined;

  /** `least`: the first due of the current key, Infinity for none. */
  constructor(timer: TimerHandle, least: () => number) {
    this.#timer = timer;
    this.#least = least;
  }

  get touched(): boolean {
    return this.#before !== undefined;
  }

  touch(): void {
    this.#before ??= this.#least();
  }

  /** It has fired, so none is set. */
  fired(): void {
    this.#before = NEVER;
  }

  settle(): void {
    const before = this.#before;
    if (before === undefined) return;
    this.#before = undefined;
    const now = this.#least();
    if (before !== NEVER && before !== now) this.#timer.delete(before);
    // Also where it should be set already: the end of a drained input takes out processing timers, and their panes stay.
    if (now !== NEVER) this.#timer.set(now);
  }
}

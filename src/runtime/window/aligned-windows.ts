/**
 * Windows of one size that begin every `step`, each one object for as long as elements near it in time ask for it:
 * most elements are in the window of the one before, and need neither a division nor an object.
 */
import type { TimeWindow } from '../../graph/window.js';
import { alignDown } from './assigning.js';

/** Power of two; as many neighbouring windows are remembered. */
const SLOTS = 64;

export class AlignedWindows {
  readonly #size: number;
  readonly #step: number;
  readonly #offset: number;
  readonly #slots: TimeWindow[];
  #last: TimeWindow = { start: 0, end: 0 };

  constructor(size: number, step: number, offset: number) {
    this.#size = size;
    this.#step = step;
    this.#offset = offset;
    this.#slots = Array.from({ length: SLOTS }, () => this.#last);
  }

  /** The last to begin at or before `time`; holds it, if `step` is not over `size`. */
  at(time: number): TimeWindow {
    const last = this.#last;
    if (time >= last.start && time < last.start + this.#step && last.end > last.start) return last;
    this.#last = this.from(alignDown(time, this.#step, this.#offset));
    return this.#last;
  }

  /** The one that begins at `start`. */
  from(start: number): TimeWindow {
    const slot = (start / this.#step) & (SLOTS - 1);
    const known = this.#slots[slot] as TimeWindow;
    if (known.start === start && known.end > known.start) return known;
    const window = { start, end: start + this.#size };
    this.#slots[slot] = window;
    return window;
  }
}

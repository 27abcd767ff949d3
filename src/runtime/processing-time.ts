import type { Clock } from '../base/clock.js';

/**
 * Processing time as user code and timers see it: the wall clock, made to never go back, neither within an attempt
 * nor across a restore (where it starts from the time of the barrier). Time the job was down counts.
 */
export class ProcessingTime {
  readonly #clock: Clock;
  #latest: number;

  constructor(clock: Clock, floor = Number.NEGATIVE_INFINITY) {
    this.#clock = clock;
    this.#latest = floor;
  }

  now(): number {
    const wall = this.#clock.now();
    if (wall > this.#latest) this.#latest = wall;
    return this.#latest;
  }

  /** Time will not fall behind this. */
  raise(floor: number): void {
    if (floor > this.#latest) this.#latest = floor;
  }
}

import type { Clock } from '../base/clock.js';
import { parseDuration } from '../base/duration.js';

/** A clock that stands still until it is told to move. Sleepers wake when their time has come. */
export class ManualClock implements Clock {
  #now: number;
  readonly #sleepers = new Set<{ readonly at: number; wake(): void }>();

  /** `start`: milliseconds since 1970. */
  constructor(start = 0) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const sleeper = { at: this.#now + ms, wake };
      if (ms <= 0 || signal?.aborted) return resolve();
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', wake);
    });
  }

  /** How many wait for the clock to move. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  /**
   * Moves on by so much: milliseconds, or `'5m'`. Timers that fall due fire when the job goes on.
   * @throws TidemarkError USAGE for what is no duration.
   */
  advance(by: number | string): void {
    this.#now += typeof by === 'number' ? by : parseDuration(by, 'advance');
    for (const sleeper of [...this.#sleepers]) if (sleeper.at <= this.#now) sleeper.wake();
  }
}

/** Drives a following source on real files: no time passes but what the test lets pass. */
import type { Clock } from '../../src/base/clock.js';
import { systemClock } from '../../src/base/clock.js';
import type { Disk } from '../../src/base/disk.js';
import { realDisk } from '../../src/base/real-disk.js';
import type { Batch, SourceSpec } from '../../src/graph/source.js';

/** Sleeps end when the test says so, or when the sleeper's signal aborts. */
export class HandClock implements Clock {
  readonly now = systemClock.now;
  readonly monotonic = systemClock.monotonic;
  #wake: (() => void) | undefined;
  #asleep: (() => void) | undefined;

  sleep(_ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        signal?.removeEventListener('abort', done);
        resolve();
      };
      signal?.addEventListener('abort', done, { once: true });
      this.#wake = done;
      this.#asleep?.();
    });
  }

  /** Resolves once somebody sleeps. */
  asleep(): Promise<void> {
    if (this.#wake !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.#asleep = resolve;
    });
  }

  wake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

export interface Delivered<P> {
  readonly elements: readonly string[];
  readonly position: P;
}

/** One start of a source on one split. */
export class Follower<P> {
  readonly batches: Batch<string, P>[] = [];
  readonly said: string[] = [];
  readonly #clock = new HandClock();
  readonly #stop = new AbortController();
  readonly #batches: AsyncIterator<Batch<string, P>>;
  #pending: Promise<IteratorResult<Batch<string, P>>> | undefined;

  constructor(
    source: SourceSpec<string, P>,
    cwd: string,
    from: { split: string; position: P; batch: number },
    disk: Disk = realDisk,
  ) {
    const request = {
      ...from,
      cwd,
      disk,
      clock: this.#clock,
      log: (line: string) => this.said.push(line),
      signal: this.#stop.signal,
      state: {},
    };
    this.#batches = source.read(request)[Symbol.asyncIterator]();
  }

  /** Lets it read until it waits for more. */
  async settle(): Promise<void> {
    for (;;) {
      this.#pending ??= this.#batches.next();
      const next = await Promise.race([this.#pending, this.#clock.asleep()]);
      if (next === undefined) return;
      this.#pending = undefined;
      if (next.done) return;
      this.batches.push(next.value);
    }
  }

  /** The next look at the files, and all that it brings. */
  async look(): Promise<void> {
    await this.settle();
    this.#clock.wake();
    await this.settle();
  }

  get lines(): string[] {
    return this.batches.flatMap((batch) => batch.elements);
  }

  /** Ends it as the runtime does. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#pending;
    this.#pending = undefined;
    await this.#batches.return?.();
  }
}

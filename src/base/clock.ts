/** The seam for time. Everything that asks what time it is takes one of these. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump; see `ProcessingTime` in runtime for one that never goes back. */
  now(): number;
  /** Milliseconds from an arbitrary start, never going back, with fractions. For measuring and for slices. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds, or at once when the signal aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', done, { once: true });
    }),
};

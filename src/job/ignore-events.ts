import type { AttemptEvents } from './attempt.js';

/** For an attempt of which only the thread's end is of interest. */
export const IGNORE: AttemptEvents = {
  chunk: () => undefined,
  drained: () => undefined,
  committed: () => undefined,
  flush: () => undefined,
  flushed: () => undefined,
  opened: () => undefined,
  inputEnded: () => undefined,
  print: async () => undefined,
  log: () => undefined,
  output: () => undefined,
  metrics: () => undefined,
  ahead: () => undefined,
};

/** What signals mean to a process that runs a job: the first suspends it, the second ends the process at once. */
import { EXIT } from '../base/errors.js';

const EXIT_CODES = { SIGINT: EXIT.sigint, SIGTERM: EXIT.sigterm, SIGHUP: EXIT.sighup } as const;
type JobSignal = keyof typeof EXIT_CODES;
/**
 * Milliseconds in which a second signal is taken for the first one that came twice: npm hands on the Ctrl-C that
 * the terminal has sent to the job as well, and a closing terminal sends SIGHUP by two ways.
 */
const ECHO = 250;
const SIGNALS: readonly JobSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

export interface Signals {
  /** The exit code that the first signal stands for; undefined when none has come. */
  readonly exitCode: number | undefined;
  release(): void;
}

/** Calls `first` once, with the first signal's name. `now` is a monotonic time in milliseconds. */
export function onSignal(now: () => number, first: (signal: string) => void): Signals {
  let exitCode: number | undefined;
  let firstAt = 0;
  const receive = (signal: JobSignal) => {
    if (exitCode !== undefined) {
      if (now() - firstAt < ECHO) return;
      process.exit(EXIT_CODES[signal]);
    }
    exitCode = EXIT_CODES[signal];
    firstAt = now();
    first(signal);
  };
  for (const signal of SIGNALS) process.on(signal, receive);
  return {
    get exitCode() {
      return exitCode;
    },
    release() {
      for (const signal of SIGNALS) process.removeListener(signal, receive);
    },
  };
}

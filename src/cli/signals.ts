/** What signals mean to a process that runs a job: the first suspends it, the second ends the process at once. */
import { EXIT } from '../base/errors.js';

const EXIT_CODES = { SIGINT: EXIT.sigint, SIGTERM: EXIT.sigterm, SIGHUP: EXIT.sighup } as const;
type JobSignal = keyof typeof EXIT_CODES;
const SIGNALS: readonly JobSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

export interface Signals {
  /** The exit code that the first signal stands for; undefined when none has come. */
  readonly exitCode: number | undefined;
  release(): void;
}

/** Calls `first` once, with the first signal's name. */
export function onSignal(first: (signal: string) => void): Signals {
  let exitCode: number | undefined;
  const receive = (signal: JobSignal) => {
    if (exitCode !== undefined) process.exit(EXIT_CODES[signal]);
    exitCode = EXIT_CODES[signal];
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

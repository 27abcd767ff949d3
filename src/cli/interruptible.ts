/** Work that a signal ends without leaving anything: the first one stops it, the second one ends the process. */
import type { Context } from './context.js';
import { onSignal } from './signals.js';

export type Outcome<T> =
  | { readonly interrupted: false; readonly value: T }
  | { readonly interrupted: true; readonly exitCode: number };

/** `act` rejects with the signal's reason when it is aborted, once it has tidied up. */
export async function interruptible<T>(
  { printer, clock }: Context,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<Outcome<T>> {
  const stop = new AbortController();
  const signals = onSignal(
    () => clock.monotonic(),
    () => stop.abort(),
  );
  try {
    return { interrupted: false, value: await act(stop.signal) };
  } catch (error) {
    if (signals.exitCode === undefined || error !== stop.signal.reason) throw error;
    printer.note('given up; nothing is left of it');
    return { interrupted: true, exitCode: signals.exitCode };
  } finally {
    signals.release();
  }
}

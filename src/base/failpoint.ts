/**
 * Points where a test can stop a real process between two instructions.
 *
 * `TIDEMARK_FAILPOINT=name` or `name:n` in the environment makes the process kill itself with SIGKILL when the
 * point is reached (for the nth time, counted per thread). Unset, which is always outside tests, a point costs
 * one comparison.
 */
const { TIDEMARK_FAILPOINT } = process.env;
const armed = readFailpoint(TIDEMARK_FAILPOINT);
let hits = 0;

export function failpoint(name: string): void {
  if (armed === undefined) return;
  if (armed.name !== name || ++hits < armed.nth) return;
  process.kill(process.pid, 'SIGKILL');
  // The signal may take a moment; nothing after this point may run.
  for (;;);
}

function readFailpoint(text: string | undefined): { name: string; nth: number } | undefined {
  if (text === undefined || text === '') return undefined;
  const [name = '', nth = '1'] = text.split(':');
  return { name, nth: Number(nth) };
}

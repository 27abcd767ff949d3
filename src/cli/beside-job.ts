/**
 * Savepoints of two live jobs at the same positions: one stands still while the other's is taken, and then comes to where
 * that was. Without standing still it would be beyond that by the time it is asked to wait there.
 *
 *     this job   stands still ───────────────────▶ comes to the positions ─▶ its savepoint ─▶ goes on
 *     the other  ─────────── its savepoint ─▶ goes on
 */
import { dirname, join } from 'node:path';
import { TidemarkError } from '../base/errors.js';
import { callControl } from '../control/client.js';

/** A split of the other job that was behind has got ahead after so many tries, or waits for input itself. */
const MAX_TRIES = 5;
const LOOK_MS = 50;
const LOOK_TIMEOUT = 2_000;

export interface Beside {
  /** The sockets of this job and the other. */
  readonly socket: string;
  readonly other: string;
  /** What this job is asked for; `at` is where the other's archive goes. */
  readonly body: Readonly<Record<string, unknown>> & { readonly at: string; readonly force: boolean };
  readonly reason: string;
  /** Milliseconds for this job; 0: no limit. */
  left(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** Where the other job's archive goes: beside that of this one. */
export function besidePath(output: string, name: string, other: string): string {
  const folder = output.endsWith('/') ? output : dirname(output);
  return join(folder, `${other}-beside-${name}.savepoint.tar`);
}

/** Resolves with this job's answer. */
export async function takeBeside(beside: Beside): Promise<unknown> {
  for (let tries = 1; ; tries++) {
    try {
      return await tryOnce(beside, beside.body.force || tries > 1);
    } catch (error) {
      const behind = error instanceof TidemarkError && error.code === 'POSITION_PASSED';
      if (!behind || tries === MAX_TRIES) throw error;
    }
  }
}

async function tryOnce(
  { socket, other, body, reason, left, sleep }: Beside,
  force: boolean,
): Promise<unknown> {
  const over = new AbortController();
  const limit = left();
  const timeout = limit === 0 ? {} : { timeout: limit };
  const asked = { ...body, ...timeout, await: true };
  const answer = callControl(
    socket,
    'POST',
    '/v1/savepoint',
    asked,
    limit === 0 ? 0 : limit + LOOK_TIMEOUT,
    over.signal,
  );
  const settled = answer.then(
    () => true,
    () => true,
  );
  try {
    while (!(await stands(socket))) {
      const ended = await Promise.race([settled, sleep(LOOK_MS, over.signal).then(() => false)]);
      // It has refused before it stood still.
      if (ended) return await answer;
    }
    const output = { output: body.at, force, reason };
    await callControl(other, 'POST', '/v1/savepoint', output, limit);
    return await answer;
  } finally {
    over.abort();
  }
}

async function stands(socket: string): Promise<boolean> {
  const status = await callControl(socket, 'GET', '/v1/status', undefined, LOOK_TIMEOUT);
  if (typeof status !== 'object' || status === null || !('saving' in status)) return false;
  const { saving } = status;
  return typeof saving === 'object' && saving !== null && 'phase' in saving && saving.phase === 'stand';
}

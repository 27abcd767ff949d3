/** What this process reads and writes, as the kernel counts it: all its threads, catalog and log included. */
import { readFileSync } from 'node:fs';
import { systemClock } from '../../src/base/clock.js';

export interface ProcessIo {
  /** Asked of `read` and its kin, from the page cache or not. */
  readonly read: number;
  /** Given to `write` and its kin. */
  readonly written: number;
}

/** Looks this far apart, and so many in a row must find next to nothing. */
const LOOK_MS = 50;
const LOOKS = 6;
/** What a look itself reads, and threads that wake each other write. */
const NOTHING = 16 * 1024;

/** Both NaN where the kernel does not tell. */
export function processIo(): ProcessIo {
  try {
    const text = readFileSync('/proc/self/io', 'latin1');
    const of = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
    return { read: of('rchar'), written: of('wchar') };
  } catch {
    return { read: Number.NaN, written: Number.NaN };
  }
}

/** Resolves once this process has read and written next to nothing for a while: no merge is under way. */
export async function quiet(): Promise<void> {
  let last = processIo();
  for (let calm = 0; calm < LOOKS; calm++) {
    await systemClock.sleep(LOOK_MS);
    const now = processIo();
    if (now.read - last.read > NOTHING || now.written - last.written > NOTHING) calm = -1;
    last = now;
  }
}

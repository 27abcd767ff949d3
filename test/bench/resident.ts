/** The memory of this process, as the kernel sees it. */
import { readFileSync, writeFileSync } from 'node:fs';

const KIB = 1024;

/** The most that was resident since the last reset, bytes; undefined where the kernel does not tell. */
export function peakResident(): number | undefined {
  try {
    const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    return found === null ? undefined : Number(found[1]) * KIB;
  } catch {
    return undefined;
  }
}

/** Lets the peak begin anew, from what is resident now. */
export function resetPeak(): void {
  writeFileSync('/proc/self/clear_refs', '5');
}

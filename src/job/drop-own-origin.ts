/** The end of own-origin.ts, apart from it: every job calls this, and few are restored. */
import { rmSync } from 'node:fs';
import type { HomePaths } from '../base/home.js';

/** The job needs no more the copy, if it has one, of the archive that it was restored from. */
export function dropOwnOrigin(home: HomePaths, job: string): void {
  rmSync(home.job(job).origin, { force: true });
}

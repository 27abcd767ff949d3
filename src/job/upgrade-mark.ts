/**
 * That a job is being upgraded: a lock in the old version's folder, which a process that dies lets go of, and whose file
 * stays then and says that an upgrade was left unfinished.
 */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { TidemarkError } from '../base/errors.js';
import type { Catalog } from '../catalog/catalog.js';
import { syncFolder } from '../catalog/home.js';
import { acquireLock, type Lock, lockInfo } from '../catalog/lock.js';
import type { JobRecord } from '../catalog/records.js';

export class UpgradeMark {
  readonly #lock: Lock;

  private constructor(lock: Lock) {
    this.#lock = lock;
  }

  /** @throws JOB_BUSY when another process upgrades the job */
  static take(catalog: Catalog, { id, name }: JobRecord): UpgradeMark {
    const path = markOf(catalog, id);
    const lock = acquireLock(path, { pid: process.pid });
    if (lock === undefined) {
      const pid = lockInfo(path)?.['pid'] ?? '?';
      throw new TidemarkError('JOB_BUSY', `${name} (${id}) is being upgraded by process ${pid}`, {
        hint: 'wait for it to end',
      });
    }
    syncFolder(catalog.home.job(id).folder);
    return new UpgradeMark(lock);
  }

  /** `done`: nothing is left to be put right. */
  leave(done: boolean): void {
    // Free before its file is removed: SQLite must not hold a file that is gone.
    this.#lock.release();
    if (done) rmSync(this.#lock.path, { force: true });
  }
}

export function isMarked(catalog: Catalog, id: string): boolean {
  return existsSync(markOf(catalog, id));
}

function markOf(catalog: Catalog, id: string): string {
  return join(catalog.home.job(id).folder, 'upgrade.db');
}

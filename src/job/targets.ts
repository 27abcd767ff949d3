/** The sink folders a job owns: taken before its first element, held over restarts, freed at the end. */
import { claimTarget, type TargetClaim, type TargetOwner } from '../catalog/target-lock.js';

export class Targets {
  readonly #owner: TargetOwner;
  readonly #claims = new Map<string, TargetClaim>();

  constructor(owner: TargetOwner) {
    this.#owner = owner;
  }

  /** Takes those not yet held. @throws TARGET_LOCKED */
  claim(folders: readonly string[]): void {
    for (const folder of folders) {
      if (!this.#claims.has(folder)) this.#claims.set(folder, claimTarget(folder, this.#owner));
    }
  }

  /** Frees all: for this job's next run, or, when the job is over, for any job. */
  release(over: boolean): void {
    for (const claim of this.#claims.values()) claim.release(over);
    this.#claims.clear();
  }
}

/** Where things lie in a home. Nothing but paths; who makes and removes them is said where it happens. */
import { join } from 'node:path';

/**
 *     <home>/catalog.db                 jobs, attempts, checkpoints, segments
 *     <home>/bundles/<sha256>.mjs       frozen definitions
 *     <home>/segments/<sha256>.seg      state; `*.tmp` beside them is being written
 *     <home>/jobs/<id>/lock.db          held exclusively by the job's runner
 *     <home>/jobs/<id>/log              what the job and its user code said
 *     <home>/jobs/<id>/stdout           output of `stdout` sinks of a detached job
 *     <home>/jobs/<id>/origin.savepoint.tar   what it is restored from, converted; until its first checkpoint
 */
export interface HomePaths {
  readonly root: string;
  readonly catalog: string;
  readonly bundles: string;
  readonly segments: string;
  bundle(hash: string): string;
  segment(name: string): string;
  job(id: string): {
    readonly folder: string;
    readonly lock: string;
    readonly log: string;
    readonly stdout: string;
    readonly origin: string;
  };
}

export function homePaths(root: string): HomePaths {
  const bundles = join(root, 'bundles');
  const segments = join(root, 'segments');
  return {
    root,
    catalog: join(root, 'catalog.db'),
    bundles,
    segments,
    bundle: (hash) => join(bundles, `${hash}.mjs`),
    segment: (name) => join(segments, `${name}.seg`),
    job(id) {
      const folder = join(root, 'jobs', id);
      return {
        folder,
        lock: join(folder, 'lock.db'),
        log: join(folder, 'log'),
        stdout: join(folder, 'stdout'),
        origin: join(folder, 'origin.savepoint.tar'),
      };
    },
  };
}

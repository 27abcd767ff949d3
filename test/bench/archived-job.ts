/** A job that idles over so many keys, its savepoints, and attempts that start from them; all through the real doors. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openArchive } from '../../src/archive/read.js';
import { systemClock } from '../../src/base/clock.js';
import type { HomePaths } from '../../src/base/home.js';
import { systemRandom } from '../../src/base/random.js';
import { realDisk } from '../../src/base/real-disk.js';
import { Catalog } from '../../src/catalog/catalog.js';
import type { JobRecord } from '../../src/catalog/records.js';
import { callControl } from '../../src/control/client.js';
import type { JobSettings } from '../../src/graph/settings.js';
import { Attempt } from '../../src/job/attempt.js';
import { IGNORE } from '../../src/job/ignore-events.js';
import type { DataThreadData } from '../../src/job/protocol.js';
import { feed, findRecovery } from '../../src/job/recover-state.js';
import { planRestore, restoreJob } from '../../src/job/restore.js';
import { MeasuredJob, sharedNow } from './measured-job.js';

const METRICS_MS = 500;

export interface RestoredAttempt {
  readonly attempt: Attempt;
  /** From the first byte checked to running, milliseconds. */
  readonly ms: number;
}

export class ArchivedJob {
  readonly archive: string;
  readonly #job: MeasuredJob;
  readonly #catalog: Catalog;

  private constructor(job: MeasuredJob) {
    this.#job = job;
    this.#catalog = openCatalog(job.home);
    this.archive = join(job.folder, 'state.savepoint.tar');
  }

  /** Runs, all keys in its state, idle. */
  static async start(keys: number, params: Readonly<Record<string, string>> = {}): Promise<ArchivedJob> {
    const job = new MeasuredJob({ definition: 'idle-keys.ts', params: { keys: String(keys), ...params } });
    await job.start();
    await job.reach(keys);
    return new ArchivedJob(job);
  }

  get folder(): string {
    return this.#job.folder;
  }

  get home(): HomePaths {
    return this.#job.home;
  }

  /** As `tidemark savepoint --force` does; milliseconds from the request to the archive under its name. */
  async savepoint(): Promise<number> {
    const { socket } = this.#running();
    if (socket === undefined || socket === null) throw new Error('the job has no control socket');
    const from = sharedNow();
    await callControl(socket, 'POST', '/v1/savepoint', { output: this.archive, force: true }, 0);
    return sharedNow() - from;
  }

  async suspend(): Promise<void> {
    await this.#job.suspend();
  }

  /** A job that begins from the archive, as `tidemark restore` makes it; it does not run. */
  async restored(parallelism: number, params: Readonly<Record<string, string>> = {}): Promise<JobRecord> {
    const plan = await planRestore(this.#job.home, {
      archive: this.archive,
      name: `restored-${parallelism}-${Date.now()}`,
      params,
      flags: { parallelism: String(parallelism) },
      sinks: undefined,
      allowNonRestored: false,
      afterDrain: false,
      convert: false,
      cwd: this.folder,
      environment: process.env,
    });
    return restoreJob(this.#catalog, plan);
  }

  /** See {@link attemptOf}. */
  attempt(job: JobRecord): Promise<RestoredAttempt> {
    return attemptOf(this.#job.home, this.#catalog, job);
  }

  async remove(): Promise<void> {
    await this.#job.suspend().catch(() => undefined);
    this.#catalog.close();
    rmSync(this.archive, { force: true });
    this.#job.remove();
  }

  #running(): JobRecord {
    const [job] = this.#catalog.jobs({ all: false });
    if (job === undefined) throw new Error('no job runs');
    return job;
  }
}

/**
 * An attempt of a job that begins from an archive, in a data thread of its own; timed once its code is loaded. The
 * caller ends it.
 */
export async function attemptOf(home: HomePaths, catalog: Catalog, job: JobRecord): Promise<RestoredAttempt> {
  const settings = job.settings as JobSettings;
  const options = { heap: settings.heap, stepTimeout: settings.stepTimeout, clock: systemClock };
  const attempt = new Attempt({ ...options, data: dataOf(home, job, settings) }, IGNORE);
  const failed = attempt.ended.then((error) => {
    throw error ?? new Error('the attempt ended');
  });
  failed.catch(() => undefined);
  const facts = await Promise.race([attempt.described, failed]);
  const from = sharedNow();
  // `restore` does this before it makes the job.
  const archive = await openArchive(realDisk, job.origin?.path ?? '');
  await archive.checkMembers();
  await archive.close();
  const places = { disk: realDisk, home, settings, facts, lease: () => undefined };
  await feed(attempt, await findRecovery(catalog, job, places), { mode: 'run', backend: settings.backend });
  await Promise.race([attempt.running, failed]);
  return { attempt, ms: sharedNow() - from };
}

function dataOf(home: HomePaths, job: JobRecord, settings: JobSettings): Omit<DataThreadData, 'where'> {
  return {
    bundle: home.bundle(job.bundle),
    job: { id: job.id, name: job.name },
    attempt: 1,
    params: job.params,
    parallelism: settings.parallelism,
    maxParallelism: settings.maxParallelism,
    cwd: job.cwd,
    liveSinks: true,
    rewind: false,
    lineage: job.origin?.lineage ?? [],
    mode: 'run',
    metricsEvery: METRICS_MS,
    backend: settings.backend,
    snapshots: 'all',
    segments: home.segments,
    cache: settings.cache,
  };
}

export function openCatalog(home: HomePaths): Catalog {
  return Catalog.open(home, { create: false, clock: systemClock, random: systemRandom });
}

/** Freezes a definition into a job: bundle, parameters, working directory and settings, as they are now. */
import { resolve } from 'node:path';
import type { HomePaths } from '../base/home.js';
import { realDisk } from '../base/real-disk.js';
import type { Catalog } from '../catalog/catalog.js';
import type { JobRecord } from '../catalog/records.js';
import { frozenSettings } from '../graph/frozen-settings.js';
import { resolveSettings, type SettingsFlags } from '../graph/resolve-settings.js';
import { verifyBundle } from './bundle-store.js';
import { checkRecovery } from './check-recovery.js';
import { describeBundle, describeDefinition } from './describe-definition.js';
import { frozenCommit } from './git-commit.js';
import { lockJob } from './lock-job.js';

export interface StartOptions {
  /** Path of the definition. */
  readonly definition: string;
  /** The job's name; the definition's when absent. */
  readonly name?: string;
  readonly params: Readonly<Record<string, string>>;
  readonly flags: SettingsFlags;
  readonly cwd: string;
  /** Where secrets come from. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Bundles, loads and checks the definition, and creates the job. Rejects with what describeDefinition and createJob do. */
export async function prepareJob(
  home: HomePaths,
  catalog: Catalog,
  options: StartOptions,
): Promise<JobRecord> {
  const { params, environment, flags } = options;
  const file = resolve(options.cwd, options.definition);
  const store = { disk: realDisk, home };
  const described = await describeDefinition(file, { params, environment, overrides: flags, store });
  const settings = resolveSettings(described.settings, flags);
  return catalog.createJob({
    name: options.name ?? described.name,
    definition: file,
    bundle: described.bundle.hash,
    ...(await frozenCommit(file)),
    params,
    cwd: options.cwd,
    settings,
    parallelism: settings.parallelism,
    maxParallelism: settings.maxParallelism,
  });
}

/**
 * Gives a job that does not run mended code, once it is known that the job's state fits it. The settings and the
 * working directory stay as frozen. The caller's next step is to run it.
 * @throws INCOMPATIBLE with all findings, JOB_RUNNING when it runs after all; the job is then as before.
 */
export async function replaceDefinition(
  home: HomePaths,
  catalog: Catalog,
  job: JobRecord,
  definition: string,
  options: Pick<StartOptions, 'cwd' | 'environment'>,
): Promise<JobRecord> {
  const file = resolve(options.cwd, definition);
  const { params } = job;
  const store = { disk: realDisk, home };
  const described = await describeDefinition(file, { params, environment: options.environment, store });
  const bundle = described.bundle.hash;
  // Somebody else may have begun to run the job since the caller looked: then it keeps the code it runs.
  const lock = lockJob(catalog, job);
  try {
    const settings = frozenSettings(job.settings);
    const what = { bundle: home.bundle(bundle), job: { id: job.id, name: job.name }, params, cwd: job.cwd };
    await checkRecovery(catalog, job, settings, what, { ...what, bundle: home.bundle(job.bundle) });
    return catalog.replaceDefinition(job.id, {
      definition: file,
      bundle,
      ...(await frozenCommit(file)),
      params,
    });
  } finally {
    lock.release();
  }
}

/**
 * Finds before a job's state changes what would fail it at once: frozen code that is gone or damaged, a secret that
 * the environment does not have. Rejects with BUNDLE_CORRUPT, PARAM_MISSING, GRAPH_INVALID and the like.
 */
export async function checkStartable(
  home: HomePaths,
  job: JobRecord,
  environment: StartOptions['environment'],
): Promise<void> {
  const bundle = await verifyBundle(realDisk, home, job.bundle);
  await describeBundle(bundle, job.definition, { params: job.params, environment });
}

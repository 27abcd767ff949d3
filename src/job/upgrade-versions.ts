/** How the two versions of an upgrade are restored: the plans that a dry look and the real restore have in common. */
import { existsSync } from 'node:fs';
import { TidemarkError } from '../base/errors.js';
import type { HomePaths } from '../base/home.js';
import { realDisk } from '../base/real-disk.js';
import type { JobRecord } from '../catalog/records.js';
import { frozenSettings } from '../graph/frozen-settings.js';
import type { SettingsFlags } from '../graph/resolve-settings.js';
import { targetAhead } from '../runtime/sink.js';
import { verifyBundle } from './bundle-store.js';
import type { CheckDepth } from './check-values.js';
import { describeBundle } from './describe-definition.js';
import { probeTargets } from './graph-of-bundle.js';
import { type PlannedRestore, planRestore } from './restore.js';
import { typedSettings } from './typed-settings.js';

/**
 * Once the old version is stopped, what was looked at closely is not looked at so closely again: the job waits, and a value
 * that cannot be converted fails the new version, which is gone back from.
 */
const BETWEEN: CheckDepth = { members: false, same: 'none', changed: 'sample', migrated: 'sample' };

type Environment = Readonly<Record<string, string | undefined>>;

export interface VersionOptions {
  /** Path of the new definition. */
  readonly definition: string;
  /** Over those of the old version. */
  readonly params: Readonly<Record<string, string>>;
  readonly flags: Omit<SettingsFlags, 'sinks'>;
  readonly allowNonRestored: boolean;
  readonly drop: readonly string[];
  readonly strict: boolean;
  /** How closely values are looked at before anything is stopped. */
  readonly check: CheckDepth;
  readonly cwd: string;
  readonly environment: Environment;
}

/** Where a version is planned for: `aside` is only looked at, while the old version runs and writes on. */
export interface PlanPlace {
  readonly home: HomePaths;
  readonly old: JobRecord;
  readonly archive: string;
  readonly aside: boolean;
}

/**
 * The new version: its parameters and settings are those typed now, else those typed for the old version, else what
 * the new definition says. @throws why it cannot be restored
 */
export async function planNew(
  { home, old, archive, aside }: PlanPlace,
  options: VersionOptions,
): Promise<PlannedRestore> {
  const { environment, check, ...given } = options;
  const typed = await typedFor(home, old, environment);
  const plan = await planRestore(home, {
    ...given,
    archive,
    name: old.name,
    flags: { ...typed, ...given.flags },
    sinks: aside ? 'mute' : sinksOf(old),
    check: aside ? check : BETWEEN,
    afterDrain: false,
    convert: false,
    environment,
  });
  if (plan.refusal !== undefined) throw plan.refusal;
  if (aside && sinksOf(old) === 'live') await refuseForeignOutput(home, old, plan);
  return plan;
}

/** The old version, as it was in every respect. @throws why it cannot be restored */
export async function planOld(
  { home, old, archive, aside }: PlanPlace,
  environment: Environment,
): Promise<PlannedRestore> {
  await verifyBundle(realDisk, home, old.bundle);
  const settings = frozenSettings(old.settings);
  const { parallelism, backend } = settings;
  const plan = await planRestore(home, {
    archive,
    name: old.name,
    params: {},
    flags: { parallelism, backend },
    sinks: aside ? 'mute' : sinksOf(old),
    check: BETWEEN,
    allowNonRestored: false,
    afterDrain: false,
    convert: false,
    cwd: old.cwd,
    environment,
  });
  if (plan.refusal !== undefined) throw plan.refusal;
  const { definition, params, cwd } = old;
  return { ...plan, definition, params, cwd: existsSync(cwd) ? cwd : plan.cwd, settings };
}

async function typedFor(home: HomePaths, old: JobRecord, environment: Environment): Promise<SettingsFlags> {
  const bundle = await verifyBundle(realDisk, home, old.bundle);
  const { settings } = await describeBundle(bundle, old.definition, { environment, graph: false });
  return typedSettings(settings, frozenSettings(old.settings));
}

function sinksOf({ settings }: JobRecord): 'live' | 'mute' {
  return frozenSettings(settings).sinks;
}

/** What the old version has written is, or will be, in the savepoint; what others have written there is not. */
async function refuseForeignOutput(home: HomePaths, old: JobRecord, plan: PlannedRestore): Promise<void> {
  const what = {
    bundle: home.bundle(plan.bundle),
    job: { id: old.id, name: old.name },
    params: plan.params,
    cwd: plan.cwd,
  };
  const lineage = [
    ...plan.lineage.filter(({ job }) => job !== old.id),
    { job: old.id, checkpoint: Number.MAX_SAFE_INTEGER },
  ];
  const found = await probeTargets(what, plan.settings, lineage);
  for (const [sink, ahead] of found) if (ahead.length > 0) throw targetAhead(sink, ahead);
}

/** @throws INCOMPATIBLE when the file is another one than was checked */
export function refuseOtherCode(plan: PlannedRestore, checked: string | undefined): void {
  if (checked === undefined || plan.bundle === checked) return;
  throw new TidemarkError('INCOMPATIBLE', `${plan.definition} has changed since it was checked`, {
    hint: 'upgrade again, and leave the file alone meanwhile',
  });
}

/**
 * Starting a job from an archive: first a plan, which starts nothing and changes nothing, then the job.
 *
 * The plan is what `restore --dry-run` prints and what the real run executes; a refusal is part of it. Settings not
 * given come from the snapshot: parallelism, parameters, working directory, of a native archive the backend; the
 * maximum parallelism always does. What the archive's manifest says it cannot is refused, unless it is converted.
 */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { openArchive } from '../archive/read.js';
import { requireSignature, type TrustedKey } from '../archive/sign.js';
import { TidemarkError } from '../base/errors.js';
import type { HomePaths } from '../base/home.js';
import { realDisk } from '../base/real-disk.js';
import type { Catalog } from '../catalog/catalog.js';
import type { JobRecord, LineageEntry } from '../catalog/records.js';
import type { ArchiveManifest } from '../format/archive-manifest.js';
import type { SettingsFlags } from '../graph/resolve-settings.js';
import type { JobSettings, SettingsDeclaration } from '../graph/settings.js';
import { incapabilities } from '../restore/capable.js';
import { droppedKeys, planStates, type StatePlan } from '../restore/plan-states.js';
import { storeBundle, verifyBundle } from './bundle-store.js';
import {
  type CheckDepth,
  type CheckedValues,
  checkValues,
  depthOf,
  isOfSameCode,
  RESTORE_CHECK,
  withRefused,
} from './check-values.js';
import { hasPassed } from './checks-passed.js';
import { describeBundle, describeDefinition } from './describe-definition.js';
import { gitCommitOf } from './git-commit.js';
import { OpenDefinition } from './open-definition.js';
import { refuseOtherWindows } from './other-windows.js';
import { type PlannedSnapshot, snapshotOf } from './planned-snapshot.js';
import { restoreRefusal } from './restore-refusal.js';
import { maxParallelismOf, settingsFor } from './restore-settings.js';
import { planSinks } from './restore-sinks.js';

export interface RestoreOptions {
  /** Absolute path of the archive. */
  readonly archive: string;
  /** Path of the definition; the bundle that the archive names, if this home has it, when absent. */
  readonly definition?: string;
  readonly name?: string;
  /** Over those of the snapshot. */
  readonly params: Readonly<Record<string, string>>;
  readonly flags: Omit<SettingsFlags, 'sinks'>;
  readonly sinks: 'live' | 'mute' | 'rewind' | undefined;
  /** State without a place in the definition is left behind, named. */
  readonly allowNonRestored: boolean;
  /** Restore a snapshot after whose barrier nothing was to come. */
  readonly afterDrain: boolean;
  /** The archive must be signed by one of these; empty: it need not be. */
  readonly signedBy?: readonly TrustedKey[];
  /** Rewrite a native archive as a savepoint first, in the home. */
  readonly convert: boolean;
  /** State that is left behind though it might fit: `uid` or `uid.state`. */
  readonly drop?: readonly string[];
  /** What the definition has no types for is refused. */
  readonly strict?: boolean;
  /** That a target is ahead of the snapshot is told, and no refusal: its job may still run, and be stopped before. */
  readonly aheadIsTold?: boolean;
  /** How closely values are looked at; as a restore does when absent. */
  readonly check?: CheckDepth;
  /** The home that knows what has passed a check, where the plan keeps its code elsewhere. */
  readonly remembers?: HomePaths;
  readonly onProgress?: (entries: number, of: number) => void;
  /** Aborted, the plan rejects with its reason. */
  readonly signal?: AbortSignal;
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface SinkPlan {
  readonly uid: string;
  readonly target: string | null;
  readonly mode: 'live' | 'mute' | 'rewind';
  /** Transactions that the target holds beyond the snapshot. */
  readonly ahead: number;
}

export interface RestorePlan {
  readonly snapshot: {
    /** Or how a checkpoint is called. */
    readonly path: string;
    /** Empty for a checkpoint, which has none. */
    readonly digest: string;
    readonly kind: ArchiveManifest['kind'];
    readonly layout: ArchiveManifest['layout'];
    readonly mode: ArchiveManifest['mode'];
    readonly backend: ArchiveManifest['backend'];
    readonly drained: boolean;
    readonly job: { readonly id: string; readonly name: string };
    readonly checkpointId: number;
    readonly entries: number;
    readonly bytes: number;
  };
  /** It is rewritten as a savepoint first. */
  readonly convert: boolean;
  readonly definition: string;
  readonly bundle: string;
  /** Of the definition's folder; undefined where nobody knows. */
  readonly gitCommit?: string | undefined;
  readonly name: string;
  readonly parallelism: { readonly from: number; readonly to: number };
  readonly maxParallelism: number;
  readonly states: readonly StatePlan[];
  /** What a look at the values found. */
  readonly values: CheckedValues;
  readonly sinks: readonly SinkPlan[];
  readonly params: Readonly<Record<string, string>>;
  readonly settings: JobSettings;
}

/** A plan, why it cannot be executed if so, and what executing it needs. */
export interface PlannedRestore extends RestorePlan {
  readonly refusal: TidemarkError | undefined;
  readonly cwd: string;
  readonly lineage: readonly LineageEntry[];
}

/**
 * Rejects with what is wrong with the archive or the definition itself; that they do not fit each other, or the
 * target, is a refusal in the plan. The bundle of a definition is stored in the home.
 */
export async function planRestore(home: HomePaths, options: RestoreOptions): Promise<PlannedRestore> {
  const archive = await openArchive(realDisk, options.archive);
  try {
    requireSignature(archive, options.signedBy ?? []);
    const check = options.check ?? RESTORE_CHECK;
    if (check.members) await archive.checkMembers(() => options.signal?.throwIfAborted());
    return await planSnapshot(home, options, { label: options.archive, ...snapshotOf(archive) }, check);
  } finally {
    await archive.close();
  }
}

/** The same of any snapshot; the caller closes it. */
export async function planSnapshot(
  home: HomePaths,
  options: RestoreOptions,
  snapshot: PlannedSnapshot,
  check: CheckDepth,
): Promise<PlannedRestore> {
  const code = await loadCode(home, options, snapshot);
  return await planWith(home, options, snapshot, code, check);
}

/** The job's own copy of what it is restored from, where it was converted for it. */
export interface OwnOrigin {
  /** Of {@link Catalog.reserveJob}. */
  readonly id: string;
  readonly path: string;
  readonly digest: string;
}

/**
 * Creates the job that a plan describes; running it is the caller's.
 * @throws the plan's refusal, NAME_TAKEN
 */
export function restoreJob(catalog: Catalog, plan: PlannedRestore, own?: OwnOrigin): JobRecord {
  if (plan.refusal !== undefined) throw plan.refusal;
  const { checkpointId } = plan.snapshot;
  const { path, digest } = own ?? plan.snapshot;
  const dropped = droppedKeys(plan.states);
  const rewind = plan.sinks.some(({ mode }) => mode === 'rewind');
  return catalog.createJob(
    {
      name: plan.name,
      definition: plan.definition,
      bundle: plan.bundle,
      gitCommit: plan.gitCommit,
      params: plan.params,
      cwd: plan.cwd,
      settings: plan.settings,
      parallelism: plan.settings.parallelism,
      maxParallelism: plan.settings.maxParallelism,
    },
    {
      origin: { path, digest, lineage: plan.lineage, dropped, rewind },
      lastCheckpoint: checkpointId,
      ...(own === undefined ? {} : { id: own.id }),
    },
  );
}

/** The code to run, as it is known before any parameter is. */
interface Code {
  readonly definition: string;
  readonly bundle: string;
  readonly gitCommit: string | undefined;
  readonly settings: SettingsDeclaration;
  /** Parameters that it declares. */
  readonly declared: readonly string[];
}

async function loadCode(
  home: HomePaths,
  options: RestoreOptions,
  { label, provenance }: PlannedSnapshot,
): Promise<Code> {
  const { environment } = options;
  if (options.definition !== undefined) {
    const file = resolve(options.cwd, options.definition);
    const described = await describeDefinition(file, { environment, graph: false });
    await storeBundle(realDisk, home, described.bundle.code, described.bundle.hash);
    const commit = await gitCommitOf(dirname(file));
    return codeOf({ definition: file, bundle: described.bundle.hash, commit }, described);
  }
  const { bundleHash, definitionFile } = provenance;
  if (bundleHash === null || !existsSync(home.bundle(bundleHash))) {
    throw new TidemarkError('BUNDLE_NOT_FOUND', `this home does not have the code of ${label}`, {
      hint: `give it: tidemark restore ${label} --definition ${definitionFile ?? 'FILE'}`,
    });
  }
  await verifyBundle(realDisk, home, bundleHash);
  const name = definitionFile ?? 'the bundle';
  return codeOf(
    { definition: name, bundle: bundleHash, commit: provenance.gitCommit },
    await describeBundle(home.bundle(bundleHash), name, { environment, graph: false }),
  );
}

function codeOf(
  code: { readonly definition: string; readonly bundle: string; readonly commit: string | null },
  described: {
    readonly settings: SettingsDeclaration;
    readonly params: readonly { readonly name: string }[];
  },
): Code {
  const { definition, bundle, commit } = code;
  return {
    definition,
    bundle,
    gitCommit: commit ?? undefined,
    settings: described.settings,
    declared: described.params.map(({ name }) => name),
  };
}

async function planWith(
  home: HomePaths,
  options: RestoreOptions,
  snapshot: PlannedSnapshot,
  code: Code,
  check: CheckDepth,
): Promise<PlannedRestore> {
  const { manifest, provenance } = snapshot;
  const recorded = Object.entries(provenance.params).filter(([name]) => code.declared.includes(name));
  const params = { ...Object.fromEntries(recorded), ...options.params };
  const cwd = existsSync(provenance.cwd) ? provenance.cwd : options.cwd;
  const maxParallelism = maxParallelismOf(manifest, provenance.parallelism);
  const settings = settingsFor(options, code.settings, manifest, provenance.parallelism, maxParallelism);
  const what = { bundle: home.bundle(code.bundle), job: provenance.job, params, cwd };
  const { lineage } = provenance;
  const targets = options.sinks !== 'mute';
  const definition = await OpenDefinition.open(what, settings, lineage, { targets });
  const { signal } = options;
  const give = () => void definition.close();
  signal?.addEventListener('abort', give, { once: true });
  try {
    signal?.throwIfAborted();
    const { facts } = definition;
    // What a native archive holds of transactions is committed: nothing becomes of it.
    const tables = manifest.tables.filter(({ kind }) => kind !== 'transactions');
    const allowed = { allowMissing: options.allowNonRestored, drop: options.drop ?? [] };
    const fitting = planStates({ ...manifest, tables }, facts, allowed);
    const matched = await refuseOtherWindows(snapshot, facts, fitting);
    const same = isOfSameCode(provenance, code.bundle, params);
    const passed = hasPassed(options.remembers ?? home, {
      digest: manifest.digest,
      bundle: code.bundle,
      params,
      drop: options.drop ?? [],
    });
    const depth = depthOf(check, { same, passed });
    const values = await checkValues(definition, snapshot, matched, depth, options);
    const states = withRefused(matched, values, facts);
    const sinks = await planSinks(options, facts, () => definition.ahead());
    const plan = {
      snapshot: headOf(snapshot),
      convert: options.convert && manifest.layout === 'native',
      definition: code.definition,
      bundle: code.bundle,
      gitCommit: code.gitCommit,
      name: options.name ?? provenance.job.name,
      parallelism: { from: provenance.parallelism, to: settings.parallelism },
      maxParallelism,
      states,
      values,
      sinks: sinks.plans,
      params,
      settings,
      cwd,
      lineage,
    };
    const cannot = incapabilities(
      snapshot.label,
      { ...manifest, parallelism: provenance.parallelism },
      { parallelism: settings.parallelism, backend: settings.backend, graph: facts },
    );
    const ahead = options.aheadIsTold === true ? undefined : sinks.refusal;
    return { ...plan, refusal: restoreRefusal(options, plan, cannot) ?? ahead };
  } catch (error) {
    // That its thread was ended is no answer.
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', give);
    await definition.close();
  }
}

function headOf({ label, manifest, provenance }: PlannedSnapshot): RestorePlan['snapshot'] {
  const { digest, kind, layout, mode, backend, drained, entries, bytes } = manifest;
  const { job, checkpointId } = provenance;
  return { path: label, digest, kind, layout, mode, backend, drained, job, checkpointId, entries, bytes };
}

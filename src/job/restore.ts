/**
 * Starting a job from an archive: first a plan, which starts nothing and changes nothing, then the job.
 *
 * The plan is what `restore --dry-run` prints and what the real run executes; a refusal is part of it. Settings not
 * given come from the snapshot: parallelism, parameters, working directory, of a native archive the backend; the
 * maximum parallelism always does. What the archive's manifest says it cannot is refused, unless it is converted.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Archive, openArchive } from '../archive/read.js';
import { TidemarkError } from '../base/errors.js';
import type { HomePaths } from '../base/home.js';
import { defaultMaxParallelism } from '../base/key-groups.js';
import { realDisk } from '../base/real-disk.js';
import type { Catalog } from '../catalog/catalog.js';
import type { JobRecord, LineageEntry } from '../catalog/records.js';
import type { ArchiveManifest } from '../format/archive-manifest.js';
import type { Provenance } from '../format/provenance.js';
import { resolveSettings, type SettingsFlags } from '../graph/resolve-settings.js';
import type { JobSettings, SettingsDeclaration } from '../graph/settings.js';
import { incapabilities } from '../restore/capable.js';
import { planStates, type StatePlan } from '../restore/plan-states.js';
import { targetAhead } from '../runtime/sink.js';
import { storeBundle, verifyBundle } from './bundle-store.js';
import { describeBundle, describeDefinition } from './describe-definition.js';
import { graphOfBundle, probeTargets } from './graph-of-bundle.js';
import { refuseOtherWindows } from './other-windows.js';
import type { GraphFacts } from './protocol.js';
import { restoreRefusal } from './restore-refusal.js';

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
  /** Rewrite a native archive as a savepoint first, in the home. */
  readonly convert: boolean;
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
    readonly path: string;
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
  readonly name: string;
  readonly parallelism: { readonly from: number; readonly to: number };
  readonly maxParallelism: number;
  readonly states: readonly StatePlan[];
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
    const { provenance } = archive;
    await archive.checkMembers();
    const code = await loadCode(home, options, provenance);
    return await planWith(home, options, archive, provenance, code);
  } finally {
    await archive.close();
  }
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
  const dropped = plan.states.filter(({ action }) => action === 'dropped').map(({ name }) => name);
  const rewind = plan.sinks.some(({ mode }) => mode === 'rewind');
  return catalog.createJob(
    {
      name: plan.name,
      definition: plan.definition,
      bundle: plan.bundle,
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
  readonly settings: SettingsDeclaration;
  /** Parameters that it declares. */
  readonly declared: readonly string[];
}

async function loadCode(home: HomePaths, options: RestoreOptions, provenance: Provenance): Promise<Code> {
  const { environment } = options;
  if (options.definition !== undefined) {
    const file = resolve(options.cwd, options.definition);
    const described = await describeDefinition(file, { environment, graph: false });
    await storeBundle(realDisk, home, described.bundle.code, described.bundle.hash);
    return codeOf(file, described.bundle.hash, described);
  }
  const { bundleHash, definitionFile } = provenance;
  if (bundleHash === null || !existsSync(home.bundle(bundleHash))) {
    throw new TidemarkError('BUNDLE_NOT_FOUND', `this home does not have the code of ${options.archive}`, {
      hint: `give it: tidemark restore ${options.archive} --definition ${definitionFile ?? 'FILE'}`,
    });
  }
  await verifyBundle(realDisk, home, bundleHash);
  const name = definitionFile ?? 'the bundle';
  return codeOf(
    name,
    bundleHash,
    await describeBundle(home.bundle(bundleHash), name, { environment, graph: false }),
  );
}

function codeOf(
  definition: string,
  bundle: string,
  described: {
    readonly settings: SettingsDeclaration;
    readonly params: readonly { readonly name: string }[];
  },
): Code {
  return {
    definition,
    bundle,
    settings: described.settings,
    declared: described.params.map(({ name }) => name),
  };
}

async function planWith(
  home: HomePaths,
  options: RestoreOptions,
  archive: Archive,
  provenance: Provenance,
  code: Code,
): Promise<PlannedRestore> {
  const { manifest } = archive;
  const recorded = Object.entries(provenance.params).filter(([name]) => code.declared.includes(name));
  const params = { ...Object.fromEntries(recorded), ...options.params };
  const cwd = existsSync(provenance.cwd) ? provenance.cwd : options.cwd;
  const maxParallelism = maxParallelismOf(manifest, provenance.parallelism);
  const settings = settingsFor(options, code, manifest, provenance.parallelism, maxParallelism);
  const what = { bundle: home.bundle(code.bundle), job: provenance.job, params, cwd };
  const facts = await graphOfBundle(what, settings);
  // What a native archive holds of transactions is committed: nothing becomes of it.
  const tables = manifest.tables.filter(({ kind }) => kind !== 'transactions');
  const kept = planStates({ ...manifest, tables }, facts, options.allowNonRestored);
  const states = await refuseOtherWindows(archive, facts, kept);
  const { lineage } = provenance;
  const sinks = await planSinks(options, facts, () => probeTargets(what, settings, lineage));
  const plan = {
    snapshot: snapshotOf(options.archive, manifest, provenance),
    convert: options.convert && manifest.layout === 'native',
    definition: code.definition,
    bundle: code.bundle,
    name: options.name ?? provenance.job.name,
    parallelism: { from: provenance.parallelism, to: settings.parallelism },
    maxParallelism,
    states,
    sinks: sinks.plans,
    params,
    settings,
    cwd,
    lineage,
  };
  const cannot = incapabilities(
    options.archive,
    { ...manifest, parallelism: provenance.parallelism },
    { parallelism: settings.parallelism, backend: settings.backend, graph: facts },
  );
  return { ...plan, refusal: restoreRefusal(options, plan, cannot) ?? sinks.refusal };
}

function snapshotOf(
  path: string,
  manifest: ArchiveManifest,
  provenance: Provenance,
): RestorePlan['snapshot'] {
  const { digest, kind, layout, mode, backend, drained, entries, bytes } = manifest;
  const { job, checkpointId } = provenance;
  return { path, digest, kind, layout, mode, backend, drained, job, checkpointId, entries, bytes };
}

/** Fixed at the first start of the first ancestor: state is cut into that many key groups. */
function maxParallelismOf(manifest: ArchiveManifest, parallelism: number): number {
  return manifest.operators[0]?.maxParallelism ?? defaultMaxParallelism(parallelism);
}

function settingsFor(
  options: RestoreOptions,
  code: Code,
  manifest: ArchiveManifest,
  parallelism: number,
  maxParallelism: number,
): JobSettings {
  const { flags, sinks } = options;
  const asked = flags.maxParallelism;
  if (asked !== undefined && Number(asked) !== maxParallelism) {
    const message = `the snapshot's state is cut into ${maxParallelism} key groups; --max-parallelism ${asked} cannot change that`;
    throw new TidemarkError('INCOMPATIBLE', message, { hint: 'leave --max-parallelism out' });
  }
  const wanted = flags.parallelism ?? parallelism;
  if (Number(wanted) > maxParallelism) {
    const message = `parallelism ${wanted} is over the snapshot's maximum parallelism of ${maxParallelism}`;
    throw new TidemarkError('INCOMPATIBLE', message, {
      hint: `give --parallelism ${maxParallelism} or less`,
    });
  }
  const resolved = {
    ...flags,
    ...nativeSettings(flags, manifest),
    parallelism: wanted,
    maxParallelism,
    sinks: sinks === 'mute' ? 'mute' : 'live',
  };
  return resolveSettings(code.settings, resolved);
}

/**
 * A native archive goes on as its job did: on its backend, and with incremental checkpoints if this was one. A full one
 * says nothing of the mode: it may have been asked for by `checkpoint --full`.
 */
function nativeSettings(
  { backend, checkpointMode }: SettingsFlags,
  manifest: ArchiveManifest,
): Pick<SettingsFlags, 'backend' | 'checkpointMode'> {
  if (manifest.backend === null) return {};
  const stays = backend === undefined || backend === manifest.backend;
  const incremental = stays && manifest.mode === 'incremental';
  return {
    backend: backend ?? manifest.backend,
    ...(checkpointMode === undefined && incremental ? { checkpointMode: manifest.mode } : {}),
  };
}

/** Every sink with what its target holds beyond the snapshot, and a refusal when that would be written twice. */
async function planSinks(
  options: RestoreOptions,
  facts: GraphFacts,
  probe: () => ReturnType<typeof probeTargets>,
): Promise<{ readonly plans: readonly SinkPlan[]; readonly refusal: TidemarkError | undefined }> {
  const mode = options.sinks ?? 'live';
  const found = mode === 'mute' ? new Map() : await probe();
  const plans = facts.operators
    .filter(({ kind }) => kind === 'sink')
    .map(({ uid }) => {
      const target = facts.targets.find(({ sink }) => sink === uid)?.target ?? null;
      return { uid, target, mode, ahead: found.get(uid)?.length ?? 0 };
    });
  const first = mode === 'live' ? plans.find(({ ahead }) => ahead > 0) : undefined;
  const refusal = first === undefined ? undefined : targetAhead(first.uid, found.get(first.uid) ?? []);
  return { plans, refusal };
}

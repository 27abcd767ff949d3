/** The settings a restored job runs with: what is asked for, over what the snapshot says, over the definition's. Pure. */
import { TidemarkError } from '../base/errors.js';
import { defaultMaxParallelism } from '../base/key-groups.js';
import type { ManifestOperator } from '../format/manifest.js';
import { resolveSettings, type SettingsFlags } from '../graph/resolve-settings.js';
import type { JobSettings, SettingsDeclaration } from '../graph/settings.js';
import type { SnapshotManifest } from './planned-snapshot.js';
import type { RestoreOptions } from './restore.js';

/**
 * Fixed at the first start of the first ancestor: state is cut into that many key groups.
 * @throws INCOMPATIBLE where operators are cut in several ways, which no job of ours is
 */
export function maxParallelismOf(
  { operators }: { readonly operators: readonly Pick<ManifestOperator, 'uid' | 'maxParallelism'>[] },
  parallelism: number,
): number {
  const [first] = operators;
  if (first === undefined) return defaultMaxParallelism(parallelism);
  const { uid, maxParallelism } = first;
  const other = operators.find((one) => one.maxParallelism !== maxParallelism);
  if (other === undefined) return maxParallelism;
  const message = `the state of ${uid} is cut into ${maxParallelism} key groups, that of ${other.uid} into ${other.maxParallelism}; a job has one maximum parallelism`;
  throw new TidemarkError('INCOMPATIBLE', message, {
    hint: `cut all of it alike: tidemark rewrite FILE -o NEW --max-parallelism ${maxParallelism}`,
  });
}

/** @throws INCOMPATIBLE for a parallelism that the snapshot's key groups do not allow */
export function settingsFor(
  options: Pick<RestoreOptions, 'flags' | 'sinks'>,
  declared: SettingsDeclaration,
  manifest: SnapshotManifest,
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
      hint: `give --parallelism ${maxParallelism} or less; more key groups: tidemark rewrite FILE -o NEW --max-parallelism ${wanted}`,
    });
  }
  const resolved = {
    ...flags,
    ...nativeSettings(flags, manifest),
    parallelism: wanted,
    maxParallelism,
    sinks: sinks === 'mute' ? 'mute' : 'live',
  };
  return resolveSettings(declared, resolved);
}

/**
 * A native archive goes on as its job did: on its backend, and with incremental checkpoints if this was one. A full one
 * says nothing of the mode: it may have been asked for by `checkpoint --full`.
 */
function nativeSettings(
  { backend, checkpointMode }: SettingsFlags,
  manifest: SnapshotManifest,
): Pick<SettingsFlags, 'backend' | 'checkpointMode'> {
  if (manifest.backend === null) return {};
  const stays = backend === undefined || backend === manifest.backend;
  const incremental = stays && manifest.mode === 'incremental';
  return {
    backend: backend ?? manifest.backend,
    ...(checkpointMode === undefined && incremental ? { checkpointMode: manifest.mode } : {}),
  };
}

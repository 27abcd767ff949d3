/** What of a job's frozen settings somebody had typed: all that its definition and the defaults do not explain. Pure. */
import { resolveSettings, type SettingsFlags } from '../graph/resolve-settings.js';
import type { JobSettings, RestartSettings, SettingsDeclaration } from '../graph/settings.js';

/** Parallelism and sinks apart, which a snapshot and its reader decide. */
export function typedSettings(declared: SettingsDeclaration, frozen: JobSettings): SettingsFlags {
  const { parallelism, maxParallelism, backend } = frozen;
  // What the backend is by default decides the mode of checkpoints.
  const plain = resolveSettings(declared, { parallelism, maxParallelism, backend });
  const declaredBackend = declared.backend ?? 'memory';
  const { checkpoint: ours } = frozen;
  const { checkpoint: theirs } = plain;
  return {
    ...(backend === declaredBackend ? {} : { backend }),
    ...(frozen.cache === plain.cache ? {} : { cache: frozen.cache }),
    ...(ours.interval === theirs.interval ? {} : { checkpointInterval: ours.interval }),
    ...(ours.mode === theirs.mode ? {} : { checkpointMode: ours.mode }),
    ...(ours.retain === theirs.retain ? {} : { retain: ours.retain }),
    ...(ours.onCancel === theirs.onCancel ? {} : { onCancel: ours.onCancel }),
    ...(ours.onFailure === theirs.onFailure ? {} : { onFailure: ours.onFailure }),
    ...(sameRestart(frozen.restart, plain.restart) ? {} : { restart: restartText(frozen.restart) }),
    ...(frozen.stepTimeout === plain.stepTimeout ? {} : { stepTimeout: frozen.stepTimeout }),
    ...(frozen.heap === undefined ? {} : { heap: `${frozen.heap}m` }),
  };
}

/** As parseRestart reads it. */
function restartText(restart: RestartSettings): string {
  switch (restart.strategy) {
    case 'none':
      return 'none';
    case 'fixed-delay':
      return `fixed-delay:${restart.delay}ms:${restart.attempts}`;
    case 'exponential-delay':
      return `exponential-delay:${restart.initial}ms:${restart.maximum}ms:${restart.attempts}`;
    case 'failure-rate':
      return `failure-rate:${restart.failures}:${restart.window}ms:${restart.delay}ms`;
  }
}

function sameRestart(a: RestartSettings, b: RestartSettings): boolean {
  return restartText(a) === restartText(b);
}

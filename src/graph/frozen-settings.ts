import { DEFAULT_CACHE, DEFAULT_CHECKPOINT, type JobSettings } from './settings.js';

/**
 * The settings that a job was frozen with, as its home keeps them. A setting that came to tidemark after the job was
 * made has its default: those of an older job go on as they are.
 */
export function frozenSettings(kept: unknown): JobSettings {
  const settings = kept as JobSettings;
  return {
    ...settings,
    backend: settings.backend ?? 'memory',
    cache: settings.cache ?? DEFAULT_CACHE,
    checkpoint: { ...DEFAULT_CHECKPOINT, ...settings.checkpoint },
  };
}

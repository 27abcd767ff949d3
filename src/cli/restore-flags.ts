/** What `restore`, and `check` for it, take from the command line but for the snapshot and the definition. */
import type { RestoreOptions } from '../job/restore.js';
import type { Context, Given } from './context.js';
import { trustedKeys } from './keys.js';
import { paramFlags, settingsFlags } from './start-options.js';

export function restoreFlags(
  given: Given,
  { cwd, environment }: Context,
): Omit<RestoreOptions, 'archive' | 'definition' | 'check' | 'onProgress' | 'signal'> {
  const { sinks, ...flags } = settingsFlags(given);
  const name = given.text('name');
  return {
    ...(name === undefined ? {} : { name }),
    params: paramFlags(given),
    flags,
    sinks: sinks === 'mute' || sinks === 'rewind' || sinks === 'live' ? sinks : undefined,
    allowNonRestored: given.flag('allow-non-restored-state'),
    drop: given.list('drop'),
    strict: given.flag('strict'),
    afterDrain: given.flag('after-drain'),
    signedBy: trustedKeys(given, { cwd }),
    convert: given.flag('convert'),
    cwd,
    environment,
  };
}

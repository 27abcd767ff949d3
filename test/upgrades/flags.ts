import type { UpgradeOptions } from '../../fixtures/upgrades/upgrade-case.js';

/** The options of a case as they are typed, each with its value. */
export function flagsOf(options: UpgradeOptions): readonly string[] {
  const { allowNonRestored, drop = [], strict, all, parallelism, maxParallelism, backend, convert } = options;
  const flags = [
    allowNonRestored === true ? '--allow-non-restored-state' : '',
    ...drop.map((name) => `--drop ${name}`),
    strict === true ? '--strict' : '',
    all === true ? '--all' : '',
    parallelism === undefined ? '' : `-p ${parallelism}`,
    maxParallelism === undefined ? '' : `--max-parallelism ${maxParallelism}`,
    backend === undefined ? '' : `--backend ${backend}`,
    convert === true ? '--convert' : '',
    options.afterDrain === true ? '--after-drain' : '',
    options.sinks === undefined ? '' : `--sinks ${options.sinks}`,
    ...Object.entries(options.params ?? {}).map(([name, value]) => `--param ${name}=${value}`),
  ];
  return flags.filter((flag) => flag !== '');
}

/** How long the command line takes to start, against an empty program. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Figure, median, type Row, type RowOptions, spread } from './figure.js';
import { PROJECT } from './measured-job.js';

const PAIRS = 31;
const QUICK_PAIRS = 11;
const MOST = 2;

export const cliStart: Row = {
  name: 'cli-start',
  about: '`tidemark --version` and `--help`, against an empty Node program',
  async measure(options) {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
    try {
      const empty = join(folder, 'empty.cjs');
      writeFileSync(empty, '');
      return [start('--version', empty, options), start('--help', empty, options)];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

function start(flag: string, empty: string, { quick, progress }: RowOptions): Figure {
  progress(flag);
  const command = [join(PROJECT, 'bin/tidemark'), flag];
  run(command);
  const pairs = Array.from(
    { length: quick ? QUICK_PAIRS : PAIRS },
    () => [run(command), run([empty])] as const,
  );
  const ratios = pairs.map(([ours, bare]) => ours / bare);
  return {
    name: `start of tidemark ${flag}`,
    unit: 'ms',
    ours: { what: `tidemark ${flag}`, value: median(pairs.map(([ours]) => ours)) },
    other: { what: 'node with an empty file', value: median(pairs.map(([, bare]) => bare)) },
    compared: 'ours / other',
    value: median(ratios),
    target: { kind: 'at most', value: MOST },
    notes: [`median of ${pairs.length} alternating pairs, ${spread(ratios)}`],
  };
}

function run(args: readonly string[]): number {
  // Certificates from a file, options of the caller: costs of Node's that are none of ours.
  const { NODE_EXTRA_CA_CERTS: _certificates, NODE_OPTIONS: _options, ...env } = process.env;
  const from = performance.now();
  const { status, error } = spawnSync(process.execPath, [...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (status !== 0) throw error ?? new Error(`${args.join(' ')} ended with ${status}`);
  return performance.now() - from;
}

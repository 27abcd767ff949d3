/**
 * The benchmark: every figure of the design that this version can show, both sides in one run.
 *
 *     npm run bench                          all rows but the big ones, as a table
 *     npm run bench -- nexmark               one row, or several: the same as --only nexmark
 *     npm run bench -- --quick               fewer pairs, for a first look
 *     npm run bench -- --big                 the big rows, too
 *     npm run bench -- --json                one JSON document on stdout; the table goes to stderr
 *     npm run bench -- --save                also writes test/bench/last.json
 *
 * Each row is measured in a process of its own, so that none inherits another's heap. The exit code says whether
 * the benchmark ran, not whether the figures hold: machines differ.
 */
import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bigInput } from './big-input.js';
import { changesCount } from './changes-count.js';
import { checkpointCost } from './checkpoint-cost.js';
import { checkpointMemory } from './checkpoint-memory.js';
import { cliStart } from './cli-start.js';
import { diskCount } from './disk-count.js';
import { eventTime } from './event-time.js';
import type { Figure, Row } from './figure.js';
import { incremental, incrementalParts } from './incremental.js';
import { inspect } from './inspect.js';
import { keyedCount } from './keyed-count.js';
import { diskStop, longestStop } from './longest-stop.js';
import { PROJECT } from './measured-job.js';
import { nexmark } from './nexmark.js';
import { recovery } from './recovery.js';
import { recoveryInPlace } from './recovery-in-place.js';
import { restore } from './restore.js';
import { savepoint } from './savepoint.js';
import { savepointMemory } from './savepoint-memory.js';
import { progressLine, renderRow } from './table.js';

const ROWS: readonly Row[] = [
  keyedCount,
  eventTime,
  nexmark,
  changesCount,
  checkpointCost,
  incremental,
  longestStop,
  cliStart,
  checkpointMemory,
  recovery,
  recoveryInPlace,
  savepoint,
  restore,
  inspect,
  savepointMemory,
  bigInput,
  incrementalParts,
  diskCount,
  diskStop,
];

const USAGE = 2;

interface Measured {
  readonly row: string;
  readonly figures: readonly Figure[];
}

type FromChild = { readonly figures: readonly Figure[] } | { readonly progress: string };

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string', multiple: true },
      quick: { type: 'boolean', default: false },
      big: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      row: { type: 'string' },
    },
  });
  if (values.row !== undefined) return measureHere(values.row, values.quick);
  if (values.help) return printHelp();
  const rows = chosen([...positionals, ...(values.only ?? [])], values.big);
  if (rows === undefined) {
    process.exitCode = USAGE;
    return;
  }
  const out = values.json ? process.stderr : process.stdout;
  const measured: Measured[] = [];
  for (const row of rows) {
    const figures = await measureInChild(row.name, values.quick);
    measured.push({ row: row.name, figures });
    out.write(renderRow(row.name, figures));
  }
  const document = { ...machine(), quick: values.quick, rows: measured };
  if (values.json) process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  if (values.save)
    writeFileSync(join(PROJECT, 'test/bench/last.json'), `${JSON.stringify(document, null, 2)}\n`);
}

function chosen(only: readonly string[], big: boolean): readonly Row[] | undefined {
  const unknown = only.filter((name) => !ROWS.some((row) => row.name === name));
  if (unknown.length > 0) {
    process.stderr.write(
      `error: no row ${unknown.join(', ')}; there are ${ROWS.map((row) => row.name).join(', ')}\n`,
    );
    return undefined;
  }
  if (only.length > 0) return ROWS.filter((row) => only.includes(row.name));
  return ROWS.filter((row) => big || row.big !== true);
}

function printHelp(): void {
  process.stdout.write(
    'npm run bench -- [ROW]... [--only ROW]... [--quick] [--big] [--json] [--save]\n\nRows:\n',
  );
  for (const { name, about, big } of ROWS) {
    process.stdout.write(`  ${name.padEnd(18)} ${about}${big === true ? ' (with --big)' : ''}\n`);
  }
}

/** In the process of one row: measures, and tells the parent. */
async function measureHere(name: string, quick: boolean): Promise<void> {
  const row = ROWS.find((candidate) => candidate.name === name);
  if (row === undefined || process.send === undefined) throw new Error(`no row ${name}, or nobody to tell`);
  const tell = (message: FromChild) => process.send?.(message);
  const figures = await row.measure({ quick, progress: (progress) => tell({ progress }) });
  tell({ figures });
  process.disconnect();
}

function measureInChild(name: string, quick: boolean): Promise<readonly Figure[]> {
  const args = ['--row', name, ...(quick ? ['--quick'] : [])];
  const child = fork(fileURLToPath(import.meta.url), args);
  const line = progressLine(name);
  return new Promise((resolve, reject) => {
    let figures: readonly Figure[] | undefined;
    child.on('message', (message: FromChild) => {
      if ('figures' in message) figures = message.figures;
      else line.show(message.progress);
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      line.clear();
      if (figures !== undefined && code === 0) resolve(figures);
      else reject(new Error(`row ${name} ended with ${signal ?? code}`));
    });
  });
}

function machine(): {
  readonly date: string;
  readonly node: string;
  readonly cpu: string;
  readonly cores: number;
} {
  const cores = cpus();
  return {
    date: new Date().toISOString(),
    node: process.version,
    cpu: cores[0]?.model ?? 'unknown',
    cores: cores.length,
  };
}

await main();

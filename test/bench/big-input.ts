/** Whether memory follows the input: flight-delays over 2 GB, against the same over 200 MB. */
import { fork } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MIB, type Row } from './figure.js';
import { MeasuredJob, PROJECT } from './measured-job.js';
import { peakResident } from './resident.js';

const SMALL = 200 * 1000 * 1000;
const BIG = 2 * 1000 * 1000 * 1000;
const MOST_MIB = 64;
/** Bytes written at once when the input is made. */
const PIECE = 16 * 1024 * 1024;

interface Run {
  readonly peak: number;
  readonly seconds: number;
  readonly elements: number;
}

export const bigInput: Row = {
  name: 'big-input',
  about: 'peak memory of flight-delays over 2 GB, against 200 MB',
  big: true,
  async measure({ progress }) {
    progress('200 MB');
    const small = await run(SMALL);
    progress('2 GB');
    const big = await run(BIG);
    const rate = ({ elements, seconds }: Run) =>
      `${Math.round(elements / seconds).toLocaleString('en')} a second`;
    return [
      {
        name: 'peak memory of flight-delays by size of its input',
        unit: 'MiB',
        ours: { what: `2 GB, ${big.elements.toLocaleString('en')} flights`, value: big.peak / MIB },
        other: { what: `200 MB, ${small.elements.toLocaleString('en')} flights`, value: small.peak / MIB },
        compared: 'ours - other',
        value: (big.peak - small.peak) / MIB,
        target: { kind: 'at most', value: MOST_MIB },
        notes: [`one run each, with checkpoints every 10 s; ${rate(big)} and ${rate(small)}`],
      },
    ];
  },
};

/** In a process of its own: a peak is one of a whole life. */
function run(bytes: number): Promise<Run> {
  const child = fork(fileURLToPath(import.meta.url), ['--bytes', String(bytes)]);
  return new Promise((resolve, reject) => {
    child.on('message', (message: Run) => resolve(message));
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`the run over ${bytes} bytes ended with ${code}`)));
  });
}

async function runHere(bytes: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
  const input = join(folder, 'flights.jsonl');
  const output = join(folder, 'out');
  const job = new MeasuredJob({
    definition: 'fixtures/jobs/flight-delays.ts',
    params: { input, output },
    flags: { checkpointInterval: '10s' },
  });
  try {
    makeInput(input, bytes);
    const from = performance.now();
    await job.start();
    await job.finished();
    const seconds = (performance.now() - from) / 1000;
    const peak = peakResident() ?? Number.NaN;
    await new Promise((resolve) => process.send?.({ peak, seconds, elements: job.elements }, resolve));
  } finally {
    job.remove();
    rmSync(folder, { recursive: true, force: true });
  }
  process.disconnect();
}

/** The flights of the fixture over and over, up to about this size. */
function makeInput(path: string, bytes: number): void {
  const once = readFileSync(join(PROJECT, 'fixtures/inputs/flights-20k.jsonl'));
  const piece = Buffer.concat(Array.from({ length: Math.ceil(PIECE / once.length) }, () => once));
  writeFileSync(path, '');
  for (let written = 0; written < bytes; written += piece.length) appendFileSync(path, piece);
}

if (process.argv[2] === '--bytes') await runHere(Number(process.argv[3]));

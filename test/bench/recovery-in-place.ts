/** What a job with 1,000,000 keys reads before its first element, when its state is read where it lies. */
import { statSync } from 'node:fs';
import { type Figure, MIB, median, type Row, type RowOptions, spread } from './figure.js';
import { JobInTurns } from './job-in-turns.js';

const KEYS = 1_000_000;
const FEW_KEYS = 100;
/** Of the keys, changed between two recoveries. */
const CHANGED = 0.01;
const ROUNDS = 5;
const QUICK_ROUNDS = 2;
const MOST = 0.05;

export const recoveryInPlace: Row = {
  name: 'recovery-in-place',
  about: 'bytes the disk backend reads before the first element, against its state',
  async measure(options) {
    return [await measure('number', options), await measure('object', options)];
  },
};

interface Recovered {
  readonly read: number;
  readonly segments: number;
  readonly bytes: number;
  readonly ms: number;
}

async function measure(value: 'number' | 'object', { quick, progress }: RowOptions): Promise<Figure> {
  const rounds = quick ? QUICK_ROUNDS : ROUNDS;
  progress(`${value} state, few keys`);
  const few = await recoveries(FEW_KEYS, value, rounds);
  progress(`${value} state, all keys`);
  const all = await recoveries(KEYS, value, rounds);
  // What a job reads that has next to no state: code, catalog, its own definition.
  const base = median(few.map(({ read }) => read));
  const reads = all.map(({ read }) => read - base);
  const ratios = all.map(({ read, bytes }) => (read - base) / bytes);
  return {
    name: `bytes read before the first element, ${KEYS.toLocaleString('en')} keys of ${value} state on disk`,
    unit: 'MiB',
    ours: { what: `beyond a job of ${FEW_KEYS} keys`, value: median(reads) / MIB },
    other: { what: 'its segments', value: median(all.map(({ bytes }) => bytes)) / MIB },
    compared: 'ours / other',
    value: median(ratios),
    target: { kind: 'at most', value: MOST },
    notes: [
      `median of ${rounds} recoveries, ${spread(ratios, 4)}; a job of ${FEW_KEYS} keys reads ${(base / MIB).toFixed(2)} MiB, code included`,
      `running after ${median(all.map(({ ms }) => ms)).toFixed(0)} ms, with ${FEW_KEYS} keys after ${median(few.map(({ ms }) => ms)).toFixed(0)} ms`,
      `${spread(
        all.map(({ segments }) => segments),
        0,
      )} segments`,
    ],
  };
}

async function recoveries(
  keys: number,
  value: 'number' | 'object',
  rounds: number,
): Promise<readonly Recovered[]> {
  const inTurns = await JobInTurns.start({ keys, value, flags: { backend: 'disk' } });
  const { job } = inTurns;
  try {
    await job.suspend();
    // Code is loaded and compiled for the first time.
    await inTurns.resume();
    const found: Recovered[] = [];
    while (found.length < rounds) {
      await inTurns.turn({ kind: 'each', count: Math.ceil(keys * CHANGED) });
      await job.suspend();
      const names = job.lastCheckpoint()?.segments ?? [];
      const bytes = names.reduce((sum, name) => sum + statSync(job.home.segment(name)).size, 0);
      const ms = await inTurns.resume();
      found.push({ read: job.bytesToStart, segments: names.length, bytes, ms });
    }
    return found;
  } finally {
    await inTurns.remove();
  }
}

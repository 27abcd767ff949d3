/** How much memory a checkpoint takes above the state itself. */
import { systemClock } from '../../src/base/clock.js';
import { type Figure, MIB, median, type Row, type RowOptions, spread } from './figure.js';
import { MeasuredJob, sharedNow } from './measured-job.js';
import { peakResident, resetPeak } from './resident.js';

const KEYS = 1_000_000;
/** Milliseconds between two batches: load enough to be in the way of a checkpoint, and a heap that keeps its size. */
const REST_MS = 2;
const PAIRS = 7;
const QUICK_PAIRS = 3;
const WARM_UP_MS = 3000;
const PAUSE_MS = 500;
/** The largest value of these states is some bytes. */
const MOST_MIB = 64;

export const checkpointMemory: Row = {
  name: 'checkpoint-memory',
  about: 'peak memory while 1,000,000 keys are checkpointed, against a window without',
  async measure(options) {
    return [await memory('number', options), await memory('object', options)];
  },
};

interface Pair {
  readonly with: number;
  readonly without: number;
}

async function memory(value: 'number' | 'object', { quick, progress }: RowOptions): Promise<Figure> {
  const params = { keys: String(KEYS), value, rest: String(REST_MS) };
  const job = new MeasuredJob({ definition: 'count-stream.ts', params });
  try {
    progress(`${value} state, filling`);
    await job.start();
    await job.reach(KEYS);
    await systemClock.sleep(WARM_UP_MS);
    const pairs: Pair[] = [];
    const count = quick ? QUICK_PAIRS : PAIRS;
    while (pairs.length < count) {
      progress(`${value} state, pair ${pairs.length + 1} of ${count}`);
      pairs.push(await measurePair(job));
    }
    const bytes = job.lastCheckpoint()?.bytes?.total ?? Number.NaN;
    await job.suspend();
    return figure(value, pairs, bytes);
  } finally {
    job.remove();
  }
}

async function measurePair(job: MeasuredJob): Promise<Pair> {
  let lasted = 0;
  const taken = await peak(async () => {
    const { from, to } = await job.checkpoint();
    lasted = to - from;
  });
  await systemClock.sleep(PAUSE_MS);
  const from = sharedNow();
  const without = await peak(() => systemClock.sleep(from + lasted - sharedNow()));
  await systemClock.sleep(PAUSE_MS);
  return { with: taken, without };
}

async function peak(act: () => Promise<unknown>): Promise<number> {
  resetPeak();
  await act();
  return peakResident() ?? Number.NaN;
}

function figure(value: string, pairs: readonly Pair[], bytes: number): Figure {
  const more = pairs.map((pair) => (pair.with - pair.without) / MIB);
  return {
    name: `peak memory with ${KEYS.toLocaleString('en')} keys of ${value} state`,
    unit: 'MiB',
    ours: { what: 'while a checkpoint is taken', value: median(pairs.map((pair) => pair.with)) / MIB },
    other: { what: 'in an equal window without', value: median(pairs.map((pair) => pair.without)) / MIB },
    compared: 'ours - other',
    value: median(more),
    target: { kind: 'at most', value: MOST_MIB },
    notes: [
      `median of ${pairs.length} alternating windows, ${spread(more, 1)}; the checkpoint has ${(bytes / MIB).toFixed(1)} MiB`,
    ],
  };
}

/** How much memory a checkpoint takes above the state itself. */
import { systemClock } from '../../src/base/clock.js';
import { type Figure, MIB, median, type Row, type RowOptions, spread } from './figure.js';
import { MeasuredJob, sharedNow } from './measured-job.js';
import { peakResident, resetPeak } from './resident.js';

const KEYS = 1_000_000;
/** Milliseconds between two batches: some load, but not so much that its garbage makes the heap grow by itself. */
const REST_MS = 20;
const WINDOWS = 9;
const QUICK_WINDOWS = 4;
const WINDOW_MS = 2000;
const WARM_UP_MS = 3000;
/** The largest value of these states is some bytes. */
const MOST_MIB = 64;

export const checkpointMemory: Row = {
  name: 'checkpoint-memory',
  about:
    'peak memory while 1,000,000 keys are checkpointed, against the same job before its first checkpoint',
  async measure(options) {
    return [await memory('number', options), await memory('object', options)];
  },
};

async function memory(value: 'number' | 'object', { quick, progress }: RowOptions): Promise<Figure> {
  const params = { keys: String(KEYS), value, rest: String(REST_MS) };
  const job = new MeasuredJob({ definition: 'count-stream.ts', params });
  const windows = quick ? QUICK_WINDOWS : WINDOWS;
  try {
    progress(`${value} state, filling`);
    await job.start();
    await job.reach(KEYS);
    await systemClock.sleep(WARM_UP_MS);
    progress(`${value} state, without checkpoints`);
    // Not in turns: what a checkpoint leaves behind would count as the state's own.
    const before = await peaks(windows, async () => {});
    progress(`${value} state, with checkpoints`);
    const taken = await peaks(windows, () => job.checkpoint());
    progress(`${value} state, without again`);
    const after = await peaks(windows, async () => {});
    const bytes = job.lastCheckpoint()?.bytes?.total ?? Number.NaN;
    await job.suspend();
    return figure(value, { before, taken, after }, bytes);
  } finally {
    job.remove();
  }
}

/** The peak in each of so many windows, MiB. */
async function peaks(windows: number, act: () => Promise<unknown>): Promise<readonly number[]> {
  const found: number[] = [];
  while (found.length < windows) {
    resetPeak();
    const from = sharedNow();
    await act();
    await systemClock.sleep(from + WINDOW_MS - sharedNow());
    found.push((peakResident() ?? Number.NaN) / MIB);
  }
  return found;
}

interface Phases {
  readonly before: readonly number[];
  readonly taken: readonly number[];
  readonly after: readonly number[];
}

function figure(value: string, { before, taken, after }: Phases, bytes: number): Figure {
  const most = Math.max(...taken);
  // The first windows may still hold what filling the state left behind.
  const base = median(before);
  return {
    name: `peak memory with ${KEYS.toLocaleString('en')} keys of ${value} state`,
    unit: 'MiB',
    ours: { what: 'while checkpoints are taken, at most', value: most },
    other: { what: 'before the first, median', value: base },
    compared: 'ours - other',
    value: most - base,
    target: { kind: 'at most', value: MOST_MIB },
    notes: [
      `peaks of ${taken.length} windows of ${WINDOW_MS} ms each; a checkpoint has ${(bytes / MIB).toFixed(1)} MiB`,
      `before ${spread(before, 0)}, while ${spread(taken, 0)}, after ${spread(after, 0)}`,
    ],
  };
}

/** How long the data thread stops at most while 1,000,000 keys under load are checkpointed. */
import { systemClock } from '../../src/base/clock.js';
import type { SettingsFlags } from '../../src/graph/resolve-settings.js';
import { type Figure, median, type Row, type RowOptions } from './figure.js';
import { MeasuredJob, sharedNow } from './measured-job.js';
import { type Stops, type StreamReport, stops, type Window } from './stream-report.js';

const KEYS = 1_000_000;
const PAIRS = 9;
const QUICK_PAIRS = 3;
/** Once every key has come: until the heap has grown to what it needs. */
const WARM_UP_MS = 3000;
/** Between a checkpoint and the window without one. */
const PAUSE_MS = 200;

export const longestStop: Row = {
  name: 'longest-stop',
  about: 'the longest stop of the data thread while 1,000,000 keys are checkpointed',
  async measure(options) {
    return [await stop(NUMBERS, options), await stop(OBJECTS, options)];
  },
};

export const diskStop: Row = {
  name: 'disk-stop',
  about: 'the longest stop with the state on disk, a cache of a quarter of it, and with all of it cached',
  big: true,
  async measure(options) {
    return [await stop(DISK, options), await stop(CACHED, options)];
  },
};

interface Kind {
  readonly what: string;
  readonly value: 'number' | 'object';
  readonly flags: SettingsFlags;
}

const NUMBERS: Kind = { what: 'number state', value: 'number', flags: {} };
const OBJECTS: Kind = { what: 'object state', value: 'object', flags: {} };
const DISK: Kind = {
  what: 'number state on disk, segments 4 x the cache',
  value: 'number',
  flags: { backend: 'disk', cache: '8m' },
};
const CACHED: Kind = {
  what: 'number state on disk, all of it cached',
  value: 'number',
  flags: { backend: 'disk', cache: '2g' },
};

interface Pair {
  readonly with: Window;
  readonly without: Window;
}

async function stop({ what, value, flags }: Kind, { quick, progress }: RowOptions): Promise<Figure> {
  const params = { keys: String(KEYS), value };
  const job = new MeasuredJob({ definition: 'count-stream.ts', params, flags });
  try {
    progress(`${what}, filling`);
    await job.start();
    await job.reach(KEYS);
    await job.checkpoint();
    await systemClock.sleep(WARM_UP_MS);
    const pairs: Pair[] = [];
    const count = quick ? QUICK_PAIRS : PAIRS;
    while (pairs.length < count) {
      progress(`${what}, pair ${pairs.length + 1} of ${count}`);
      pairs.push(await measurePair(job));
    }
    await job.suspend();
    const report = job.report<StreamReport>();
    return figure(
      what,
      pairs,
      pairs.map((pair) => stops(report, pair.with)),
      pairs.map((pair) => stops(report, pair.without)),
    );
  } finally {
    job.remove();
  }
}

async function measurePair(job: MeasuredJob): Promise<Pair> {
  const { from, to } = await job.checkpoint();
  await systemClock.sleep(PAUSE_MS);
  const start = sharedNow();
  await systemClock.sleep(to - from);
  const pair = { with: { from, to }, without: { from: start, to: start + (to - from) } };
  await systemClock.sleep(PAUSE_MS);
  return pair;
}

function figure(
  name: string,
  pairs: readonly Pair[],
  taken: readonly Stops[],
  none: readonly Stops[],
): Figure {
  const of = (all: readonly Stops[], what: keyof Stops) => median(all.map((one) => one[what]));
  const most = (all: readonly Stops[], what: keyof Stops) =>
    Math.max(...all.map((one) => one[what])).toFixed(1);
  const duration = median(pairs.map((pair) => pair.with.to - pair.with.from));
  const beyond = (what: keyof Stops) =>
    median(taken.map((one, i) => one[what] - (none[i]?.[what] ?? Number.NaN)));
  return {
    name: `longest stop with ${KEYS.toLocaleString('en')} keys of ${name}`,
    unit: 'ms',
    ours: { what: 'while a checkpoint is taken', value: of(taken, 'longest') },
    other: { what: 'in an equal window without', value: of(none, 'longest') },
    compared: 'ours - other',
    value: beyond('longest'),
    target: { kind: 'at most', value: 10 },
    notes: [
      `medians of ${pairs.length} alternating windows of ${duration.toFixed(0)} ms; worst ${most(taken, 'longest')} with, ${most(none, 'longest')} without`,
      `less garbage collection: ${of(taken, 'withoutPauses').toFixed(1)} with, ${of(none, 'withoutPauses').toFixed(1)} without; worst ${most(taken, 'withoutPauses')} and ${most(none, 'withoutPauses')}`,
      `garbage collection alone: ${of(taken, 'longestPause').toFixed(1)} with, ${of(none, 'longestPause').toFixed(1)} without; worst ${most(taken, 'longestPause')} and ${most(none, 'longestPause')}`,
    ],
  };
}

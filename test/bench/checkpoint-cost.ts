/** What a checkpoint every second costs the keyed count: windows of one second, with and without, in turns. */
import { systemClock } from '../../src/base/clock.js';
import { type Figure, median, type Row, type RowOptions, spread } from './figure.js';
import { MeasuredJob, sharedNow } from './measured-job.js';
import { type StreamReport, throughput, type Window } from './stream-report.js';

const KEYS = 100_000;
const WINDOW_MS = 1000;
const PAIRS = 24;
const QUICK_PAIRS = 6;
/** Time for code to be compiled and buffers to be made, and the checkpoints that are taken in it. */
const WARM_UP_MS = 3000;
const WARM_UP_CHECKPOINTS = 3;

export const checkpointCost: Row = {
  name: 'checkpoint-cost',
  about: 'the same count with a checkpoint every second, against itself without',
  async measure(options) {
    return [
      await cost('number', 'full', options),
      await cost('number', 'incremental', options),
      await cost('object', 'full', options),
    ];
  },
};

interface Pair {
  readonly without: Window;
  readonly with: Window;
  readonly durationMs: number;
  readonly bytes: number;
}

async function cost(
  value: 'number' | 'object',
  checkpointMode: 'full' | 'incremental',
  { quick, progress }: RowOptions,
): Promise<Figure> {
  const name = `${value} state, ${checkpointMode}`;
  const params = { keys: String(KEYS), value };
  const job = new MeasuredJob({ definition: 'count-stream.ts', params, flags: { checkpointMode } });
  try {
    await job.start();
    await job.reach(KEYS);
    for (let i = 0; i < WARM_UP_CHECKPOINTS; i++) await job.checkpoint();
    await systemClock.sleep(WARM_UP_MS);
    const pairs: Pair[] = [];
    const count = quick ? QUICK_PAIRS : PAIRS;
    while (pairs.length < count) {
      progress(`${name}, pair ${pairs.length + 1} of ${count}`);
      pairs.push(await measurePair(job));
    }
    await job.suspend();
    return figure({ value, checkpointMode, merges: job.merges.count }, pairs, job.report<StreamReport>());
  } finally {
    job.remove();
  }
}

async function measurePair(job: MeasuredJob): Promise<Pair> {
  const without = await window(async () => {});
  let durationMs = 0;
  let bytes = 0;
  const taken = await window(async () => {
    const { from, to, record } = await job.checkpoint();
    if (to - from > WINDOW_MS) throw new Error(`a checkpoint took ${to - from} ms, longer than its window`);
    durationMs = to - from;
    bytes = record.bytes?.own ?? 0;
  });
  return { without, with: taken, durationMs, bytes };
}

/** A window that begins with `act`. */
async function window(act: () => Promise<void>): Promise<Window> {
  const from = sharedNow();
  await act();
  await systemClock.sleep(Math.max(0, from + WINDOW_MS - sharedNow()));
  return { from, to: from + WINDOW_MS };
}

interface Kind {
  readonly value: string;
  readonly checkpointMode: string;
  readonly merges: number;
}

function figure(
  { value, checkpointMode, merges }: Kind,
  pairs: readonly Pair[],
  report: StreamReport,
): Figure {
  const rates = pairs.map((pair) => ({
    with: throughput(report, pair.with),
    without: throughput(report, pair.without),
  }));
  const ratios = rates.map((rate) => rate.with / rate.without);
  const duration = median(pairs.map(({ durationMs }) => durationMs));
  const bytes = median(pairs.map((pair) => pair.bytes));
  return {
    name: `keyed count of ${value} state with a ${checkpointMode} checkpoint every second`,
    unit: 'elements a second',
    ours: { what: 'windows with a checkpoint', value: median(rates.map((rate) => rate.with)) },
    other: { what: 'windows without', value: median(rates.map((rate) => rate.without)) },
    compared: 'ours / other',
    value: median(ratios),
    ...(value === 'number' ? { target: { kind: 'at least', value: 0.95 } } : {}),
    notes: [
      `median of ${pairs.length} alternating windows of ${WINDOW_MS} ms, ${spread(ratios)}; the issue asks 0.9`,
      `a checkpoint with ${(bytes / 1e6).toFixed(1)} MB of segments that the last one did not have takes ${duration.toFixed(0)} ms from the request to its commit`,
      ...(merges > 0 ? [`${merges} merges ran beside them, all windows taken together`] : []),
    ],
  };
}

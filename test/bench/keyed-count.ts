/** The keyed count with checkpoints off, against a bare loop that does the same without any of us. */
import { type Figure, median, type Row, type RowOptions, spread } from './figure.js';
import { MeasuredJob } from './measured-job.js';

const KEYS = 100_000;
const ELEMENTS = 250_000;
/** Rounds left out at the start, while code is compiled and state grows. */
const WARM_UP = 10;
const PAIRS = 61;
const QUICK_PAIRS = 21;

interface Report {
  readonly pairs: readonly (readonly [bare: number, flow: number])[];
}

export const keyedCount: Row = {
  name: 'keyed-count',
  about: '100,000 string keys counted, against a bare loop; parallelism 1 and 4',
  async measure(options) {
    return [await count(1, options), await count(4, options)];
  },
};

async function count(parallelism: number, { quick, progress }: RowOptions): Promise<Figure> {
  progress(`parallelism ${parallelism}`);
  const rounds = WARM_UP + (quick ? QUICK_PAIRS : PAIRS);
  const params = { keys: KEYS, elements: ELEMENTS, rounds, splits: parallelism };
  const job = new MeasuredJob({
    definition: 'count-pairs.ts',
    params: Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)])),
    flags: { parallelism: String(parallelism) },
  });
  try {
    await job.start();
    await job.finished();
    const pairs = job.report<Report>().pairs.slice(WARM_UP);
    const ratios = pairs.map(([bare, flow]) => bare / flow);
    const nanos = (ms: number) => (ms / ELEMENTS) * 1e6;
    return {
      name: `keyed count, parallelism ${parallelism}, checkpoints off`,
      unit: 'ns an element',
      ours: { what: 'dataflow in the data thread', value: nanos(median(pairs.map(([, flow]) => flow))) },
      other: { what: 'bare loop', value: nanos(median(pairs.map(([bare]) => bare))) },
      compared: 'other / ours',
      value: median(ratios),
      target: { kind: 'at least', value: 0.7 },
      notes: [`median of ${pairs.length} alternating pairs, ${spread(ratios)}; first target 0.5`],
    };
  } finally {
    job.remove();
  }
}

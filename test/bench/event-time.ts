/** What event time, windows, timers and TTL cost, each beside the same job without. */
import { type Figure, median, type Row, type RowOptions, spread } from './figure.js';
import { MeasuredJob } from './measured-job.js';

const ELEMENTS = 250_000;
const WARM_UP = 5;
const PAIRS = 25;
const QUICK_PAIRS = 11;

interface Pair {
  readonly name: 'sliding' | 'ttl' | 'timers' | 'moving';
  readonly keys: number;
  readonly title: string;
  readonly ours: string;
  readonly other: string;
  readonly most: number | undefined;
  readonly note: string;
}

const PAIRS_OF: readonly Pair[] = [
  {
    name: 'sliding',
    keys: 100,
    title: 'windows of 1 h, mean by 100 keys',
    ours: 'sliding by 1 min, in slices',
    other: 'tumbling',
    most: 3,
    note: 'about 42 elements a key and minute, each in 60 panes',
  },
  {
    name: 'sliding',
    keys: 1000,
    title: 'windows of 1 h, mean by 1,000 keys',
    ours: 'sliding by 1 min, in slices',
    other: 'tumbling',
    most: 3,
    note: 'about 4 elements a key and minute: a result for each 4, where tumbling has one for 250',
  },
  {
    name: 'ttl',
    keys: 100_000,
    title: 'keyed count, 100,000 keys',
    ours: 'with a TTL that every element renews',
    other: 'without',
    most: 1.3,
    note: 'state.number(0, { ttl: "1h" })',
  },
  {
    name: 'timers',
    keys: 100,
    title: 'keyed count, 100 keys',
    ours: 'with an event timer a key and minute',
    other: 'without',
    most: 1.3,
    note: 'each element sets the timer at the end of its minute, about 42 the same one; it fires',
  },
  {
    name: 'timers',
    keys: 1000,
    title: 'keyed count, 1,000 keys',
    ours: 'with an event timer a key and minute',
    other: 'without',
    most: 1.3,
    note: 'the same with about 4 elements to a timer',
  },
  {
    name: 'timers',
    keys: 100_000,
    title: 'keyed count, 100,000 keys',
    ours: 'with an event timer an element',
    other: 'without',
    most: undefined,
    note: 'the same where nearly every element is the first of its key in a minute: a timer set, and fired, for each',
  },
  {
    name: 'moving',
    keys: 1000,
    title: 'keyed count, 1,000 keys',
    ours: 'with a timer that every element moves',
    other: 'without',
    most: undefined,
    note: 'clear and set for each element: a timer out and one in',
  },
];

interface Report {
  readonly pairs: readonly (readonly [ours: number, other: number])[];
}

export const eventTime: Row = {
  name: 'event-time',
  about: 'sliding against tumbling windows, timers and TTL against the same without',
  async measure(options) {
    const figures: Figure[] = [];
    for (const pair of PAIRS_OF) figures.push(await measure(pair, options));
    return figures;
  },
};

async function measure(pair: Pair, { quick, progress }: RowOptions): Promise<Figure> {
  progress(`${pair.title}: ${pair.ours}`);
  const rounds = WARM_UP + (quick ? QUICK_PAIRS : PAIRS);
  const params = { pair: pair.name, keys: pair.keys, elements: ELEMENTS, rounds };
  const job = new MeasuredJob({
    definition: 'time-pairs.ts',
    params: Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)])),
    flags: { parallelism: '1' },
  });
  try {
    await job.start();
    await job.finished();
    const pairs = job.report<Report>().pairs.slice(WARM_UP);
    const ratios = pairs.map(([ours, other]) => ours / other);
    const nanos = (ms: number) => (ms / ELEMENTS) * 1e6;
    return {
      name: pair.title,
      unit: 'ns an element',
      ours: { what: pair.ours, value: nanos(median(pairs.map(([ours]) => ours))) },
      other: { what: pair.other, value: nanos(median(pairs.map(([, other]) => other))) },
      compared: 'ours / other',
      value: median(ratios),
      ...(pair.most === undefined ? {} : { target: { kind: 'at most', value: pair.most } }),
      notes: [`median of ${pairs.length} alternating pairs, ${spread(ratios)}`, pair.note],
    };
  } finally {
    job.remove();
  }
}

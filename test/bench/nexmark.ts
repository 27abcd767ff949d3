/** The queries of Nexmark: what an event costs, and what a checkpoint writes. */
import { Worker } from 'node:worker_threads';
import { type Figure, MIB, median, type Row, spread } from './figure.js';
import type { QueryReport, QueryRequest } from './nexmark-query.js';

const QUERIES = [
  ['q0', 'pass through'],
  ['q1', 'currency'],
  ['q2', 'selection'],
  ['q3', 'local items'],
  ['q4', 'average price for a category'],
  ['q5', 'hot items'],
  ['q6', 'average selling price by seller'],
  ['q7', 'highest bid'],
  ['q8', 'new users'],
  ['q11', 'user sessions'],
  ['q12', 'processing time windows'],
  ['q16', 'channel statistics'],
  ['q17', 'auction statistics'],
  ['q18', 'last bid'],
  ['q19', 'top ten bids'],
  ['q20', 'bids with their auctions'],
  ['q22', 'folders of a URL'],
] as const;

/** Ten batches of the source, so that a tenth of many is a whole number of batches. */
const TEN_BATCHES = 5120;
const EVENTS = 100 * TEN_BATCHES;
const QUICK_EVENTS = 20 * TEN_BATCHES;
/** One more than count. */
const ROUNDS = 8;
const QUICK_ROUNDS = 4;

export const nexmark: Row = {
  name: 'nexmark',
  about: "Nexmark's queries: what an event costs beside reading it, bytes of checkpoints",
  async measure({ quick, progress }) {
    const events = quick ? QUICK_EVENTS : EVENTS;
    const figures: Figure[] = [];
    for (const [query, title] of QUERIES) {
      progress(`${query}: ${title}`);
      // In a thread of its own, as a job has one: the engine optimises for what it meets there.
      const report = await ask({ query, events, rounds: quick ? QUICK_ROUNDS : ROUNDS });
      figures.push(time(`${query}: ${title}`, events, report));
      if (report.state !== undefined) figures.push(bytes(`${query}: ${title}`, report.state));
    }
    return figures;
  },
};

function ask(request: QueryRequest): Promise<QueryReport> {
  const worker = new Worker(new URL('./nexmark-query.js', import.meta.url), { workerData: request });
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`${request.query} ended with ${code}`)));
  });
}

function time(name: string, events: number, { query, bare, ratios, generated }: QueryReport): Figure {
  const rate = (nanos: number) => Math.round(1e9 / nanos).toLocaleString('en');
  return {
    name,
    unit: 'ns an event',
    ours: { what: 'query, parallelism 1, memory', value: query },
    other: { what: 'the same events, read and dropped', value: bare },
    compared: 'ours / other',
    value: median(ratios),
    notes: [
      `${rate(query)} events a second, ${rate(query + generated)} where they are made on the way (${generated.toFixed(0)} ns an event)`,
      `medians of ${ratios.length} alternating pairs of ${events.toLocaleString('en')} events, ${spread(ratios)}`,
    ],
  };
}

function bytes(name: string, { entries, full, changes }: NonNullable<QueryReport['state']>): Figure {
  return {
    name: `${name}, checkpoint after a tenth more events`,
    unit: 'MiB',
    ours: { what: 'incremental', value: changes / MIB },
    other: { what: 'full, before them: all state', value: full / MIB },
    compared: 'ours / other',
    value: changes / full,
    notes: [`state: ${entries.toLocaleString('en')} entries, ${full.toLocaleString('en')} bytes`],
  };
}

/**
 * What a checkpoint of what changed costs, against a full one of the same state: two jobs that differ in their
 * checkpoint mode alone, in turns, each idle while the other is measured.
 *
 *     pair := change so many keys │ checkpoint, timed │ until all is quiet        in one job, then in the other
 *
 * Bytes are all that the process wrote meanwhile, catalog and log included, but for what merges wrote, which is told
 * apart.
 */
import { type Figure, MIB, median, type Row, type RowOptions, spread } from './figure.js';
import { JobInTurns } from './job-in-turns.js';
import { processIo, quiet } from './process-io.js';

const KEYS = 1_000_000;
const PAIRS = 9;
/** Where a pair takes long, and nothing is held against a target. */
const FEW_PAIRS = 5;
const QUICK_PAIRS = 3;
/** Of the whole state, and of the changes that the figures are about. */
const MOST_BYTES = 0.02;
const MOST_TIME = 0.1;
const MEASURED_PART = 0.01;
const WARM_UP = 2;

interface Kind {
  readonly backend: 'memory' | 'disk';
  readonly value: 'number' | 'object';
}

interface Cost {
  /** From the request to the commit. */
  readonly ms: number;
  /** All that was written, merges in the background left out; that which makes a chain whole is the full one's own. */
  readonly bytes: number;
  /** Of these, before the checkpoint was asked for. */
  readonly early: number;
  /** Of segments that the checkpoint before did not have; those of merges are among them. */
  readonly own: number;
  readonly merged: number;
}

interface Pair {
  readonly part: Cost;
  readonly full: Cost;
}

export const incremental: Row = {
  name: 'incremental',
  about: 'an incremental checkpoint after 1 % of 1,000,000 keys changed, against a full one',
  measure: (options) => rows(['number', 'object'], [MEASURED_PART], PAIRS, options),
};

export const incrementalParts: Row = {
  name: 'incremental-parts',
  about: 'the same after 0.1 %, 10 % and 100 % changed, numbers only',
  big: true,
  measure: (options) => rows(['number'], [0.001, 0.1, 1], FEW_PAIRS, options),
};

async function rows(
  values: readonly Kind['value'][],
  parts: readonly number[],
  pairs: number,
  options: RowOptions,
): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const backend of ['memory', 'disk'] as const) {
    for (const value of values)
      figures.push(
        ...(await compare({ backend, value }, parts, options.quick ? QUICK_PAIRS : pairs, options)),
      );
  }
  return figures;
}

async function compare(
  { backend, value }: Kind,
  parts: readonly number[],
  wanted: number,
  { progress }: RowOptions,
): Promise<readonly Figure[]> {
  const name = `${value} state, ${backend}`;
  const jobs: JobInTurns[] = [];
  try {
    for (const checkpointMode of ['incremental', 'full']) {
      progress(`${name}: filling the ${checkpointMode} one`);
      jobs.push(await JobInTurns.start({ keys: KEYS, value, flags: { backend, checkpointMode } }));
    }
    const [some, all] = jobs;
    if (some === undefined || all === undefined) throw new Error('two jobs were started');
    const figures: Figure[] = [];
    for (const part of parts) {
      const count = Math.round(KEYS * part);
      for (let i = 0; i < WARM_UP; i++) for (const job of jobs) await cost(job, count);
      const pairs: Pair[] = [];
      while (pairs.length < wanted) {
        progress(`${name}, ${percent(part)}: pair ${pairs.length + 1} of ${wanted}`);
        // Each second pair the other way about: what comes later is not always the same.
        if (pairs.length % 2 === 0)
          pairs.push({ part: await cost(some, count), full: await cost(all, count) });
        else pairs.push({ full: await cost(all, count), part: await cost(some, count) });
      }
      figures.push(bytesFigure(name, part, pairs), timeFigure(name, part, pairs));
    }
    return figures;
  } finally {
    for (const job of jobs) await job.remove();
  }
}

async function cost(inTurns: JobInTurns, count: number): Promise<Cost> {
  const { job } = inTurns;
  // From before the changes: where they do not fit into memory, some are written at once.
  const merged = job.merges.bytesWritten;
  const { written } = processIo();
  await inTurns.turn({ kind: 'each', count });
  await quiet();
  const mergedEarly = job.merges.bytesWritten - merged;
  const early = processIo().written - written - mergedEarly;
  const { from, to, record } = await job.checkpoint();
  await quiet();
  const mergedNow = record.mode === 'full' ? mergedEarly : job.merges.bytesWritten - merged;
  return {
    ms: to - from,
    bytes: processIo().written - written - mergedNow,
    early,
    own: record.bytes?.own ?? Number.NaN,
    merged: mergedNow,
  };
}

function bytesFigure(name: string, part: number, pairs: readonly Pair[]): Figure {
  const ratios = pairs.map((pair) => pair.part.bytes / pair.full.bytes);
  const side = (which: keyof Pair, what: keyof Cost) => median(pairs.map((pair) => pair[which][what])) / MIB;
  const merged = pairs.reduce((sum, pair) => sum + pair.part.merged, 0) / pairs.length / MIB;
  const mebibytes = (count: number) => `${count.toFixed(3)} MiB`;
  return {
    name: `bytes of a checkpoint after ${percent(part)} changed, ${name}`,
    unit: 'MiB',
    ours: { what: 'incremental: all bytes written, less merges', value: side('part', 'bytes') },
    other: { what: 'full', value: side('full', 'bytes') },
    compared: 'ours / other',
    value: median(ratios),
    ...target(part, MOST_BYTES),
    notes: [
      `median of ${pairs.length} alternating pairs, ${spread(ratios, 4)}`,
      `of these ${mebibytes(side('part', 'early'))} before the request; new segments: ${mebibytes(side('part', 'own'))} incremental, ${mebibytes(side('full', 'own'))} full`,
      `merges wrote ${mebibytes(merged)} more for each incremental one, on average`,
    ],
  };
}

function timeFigure(name: string, part: number, pairs: readonly Pair[]): Figure {
  const ratios = pairs.map((pair) => pair.part.ms / pair.full.ms);
  const side = (which: keyof Pair) => pairs.map((pair) => pair[which].ms);
  return {
    name: `time of a checkpoint after ${percent(part)} changed, ${name}`,
    unit: 'ms',
    ours: { what: 'incremental, from the request to its commit', value: median(side('part')) },
    other: { what: 'full', value: median(side('full')) },
    compared: 'ours / other',
    value: median(ratios),
    ...target(part, MOST_TIME),
    notes: [
      `median of ${pairs.length} alternating pairs, ${spread(ratios, 3)}; ours ${spread(side('part'), 0)} ms, full ${spread(side('full'), 0)} ms`,
    ],
  };
}

function target(part: number, value: number): Pick<Figure, 'target'> {
  return part === MEASURED_PART ? { target: { kind: 'at most', value } } : {};
}

function percent(part: number): string {
  return `${Number((part * 100).toFixed(1))} %`;
}

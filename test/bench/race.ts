/** Two jobs in turns over the same kind of input: how their rates compare. */
import type { SettingsFlags } from '../../src/graph/resolve-settings.js';
import { type Figure, median, type RowOptions, spread, type Target } from './figure.js';
import { JobInTurns } from './job-in-turns.js';
import type { Turn, TurnTaken } from './jobs/turn.js';
import { quiet } from './process-io.js';

export interface Racer {
  readonly what: string;
  readonly flags: SettingsFlags;
}

export interface Race {
  readonly name: string;
  readonly keys: number;
  /** As in JobInTurns. */
  readonly value: string;
  readonly ours: Racer;
  readonly other: Racer;
  readonly target?: Target;
  readonly pairs: number;
  readonly warmUp: number;
  /** What is raced, by the words that name it in the figure. */
  readonly turns: ReadonlyMap<string, Turn>;
  /** Takes a checkpoint before each turn, untimed: all that changes in it changes for the first time since. */
  readonly checkpoints: boolean;
  /** What else to say of ours. */
  note?(ours: JobInTurns): string;
}

interface Pair {
  readonly ours: TurnTaken;
  readonly other: TurnTaken;
}

export async function race(of: Race, { progress }: RowOptions): Promise<readonly Figure[]> {
  const { keys, value } = of;
  const jobs: JobInTurns[] = [];
  try {
    for (const { what, flags } of [of.ours, of.other]) {
      progress(`${of.name}: filling, ${what}`);
      jobs.push(await JobInTurns.start({ keys, value, flags }));
    }
    const [ours, other] = jobs;
    if (ours === undefined || other === undefined) throw new Error('two jobs were started');
    // A first checkpoint: the state has been written once.
    for (const { job } of jobs) await job.checkpoint();
    const figures: Figure[] = [];
    for (const [words, turn] of of.turns) {
      const pairs = await runPairs(of, ours, other, turn, (text) =>
        progress(`${of.name}, ${words}: ${text}`),
      );
      figures.push(figure(of, words, pairs, of.note?.(ours)));
    }
    return figures;
  } finally {
    for (const job of jobs) await job.remove();
  }
}

async function runPairs(
  { pairs: wanted, warmUp, checkpoints }: Race,
  ours: JobInTurns,
  other: JobInTurns,
  turn: Turn,
  progress: (text: string) => void,
): Promise<readonly Pair[]> {
  const take = async (job: JobInTurns) => {
    if (checkpoints) {
      await job.job.checkpoint();
      await quiet();
    }
    const taken = await job.turn(turn);
    // What it left to be done in the background is not the other's to bear.
    await quiet();
    return taken;
  };
  for (let i = 0; i < warmUp; i++) {
    await take(ours);
    await take(other);
  }
  const pairs: Pair[] = [];
  while (pairs.length < wanted) {
    progress(`pair ${pairs.length + 1} of ${wanted}`);
    if (pairs.length % 2 === 0) pairs.push({ ours: await take(ours), other: await take(other) });
    else pairs.push({ other: await take(other), ours: await take(ours) });
  }
  return pairs;
}

function figure(of: Race, words: string, pairs: readonly Pair[], note: string | undefined): Figure {
  const ratios = pairs.map(({ ours, other }) => rate(ours) / rate(other));
  const byCpu = pairs.map(({ ours, other }) => cpuRate(ours) / cpuRate(other));
  const micros = (which: keyof Pair) => median(pairs.map((pair) => 1000 / cpuRate(pair[which])));
  return {
    name: `${of.name}, ${words}`,
    unit: 'elements a second',
    ours: { what: of.ours.what, value: median(pairs.map(({ ours }) => rate(ours))) },
    other: { what: of.other.what, value: median(pairs.map(({ other }) => rate(other))) },
    compared: 'ours / other',
    value: median(ratios),
    ...(of.target === undefined ? {} : { target: of.target }),
    notes: [
      `median of ${pairs.length} alternating turns, ${spread(ratios)}`,
      `by the data thread's CPU time ${median(byCpu).toFixed(3)}: ${micros('ours').toFixed(3)} and ${micros('other').toFixed(3)} µs an element`,
      ...(note === undefined ? [] : [note]),
    ],
  };
}

/** Elements a second. */
function rate({ elements, ms }: TurnTaken): number {
  return (elements * 1000) / ms;
}

/** Elements a millisecond on a CPU. */
function cpuRate({ elements, cpuMs }: TurnTaken): number {
  return elements / cpuMs;
}

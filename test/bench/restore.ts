/** How long a job needs to take over a savepoint of 1,000,000 keys, against a bare loop over the same archive. */
import { systemClock } from '../../src/base/clock.js';
import type { JobRecord } from '../../src/catalog/records.js';
import { ArchivedJob } from './archived-job.js';
import { restoreBare } from './bare-archive.js';
import { type Figure, median, type Row, spread } from './figure.js';

const KEYS = 1_000_000;
const OTHER_PARALLELISM = 3;
const ROUNDS = 7;
const QUICK_ROUNDS = 3;
const MOST = 1.5;
const MOST_OTHER = 1.2;
const PAUSE_MS = 300;

interface Round {
  readonly bare: number;
  readonly same: number;
  readonly other: number;
}

export const restore: Row = {
  name: 'restore',
  about: 'restoring 1,000,000 keys, against a bare loop that inflates, verifies, decodes, puts into Maps',
  async measure({ quick, progress }) {
    progress('filling');
    const job = await ArchivedJob.start(KEYS);
    try {
      await job.savepoint();
      await job.suspend();
      const same = await job.restored(1);
      const other = await job.restored(OTHER_PARALLELISM);
      const rounds: Round[] = [];
      const count = quick ? QUICK_ROUNDS : ROUNDS;
      while (rounds.length < count) {
        progress(`round ${rounds.length + 1} of ${count}`);
        await systemClock.sleep(PAUSE_MS);
        const bare = await restoreBare(job.archive);
        // Each second round the other way about: what comes later is not always the same.
        if (rounds.length % 2 === 0)
          rounds.push({ bare, same: await time(job, same), other: await time(job, other) });
        else rounds.push({ bare, other: await time(job, other), same: await time(job, same) });
      }
      return [againstBare(rounds), againstSame(rounds)];
    } finally {
      await job.remove();
    }
  },
};

async function time(job: ArchivedJob, record: JobRecord): Promise<number> {
  const { attempt, ms } = await job.attempt(record);
  await attempt.terminate();
  await systemClock.sleep(PAUSE_MS);
  return ms;
}

function againstBare(rounds: readonly Round[]): Figure {
  const ratios = rounds.map(({ same, bare }) => same / bare);
  return {
    name: `restore of ${KEYS.toLocaleString('en')} keys`,
    unit: 'ms',
    ours: { what: 'from checking the archive to running', value: median(rounds.map(({ same }) => same)) },
    other: {
      what: 'bare: read, hash, crc, inflate, decode, Maps',
      value: median(rounds.map(({ bare }) => bare)),
    },
    compared: 'ours / other',
    value: median(ratios),
    target: { kind: 'at most', value: MOST },
    notes: [`median of ${rounds.length} alternating pairs, ${spread(ratios)}`],
  };
}

function againstSame(rounds: readonly Round[]): Figure {
  const ratios = rounds.map(({ same, other }) => other / same);
  return {
    name: `restore of ${KEYS.toLocaleString('en')} keys at another parallelism`,
    unit: 'ms',
    ours: {
      what: `from parallelism 1 to ${OTHER_PARALLELISM}`,
      value: median(rounds.map(({ other }) => other)),
    },
    other: { what: 'from 1 to 1', value: median(rounds.map(({ same }) => same)) },
    compared: 'ours / other',
    value: median(ratios),
    target: { kind: 'at most', value: MOST_OTHER },
    notes: [`median of ${rounds.length} alternating pairs, ${spread(ratios)}`],
  };
}

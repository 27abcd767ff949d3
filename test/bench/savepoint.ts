/** How long a savepoint of 1,000,000 keys takes, against a bare loop that does the same to the same entries. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.js';
import { ArchivedJob } from './archived-job.js';
import { saveBare } from './bare-archive.js';
import { MIB, median, type Row, spread } from './figure.js';

const KEYS = 1_000_000;
const PAIRS = 7;
const QUICK_PAIRS = 3;
const MOST = 1.5;
const PAUSE_MS = 300;

export const savepoint: Row = {
  name: 'savepoint',
  about: 'a savepoint of 1,000,000 keys, against a bare loop that encodes, sorts, hashes, compresses, writes',
  async measure({ quick, progress }) {
    progress('filling');
    const job = await ArchivedJob.start(KEYS);
    try {
      const bareFile = join(job.folder, 'bare');
      const pairs: { ours: number; bare: number }[] = [];
      const count = quick ? QUICK_PAIRS : PAIRS;
      while (pairs.length < count) {
        progress(`pair ${pairs.length + 1} of ${count}`);
        await systemClock.sleep(PAUSE_MS);
        const bare = await saveBare(KEYS, bareFile);
        await systemClock.sleep(PAUSE_MS);
        pairs.push({ bare, ours: await job.savepoint() });
      }
      const ratios = pairs.map(({ ours, bare }) => ours / bare);
      const size = (path: string) => (statSync(path).size / MIB).toFixed(1);
      return [
        {
          name: `savepoint of ${KEYS.toLocaleString('en')} keys, job idle`,
          unit: 'ms',
          ours: {
            what: 'from the request to the archive under its name',
            value: median(pairs.map(({ ours }) => ours)),
          },
          other: {
            what: 'bare: encode, sort, hash, deflate, write, fsync',
            value: median(pairs.map(({ bare }) => bare)),
          },
          compared: 'ours / other',
          value: median(ratios),
          target: { kind: 'at most', value: MOST },
          notes: [
            `median of ${pairs.length} alternating pairs, ${spread(ratios)}; ours ${spread(
              pairs.map(({ ours }) => ours),
              0,
            )} ms, bare ${spread(
              pairs.map(({ bare }) => bare),
              0,
            )} ms`,
            `the archive has ${size(job.archive)} MiB, the bare loop's file ${size(bareFile)} MiB`,
          ],
        },
      ];
    } finally {
      await job.remove();
    }
  },
};

/** The keyed count with its state on disk, by how much of it the cache holds, against the same job in memory. */
import type { Figure, Row } from './figure.js';
import type { Turn } from './jobs/turn.js';
import { race } from './race.js';

const PAIRS = 7;
const QUICK_PAIRS = 3;
const WARM_UP = 1;
const TURN_MS = 1500;

interface Size {
  readonly keys: number;
  readonly value: string;
  readonly cache: string;
  readonly words: string;
  readonly kinds: readonly ('uniform' | 'skewed')[];
}

/**
 * A number's row takes about twelve times as much memory as its entry on disk, a long text's about the same: so four
 * times the cache is told by both measures where they differ.
 */
const SIZES: readonly Size[] = [
  {
    keys: 1_000_000,
    value: 'number',
    cache: '8m',
    words: 'numbers, segments 4 x the cache',
    kinds: ['uniform', 'skewed'],
  },
  {
    keys: 1_000_000,
    value: 'number',
    cache: '96m',
    words: 'numbers, rows 4 x the cache',
    kinds: ['uniform', 'skewed'],
  },
  {
    keys: 200_000,
    value: '1000',
    cache: '50m',
    words: 'texts of 1 KB, 4 x the cache',
    kinds: ['uniform', 'skewed'],
  },
  {
    keys: 1_000_000,
    value: 'number',
    cache: '2g',
    words: 'numbers, all in the cache',
    kinds: ['uniform'],
  },
];

export const diskCount: Row = {
  name: 'disk-count',
  about: 'the keyed count on the disk backend with state 4 x its cache, and within it, against memory',
  big: true,
  async measure(options) {
    const figures: Figure[] = [];
    for (const { keys, value, cache, words, kinds } of SIZES) {
      figures.push(
        ...(await race(
          {
            name: `keyed count on disk, ${words}`,
            keys,
            value,
            ours: { what: `disk, cache ${cache}`, flags: { backend: 'disk', cache } },
            other: { what: 'memory', flags: { backend: 'memory' } },
            pairs: options.quick ? QUICK_PAIRS : PAIRS,
            warmUp: WARM_UP,
            checkpoints: false,
            turns: new Map(kinds.map((kind): [string, Turn] => [kind, { kind, ms: TURN_MS }])),
            note: ({ job }) =>
              `merges so far: ${job.merges.count}, ${(job.merges.bytesWritten / 1e6).toFixed(0)} MB in ${(job.merges.ms / 1000).toFixed(1)} s`,
          },
          options,
        )),
      );
    }
    return figures;
  },
};

/** What keeping track of changes costs the keyed count in memory: the same job with and without, in turns. */
import type { Figure, Row, RowOptions } from './figure.js';
import { race } from './race.js';

const KEYS = 100_000;
const PAIRS = 31;
const QUICK_PAIRS = 7;
const WARM_UP = 4;
const TURN_MS = 250;

export const changesCount: Row = {
  name: 'changes-count',
  about: 'the keyed count in memory for incremental checkpoints, against itself for full ones',
  async measure(options) {
    return [...(await count(false, options)), ...(await count(true, options))];
  },
};

function count(checkpoints: boolean, options: RowOptions): Promise<readonly Figure[]> {
  return race(
    {
      name: 'keyed count in memory',
      keys: KEYS,
      value: 'number',
      ours: { what: 'for incremental checkpoints', flags: { checkpointMode: 'incremental' } },
      other: { what: 'for full ones', flags: { checkpointMode: 'full' } },
      target: { kind: 'at least', value: 0.95 },
      pairs: options.quick ? QUICK_PAIRS : PAIRS,
      warmUp: WARM_UP,
      checkpoints,
      turns: new Map([
        [
          checkpoints ? 'each turn just after a checkpoint' : 'checkpoints off',
          { kind: 'uniform', ms: TURN_MS },
        ],
      ]),
    },
    options,
  );
}

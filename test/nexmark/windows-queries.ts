/** The queries with windows, of event time and of processing time. */
import q5 from '../../fixtures/jobs/nexmark/q5.js';
import q7 from '../../fixtures/jobs/nexmark/q7.js';
import q8 from '../../fixtures/jobs/nexmark/q8.js';
import q11 from '../../fixtures/jobs/nexmark/q11.js';
import q12 from '../../fixtures/jobs/nexmark/q12.js';
import q17 from '../../fixtures/jobs/nexmark/q17.js';
import type { SourceSpec } from '../../src/graph/source.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { splitsOf } from '../runtime/driving.js';
import { all } from './events.js';
import type { Query } from './query.js';
import { EVENTS, SPLITS } from './run.js';
import * as oracles from './window-oracles.js';

const BATCH = 512;

/** The clock of q12 goes on while events are read, but for the last of them: so what is still open at the end is known. */
const MS_A_STEP = 170;
const CLOCK_STOPS = 0.9 * EVENTS;
/** When each event was read. One that is read again after a crash counts when it is read for good, the last time. */
const read = new Map<unknown, number>();
let clock = new ManualClock();

export const WINDOWS: readonly Query[] = [
  { name: 'q5: hot items', definition: q5, long: true, expected: oracles.q5 },
  { name: 'q7: highest bid', definition: q7, expected: oracles.q7 },
  { name: 'q8: new users', definition: q8, expected: oracles.q8 },
  { name: 'q11: user sessions', definition: q11, expected: oracles.q11 },
  { name: 'q17: auction statistics', definition: q17, expected: oracles.q17 },
  {
    name: 'q12: processing time windows',
    definition: q12,
    varies: true,
    expected: () => oracles.q12((bid) => read.get(bid) ?? Number.NaN, clock.now()),
    changes: {
      replace(node) {
        // The same objects each time they are read, so that they can be told apart.
        if (node.kind === 'source') return { ...node, source: source() as SourceSpec<unknown, unknown> };
        if (node.kind !== 'filter') return node;
        return {
          ...node,
          keep(event) {
            read.set(event, clock.now());
            return node.keep(event);
          },
        };
      },
      begun(history) {
        clock = history.clock;
      },
      stepped(count) {
        if (count < CLOCK_STOPS) clock.advance(MS_A_STEP);
      },
    },
  },
];

function source() {
  const splits = Array.from({ length: SPLITS }, (_, split) => all.filter((_, n) => n % SPLITS === split));
  return splitsOf(Object.fromEntries(splits.entries()), BATCH);
}

/** Histories at random: how far a job gets between cuts, crashes and restores, and where it goes on. */
import fc from '../helpers/property.js';
import type { Event, Storage } from './history.js';

export const MAX_PARALLELISM = 8;

export const storages: fc.Arbitrary<Storage> = fc.constantFrom('memory', 'memory, changes', 'disk');
export const parallelisms = fc.integer({ min: 1, max: MAX_PARALLELISM });

export const histories: fc.Arbitrary<Event[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('steps' as const), count: fc.integer({ min: 1, max: 9 }) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('snapshot' as const),
        stepsBetween: fc.integer({ min: 0, max: 4 }),
        end: fc.constantFrom('committed' as const, 'committed', 'completed', 'aborted', 'lost'),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('crash' as const), parallelism: parallelisms }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('savepoint' as const),
        parallelism: parallelisms,
        storage: storages,
      }),
    },
  ),
  { minLength: 4, maxLength: 20, size: 'max' },
);

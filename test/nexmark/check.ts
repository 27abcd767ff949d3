/** One query in a cell of the matrix: what it commits is what its oracle says, no row missing and none twice. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { difference } from '../crash/harness.js';
import type { Storage } from '../time/history.js';
import type { Query } from './query.js';
import { type Course, run } from './run.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';

const STORAGES: readonly Storage[] = ['memory', 'memory, changes', 'disk'];
const CELLS: readonly Course[] = STORAGES.flatMap((storage) =>
  [1, 4].flatMap((parallelism) =>
    [undefined, parallelism === 1 ? 3 : 2].map(
      (rescaled): Course => ({ storage, parallelism, rescaled, from: 'savepoint' }),
    ),
  ),
);
/**
 * Without `TIDEMARK_TEST_LONG=1` two of the twelve: the plainest, and the one in which most happens; of what takes long the
 * latter alone.
 */
const SHORT = CELLS.filter(
  ({ storage, parallelism, rescaled }) =>
    storage === 'memory' && (parallelism === 4) === (rescaled !== undefined),
);

export function check(query: Query): void {
  describe(query.name, () => {
    const {
      definition,
      expected,
      found = (lines) => lines,
      changes = {},
      large = false,
      long = false,
    } = query;
    let known: readonly string[] | undefined;
    for (const cell of LONG ? CELLS : SHORT) {
      if (long && !LONG && cell.rescaled === undefined) continue;
      const course: Course = large && !LONG ? { ...cell, from: 'checkpoint' } : cell;
      test(nameOf(course), async () => {
        const lines = await run(definition, course, changes);
        if (known === undefined || query.varies === true) known = expected();
        const wanted = known;
        assert.ok(wanted.length > 20, `an oracle says something: ${wanted.length} lines`);
        assert.equal(difference(found(lines), wanted), '');
      });
    }
  });
}

function nameOf({ storage, parallelism, rescaled }: Course): string {
  const at = `${storage}, parallelism ${parallelism}`;
  return rescaled === undefined ? at : `${at}, three crashes, rescaled to ${rescaled}`;
}

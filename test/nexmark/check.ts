/** One query in a cell of the matrix: what it commits is what its oracle says, no row missing and none twice. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Definition } from '../../src/graph/definition.js';
import { difference } from '../crash/harness.js';
import type { Storage } from '../time/history.js';
import { type Changes, type Course, run } from './run.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';

export interface Query {
  readonly definition: Definition;
  /** What is committed, as the oracle says it; asked once, unless it `varies`. */
  expected(): readonly string[];
  /** It depends on how the query was run. */
  readonly varies?: boolean;
  /** The same of the lines that were. Default: themselves. */
  found?(lines: readonly string[]): readonly string[];
  readonly changes?: Changes;
  /** It keeps or gives so much that an archive of it takes long. */
  readonly large?: boolean;
}

const STORAGES: readonly Storage[] = ['memory', 'memory, changes', 'disk'];
const CELLS: readonly Course[] = STORAGES.flatMap((storage) =>
  [1, 4].flatMap((parallelism) =>
    [undefined, parallelism === 1 ? 3 : 2].map(
      (rescaled): Course => ({ storage, parallelism, rescaled, from: 'savepoint' }),
    ),
  ),
);
/** Without `TIDEMARK_TEST_LONG=1` two of the twelve: the plainest, and the one in which most happens. */
const SHORT = CELLS.filter(
  ({ storage, parallelism, rescaled }) =>
    storage === 'memory' && (parallelism === 4) === (rescaled !== undefined),
);

export function check(name: string, query: Query): void {
  describe(name, () => {
    const { definition, expected, found = (lines) => lines, changes = {}, large = false } = query;
    let known: readonly string[] | undefined;
    for (const cell of LONG ? CELLS : SHORT) {
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

export function rowsOf<T>(lines: readonly string[]): readonly T[] {
  return lines.map((line): T => JSON.parse(line));
}

/** The last row of each key: a later one takes the place of those before it. */
export function lastOf<T>(rows: readonly T[], keyOf: (row: T) => string): readonly T[] {
  return [...new Map(rows.map((row) => [keyOf(row), row])).values()];
}

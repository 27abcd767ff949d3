/** What the tests know of a query. */
import type { Definition } from '../../src/graph/definition.js';
import type { Changes } from './run.js';

export interface Query {
  /** That of its file, and what it gives. */
  readonly name: string;
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
  /** It takes long: uninterrupted with `TIDEMARK_TEST_LONG=1` only. */
  readonly long?: boolean;
}

export function rowsOf<T>(lines: readonly string[]): readonly T[] {
  return lines.map((line): T => JSON.parse(line));
}

/** The last row of each key: a later one takes the place of those before it. */
export function lastOf<T>(rows: readonly T[], keyOf: (row: T) => string): readonly T[] {
  return [...new Map(rows.map((row) => [keyOf(row), row])).values()];
}

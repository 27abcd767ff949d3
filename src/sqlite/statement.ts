/** A prepared statement whose integers are bigints both ways, so that none is rounded. */
import type { SqlParameters, SqlValue } from './sqlite.js';

/** What is used of the library's statements. Theirs are no types of ours: definitions compile without the library's. */
interface LibraryStatement {
  readonly reader: boolean;
  readonly readonly: boolean;
  safeIntegers(on: boolean): this;
  raw(on: boolean): this;
  run(parameters: SqlParameters): { readonly changes: number; readonly lastInsertRowid: number | bigint };
  all(parameters: SqlParameters): unknown[];
  iterate(parameters: SqlParameters): Iterable<unknown>;
  get(parameters: SqlParameters): unknown;
}

export interface Changed {
  readonly changes: number;
  /** Of the last row that the connection has inserted. */
  readonly lastRowid: bigint;
}

/** Errors leave through `guard`, as those of its connection do. */
export class Statement {
  readonly #statement: LibraryStatement;
  readonly #guard: <T>(work: () => T) => T;

  constructor(statement: LibraryStatement, guard: <T>(work: () => T) => T) {
    this.#statement = statement.safeIntegers(true);
    if (statement.reader) this.#statement.raw(true);
    this.#guard = guard;
  }

  /** Whether it only reads. */
  get readonly(): boolean {
    return this.#statement.readonly;
  }

  run(parameters: SqlParameters): Changed {
    const { changes, lastInsertRowid } = this.#guard(() => this.#statement.run(parameters));
    return { changes, lastRowid: BigInt(lastInsertRowid) };
  }

  /** Rows as arrays: integers as bigints, text as strings, blobs as buffers of their own. */
  all(parameters: SqlParameters = []): (readonly SqlValue[])[] {
    return this.#guard(() => this.#statement.all(parameters) as (readonly SqlValue[])[]);
  }

  /** The same rows, up to and with the first that is the last to be had. */
  allUpTo(
    isLast: (row: readonly SqlValue[]) => boolean,
    parameters: SqlParameters = [],
  ): (readonly SqlValue[])[] {
    return this.#guard(() => {
      const rows: (readonly SqlValue[])[] = [];
      for (const row of this.#statement.iterate(parameters) as Iterable<readonly SqlValue[]>) {
        rows.push(row);
        if (isLast(row)) break;
      }
      return rows;
    });
  }

  get(parameters: SqlParameters = []): readonly SqlValue[] | undefined {
    return this.#guard(() => this.#statement.get(parameters) as readonly SqlValue[] | undefined);
  }
}

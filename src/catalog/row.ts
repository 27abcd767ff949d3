/** Reads one row of the catalog without believing it: what is not as the schema says is CATALOG_CORRUPT. */
import { CODES, type ErrorCode, type ErrorRecord, TidemarkError } from '../base/errors.js';
import type { Row } from '../sqlite/sqlite.js';

export class RowReader {
  readonly #table: string;
  readonly #id: string;
  readonly #row: Row;

  /** `id` is how messages name the row. */
  constructor(table: string, id: string, row: Row) {
    this.#table = table;
    this.#id = id;
    this.#row = row;
  }

  text(column: string): string {
    const value = this.#row[column];
    return typeof value === 'string' ? value : this.refuse(column, 'text');
  }

  /** A whole number from 0 on. */
  count(column: string): number {
    const value = this.#row[column];
    return Number.isSafeInteger(value) && typeof value === 'number' && value >= 0
      ? value
      : this.refuse(column, 'a whole number from 0 on');
  }

  /** A number from 0 on, with fractions. */
  amount(column: string): number {
    const value = this.#row[column];
    return typeof value === 'number' && value >= 0 && value < Number.POSITIVE_INFINITY
      ? value
      : this.refuse(column, 'a number from 0 on');
  }

  oneOf<T extends string>(column: string, values: readonly T[]): T {
    const value = this.#row[column];
    return values.find((one) => one === value) ?? this.refuse(column, `one of ${values.join(', ')}`);
  }

  /** `undefined` for NULL, else what `read` makes of it. */
  maybe<T>(column: string, read: (column: string) => T): T | undefined {
    return this.#row[column] === null ? undefined : read.call(this, column);
  }

  json(column: string): unknown {
    const text = this.text(column);
    try {
      return JSON.parse(text);
    } catch {
      return this.refuse(column, 'JSON');
    }
  }

  /** An object whose values are all strings. */
  strings(column: string): Readonly<Record<string, string>> {
    const value = this.json(column);
    if (!isObject(value)) return this.refuse(column, 'a JSON object');
    const strings: [name: string, value: string][] = [];
    for (const [name, item] of Object.entries(value)) {
      if (typeof item !== 'string') return this.refuse(column, 'a JSON object of strings');
      strings.push([name, item]);
    }
    // Not by assignment: `__proto__` is a name like any other here.
    return Object.fromEntries(strings);
  }

  error(column: string): ErrorRecord {
    const value = this.json(column);
    if (!isObject(value)) return this.refuse(column, 'an error as a JSON object');
    const { code, message, hint, operator, element, at, position, stack } = value;
    if (typeof code !== 'string' || typeof message !== 'string')
      return this.refuse(column, 'an error with code and message');
    const rest = { hint, operator, element, at, position, stack };
    const texts = Object.entries(rest).filter(([, item]) => typeof item === 'string');
    // A code that a later tidemark added: its message still says all.
    return { code: isCode(code) ? code : 'JOB_FAILED', message, ...Object.fromEntries(texts) };
  }

  /** For what a reader of its own finds wrong. */
  refuse(column: string, expected: string): never {
    const found = JSON.stringify(this.#row[column])?.slice(0, 80) ?? 'no such column';
    const where = `catalog table ${this.#table}, row ${this.#id}, column ${column}`;
    throw new TidemarkError('CATALOG_CORRUPT', `${where}: expected ${expected}, found ${found}`, {
      hint: 'bring the home back from a backup',
    });
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(CODES, code);
}

/** Elements as rows of CSV (RFC 4180, but for the line end, which is `\n`). The only importer of csv-stringify. */
import { createRequire } from 'node:module';
import { TidemarkError } from '../base/errors.js';
import { isBag, unknownNames } from '../graph/bag.js';
import { show } from '../graph/names.js';
import type { Encoder } from './file-sink/encoder.js';

type Stringify = typeof import('csv-stringify/sync').stringify;
let loaded: Stringify | undefined;

/** Loaded by the first that writes CSV. */
function csvStringify(): Stringify {
  loaded ??= (createRequire(import.meta.url)('csv-stringify/sync') as typeof import('csv-stringify/sync'))
    .stringify;
  return loaded;
}

export interface CsvOptions<C extends string> {
  /** The properties of an element that are written, in this order; their names are the header. */
  readonly columns: readonly C[];
  /** Whether each file begins with the names of the columns. Default true. */
  readonly header?: boolean;
  /** Default `,`. */
  readonly delimiter?: string;
}

/** What `csv(…)` makes. */
export interface CsvFormat<C extends string = string> {
  readonly kind: 'csv';
  readonly columns: readonly C[];
  readonly header: boolean;
  readonly delimiter: string;
}

/**
 * CSV, for the `format` of a `fileSink`: a row an element, with the properties named by `columns`.
 *
 * Strings, numbers, bigints and booleans are written as they print, a Date in ISO form; null and undefined are empty, as
 * the empty string is. What a field cannot hold in one unmistakable way (an object, NaN, half a surrogate pair) is refused
 * with VALUE_REFUSED and its column. Fields with quotes, delimiters or line ends are quoted, so that a row may have
 * several lines.
 * @throws TidemarkError DEFINITION_INVALID for options that cannot be meant.
 * @example
 * counts.sink('out', fileSink('out', { format: csv({ columns: ['word', 'n'] }) }));
 */
export function csv<const C extends string>(options: CsvOptions<C>): CsvFormat<C> {
  const findings = csvFindings(options);
  if (findings.length > 0) throw new TidemarkError('DEFINITION_INVALID', `csv(): ${findings.join('; ')}`);
  const { columns, header = true, delimiter = ',' } = options;
  return { kind: 'csv', columns, header, delimiter };
}

/** True for what `csv` made, of any copy of the library. */
export function isCsvFormat(value: unknown): value is CsvFormat {
  return isBag(value) && value['kind'] === 'csv' && Array.isArray(value['columns']);
}

function csvFindings(options: unknown): string[] {
  if (!isBag(options)) return [`expected options with columns, found ${show(options)}`];
  const findings = unknownNames(options, ['columns', 'header', 'delimiter']);
  const { columns, header, delimiter } = options;
  if (!Array.isArray(columns) || columns.length === 0) findings.push('columns names one property or more');
  else {
    for (const [i, name] of columns.entries()) {
      if (typeof name !== 'string' || !name.isWellFormed())
        findings.push(`columns: ${show(name)} is no name of a property`);
      else if (columns.indexOf(name) !== i) findings.push(`columns: ${show(name)} stands there twice`);
    }
  }
  if (header !== undefined && typeof header !== 'boolean')
    findings.push(`header: expected true or false, found ${show(header)}`);
  if (delimiter !== undefined && !isDelimiter(delimiter))
    findings.push('delimiter: expected one character that is no quote and no line end');
  return findings;
}

function isDelimiter(value: unknown): boolean {
  return typeof value === 'string' && [...value].length === 1 && !/["\r\n\ufeff]/.test(value);
}

/** `sink`: its uid, for errors. */
export function csvEncoder(format: CsvFormat, sink: string): Encoder<unknown> {
  const { columns, header, delimiter } = format;
  const row = (fields: readonly string[]) =>
    csvStringify()([fields], {
      delimiter,
      record_delimiter: '\n',
      // Some readers end a line at `\r` alone, and some take what a file begins with for a byte order mark.
      quoted_match: /[\r\n\ufeff]/,
      // A row of one empty field would be an empty line, which readers pass over.
      quoted_empty: columns.length === 1,
    });
  return {
    head: header ? row(columns) : '',
    line(element) {
      if (!isBag(element)) throw refused(sink, `the element is ${show(element)}, no object with properties`);
      return row(columns.map((column) => field(element[column], column, sink)));
    },
  };
}

function field(value: unknown, column: string, sink: string): string {
  switch (typeof value) {
    case 'string':
      if (value.isWellFormed()) return value;
      break;
    case 'number':
      if (Number.isFinite(value)) return String(value);
      break;
    case 'bigint':
    case 'boolean':
      return String(value);
    case 'undefined':
      return '';
    default:
      if (value === null) return '';
      if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  }
  throw refused(sink, `column ${column} cannot hold ${show(value)}`);
}

function refused(sink: string, what: string): TidemarkError {
  return new TidemarkError('VALUE_REFUSED', `sink ${sink}: no row of CSV: ${what}`, {
    hint: 'map it to strings, numbers and booleans before the sink, or give the sink an encode function',
  });
}

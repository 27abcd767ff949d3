/** The options of what reads records from bytes, files or standard input, and what they mean. */
import type { StandardSchema } from '../../codec/schema.js';
import { CsvDecoder, headerProblem } from './csv.js';
import { JsonDecoder, lineDecoder } from './decoder.js';
import type { GzipMode } from './gunzip.js';
import type { Format } from './open-file.js';
import { CsvEnds, LineEnds } from './record-reader.js';

/** Longest line, in bytes, unless `maxLine` says otherwise. */
export const DEFAULT_MAX_LINE = 16 * 1024 * 1024;

export interface RecordOptions {
  /** Elements per second over all splits together. */
  readonly rate?: number;
  /** The longest line allowed, in bytes; a longer one fails the job. Default 16 MiB. */
  readonly maxLine?: number;
}

export interface Lines {
  readonly format?: 'lines';
}

export interface AnyJson {
  /** One JSON document a line; blank lines are passed over. */
  readonly format: 'json';
  readonly schema?: undefined;
}

export interface CheckedJson<T> {
  readonly format: 'json';
  /** Checks every element, and types it. Any Standard Schema: zod, valibot, arktype. */
  readonly schema: StandardSchema<T>;
}

interface Csv {
  readonly format: 'csv';
  /** Default `,`. */
  readonly delimiter?: string;
  /** The column names, for input without a header row. Default: the first record of each file has them. */
  readonly header?: readonly string[];
}

export interface AnyCsv extends Csv {
  readonly schema?: undefined;
}

export interface CheckedCsv<T> extends Csv {
  /** Checks every row, an object of strings by column name, and types it. */
  readonly schema: StandardSchema<T>;
}

export type AnyFormat = Lines | AnyJson | CheckedJson<unknown> | AnyCsv | CheckedCsv<unknown>;

export function formatOf(options: RecordOptions & AnyFormat, gzip: GzipMode): Format<unknown> {
  const common = { maxLine: options.maxLine ?? DEFAULT_MAX_LINE, gzip };
  switch (options.format) {
    case 'json':
      return {
        ...common,
        ends: () => new LineEnds(),
        decoder: (name) => new JsonDecoder(name, options.schema),
      };
    case 'csv':
      return {
        ...common,
        ends: () => new CsvEnds(),
        decoder: (name, header) =>
          new CsvDecoder({
            name,
            delimiter: options.delimiter ?? ',',
            header: options.header ?? header,
            schema: options.schema,
          }),
      };
    default:
      return { ...common, ends: () => new LineEnds(), decoder: () => lineDecoder };
  }
}

/** All that is wrong with them. */
export function recordFindings(options: RecordOptions & AnyFormat): string[] {
  const findings: string[] = [];
  if (!['lines', 'json', 'csv', undefined].includes(options.format))
    findings.push(`the format is 'lines', 'json' or 'csv', not ${JSON.stringify(options.format)}`);
  for (const name of ['rate', 'maxLine'] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isFinite(value) && value > 0))
      findings.push(`${name} is a number above 0`);
  }
  if (options.format !== 'csv') return findings;
  const { delimiter, header } = options;
  if (delimiter !== undefined && (delimiter === '' || /["\r\n]/.test(delimiter)))
    findings.push('the delimiter is not empty and holds no quote and no line end');
  const problem = header === undefined ? undefined : headerProblem(header);
  if (problem !== undefined) findings.push(problem);
  return findings;
}

/**
 * CSV rows as objects by column name. The only importer of csv-parse.
 *
 * csv-parse takes the fields apart; where records end is found by `CsvEnds`, because csv-parse reports, for the
 * records of one call, the bytes of what it has looked at and not of the record (a record without a line end
 * reports none of its own), and cannot be resumed from the middle of a file.
 */
import { createRequire } from 'node:module';
import type { StandardSchema } from '../../codec/schema.js';
import { badRecord, type Decoder, textOf, validated } from './decoder.js';
import { CsvEnds, type Run } from './record-reader.js';

export type CsvRow = Readonly<Record<string, string>>;

type Parse = typeof import('csv-parse/sync').parse;
let loaded: Parse | undefined;

/** Loaded by the first that reads CSV: the library is part of every job, and most read none. */
function csvParse(): Parse {
  loaded ??= (createRequire(import.meta.url)('csv-parse/sync') as typeof import('csv-parse/sync')).parse;
  return loaded;
}

/** Takes whole records apart; empty lines have none. Throws for what is no CSV. */
export function csvFields(text: string, delimiter: string): string[][] {
  return csvParse()(text, {
    delimiter,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    skip_empty_lines: true,
  });
}

export interface CsvDecoderOptions<T> {
  /** For errors. */
  readonly name: string;
  readonly delimiter: string;
  /** The column names; undefined: the first record of the file has them. */
  readonly header: readonly string[] | undefined;
  readonly schema: StandardSchema<T> | undefined;
}

export class CsvDecoder<T> implements Decoder<T> {
  readonly #options: CsvDecoderOptions<T>;
  #header: readonly string[] | undefined;

  constructor(options: CsvDecoderOptions<T>) {
    this.#options = options;
    this.#header = options.header;
  }

  get header(): readonly string[] | undefined {
    return this.#header;
  }

  decode(run: Run): T[] {
    const rows: T[] = [];
    for (const [index, fields] of this.#fieldsOf(run).entries()) {
      if (this.#header === undefined) this.#header = this.#checkHeader(fields, run);
      else rows.push(this.#row(this.#header, fields, run, index));
    }
    return rows;
  }

  #fieldsOf(run: Run): string[][] {
    try {
      return this.#parse(textOf(run));
    } catch (error) {
      throw this.#locate(run, error);
    }
  }

  #parse(text: string): string[][] {
    return csvFields(text, this.#options.delimiter);
  }

  #row(header: readonly string[], fields: readonly string[], run: Run, index: number): T {
    const place = () => this.#recordAt(run, index).offset;
    if (fields.length !== header.length) {
      const why = `${fields.length} fields where the header has ${header.length}`;
      throw badRecord(this.#options.name, place(), fields.join(this.#options.delimiter), why);
    }
    const row: Record<string, string> = {};
    for (const [i, name] of header.entries()) row[name] = fields[i] ?? '';
    return validated(
      row,
      this.#options.schema,
      this.#options.name,
      fields.join(this.#options.delimiter),
      place,
    );
  }

  #checkHeader(names: readonly string[], run: Run): readonly string[] {
    const problem = headerProblem(names);
    if (problem === undefined) return names;
    throw badRecord(this.#options.name, run.offset, names.join(this.#options.delimiter), problem);
  }

  /** The error, with the place of the first record that does not parse on its own. */
  #locate(run: Run, error: unknown): Error {
    const why = error instanceof Error ? error.message : String(error);
    for (const record of recordsOf(run)) {
      try {
        this.#parse(record.text);
      } catch {
        return badRecord(this.#options.name, record.offset, record.text.trimEnd(), `not CSV (${why})`);
      }
    }
    return badRecord(this.#options.name, run.offset, '', `not CSV (${why})`);
  }

  /** The record that the `index`th parsed row of the run came from: empty lines have no row. */
  #recordAt(run: Run, index: number): { readonly offset: number } {
    const full = recordsOf(run).filter((record) => !/^\r?\n?$/.test(record.text));
    return full[index] ?? run;
  }
}

/** What is wrong with these column names, if anything. */
export function headerProblem(names: readonly string[]): string | undefined {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) return `the header names the column ${JSON.stringify(twice)} twice`;
  if (names.includes('__proto__')) return 'the header names a column __proto__, which no object can hold';
  return undefined;
}

function recordsOf(run: Run): { readonly text: string; readonly offset: number }[] {
  const records = [];
  const ends = new CsvEnds();
  for (let from = 0; from < run.bytes.length; ) {
    const found = ends.find(run.bytes, from);
    const end = found < 0 ? run.bytes.length : found;
    const bytes = run.bytes.subarray(from, end);
    records.push({ text: textOf({ bytes, offset: run.offset + from }), offset: run.offset + from });
    from = end;
  }
  return records;
}

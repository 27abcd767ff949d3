/** Rows of JSON lines and of CSV. What is wrong with one row is that row's problem, and reading goes on. */
import { TidemarkError } from '../base/errors.js';
import type { GivenEntry } from './entry-from-view.js';
import { parseExactJson } from './exact-json.js';
import type { DataRow, ImportTarget, Place, TargetState } from './import-target.js';
import { type ColumnFlags, csvCellReader, isFlagged, RowMapping } from './row-mapping.js';
import { possibleColumns } from './table-columns.js';
import { MAX_RECORD_BYTES, type TextRecord, textRecords } from './text-records.js';

/** Fields of a line as `inspect` prints it, and the kind, which an export adds where a name has two. */
const FIELDS = new Set([
  'operator',
  'state',
  'kind',
  'keyGroup',
  'key',
  'namespace',
  'mapKey',
  'value',
  'expires',
]);

/**
 * Lines as `inspect --state --json` and exports print them; `operator` and `state` may be left out where the target has
 * one state only. With flags, lines are rows of one state, and their fields columns.
 */
export async function* lineRows(
  chunks: AsyncIterable<Uint8Array>,
  target: ImportTarget,
  flags: ColumnFlags,
  most = MAX_RECORD_BYTES,
): AsyncGenerator<DataRow, void> {
  const state = isFlagged(flags) ? target.single : undefined;
  for await (const record of textRecords(chunks, 'lines', most)) {
    const place: Place = { unit: 'line', number: record.line };
    const row = guarded(place, () => {
      const fields = fieldsOf(record);
      return state === undefined
        ? lineRow(fields, target)
        : { state, given: flaggedRow(fields, state, flags) };
    });
    if (row !== undefined) yield row;
  }
}

function fieldsOf({ text, problem }: TextRecord): Readonly<Record<string, unknown>> {
  if (text === undefined) throw new TidemarkError('USAGE', problem ?? '');
  const json = parseExactJson(text);
  if (typeof json === 'object' && json !== null && !Array.isArray(json))
    return json as Readonly<Record<string, unknown>>;
  throw new TidemarkError('USAGE', 'not an object');
}

/** Undefined for one of a state that is not wanted. */
function lineRow(fields: Readonly<Record<string, unknown>>, target: ImportTarget) {
  const unknown = Object.keys(fields).find((name) => !FIELDS.has(name));
  if (unknown !== undefined)
    throw new TidemarkError('USAGE', `a field ${JSON.stringify(unknown.slice(0, 100))}, which no entry has`);
  const { operator, state: name, kind, keyGroup: _, ...given } = fields;
  for (const [field, text] of Object.entries({ operator, state: name, kind }))
    if (text !== undefined && typeof text !== 'string') throw new TidemarkError('USAGE', `${field} is text`);
  const state =
    operator === undefined && name === undefined
      ? target.single
      : target.find(String(operator), String(name), kind as string | undefined);
  if (typeof state === 'string') throw new TidemarkError('USAGE', state);
  return target.takes(state) ? { state, given: given as GivenEntry } : undefined;
}

function flaggedRow(
  fields: Readonly<Record<string, unknown>>,
  state: TargetState,
  flags: ColumnFlags,
): GivenEntry {
  const names = Object.keys(fields);
  const mapping = new RowMapping(names, state, flags);
  return mapping.given((place) => {
    const name = names[place] ?? '';
    const field = fields[name];
    return typeof field === 'string' && flags.json.includes(name) ? parseExactJson(field) : field;
  });
}

/** Takes apart whole CSV records. Throws for what is no CSV. */
export type ParseCsv = (text: string, delimiter: string) => readonly (readonly string[])[];

/** Records that are taken apart at once. */
const BATCH = 512;

/** Rows of the target's one state; the first record names the columns. @throws USAGE for columns that make no entries */
export async function* csvRows(
  chunks: AsyncIterable<Uint8Array>,
  target: ImportTarget,
  flags: ColumnFlags,
  { parse, delimiter }: { readonly parse: ParseCsv; readonly delimiter: string },
  most = MAX_RECORD_BYTES,
): AsyncGenerator<DataRow, void> {
  const state = target.single;
  let read: ((fields: readonly string[]) => GivenEntry) | undefined;
  for await (const { record, fields } of parsedRecords(textRecords(chunks, 'csv', most), parse, delimiter)) {
    const place: Place = { unit: 'line', number: record.line };
    if (read === undefined) {
      if (typeof fields === 'string')
        throw new TidemarkError('USAGE', `line ${record.line}, the names of the columns: ${fields}`);
      read = csvReader(fields, state, flags);
      continue;
    }
    const use = read;
    const row = guarded(place, () => {
      if (typeof fields === 'string') throw new TidemarkError('USAGE', fields);
      return { state, given: use(fields) };
    });
    if (row !== undefined) yield row;
  }
}

function csvReader(
  names: readonly string[],
  state: TargetState,
  flags: ColumnFlags,
): (fields: readonly string[]) => GivenEntry {
  const mapping = new RowMapping(names, state, flags);
  const own = possibleColumns(state.table, state.operator);
  const ours = !isFlagged(flags) && names.every((name) => own.has(name));
  const cell = csvCellReader(ours, flags);
  return (fields) => {
    if (fields.length !== names.length)
      throw new TidemarkError('USAGE', `${fields.length} fields, the first line names ${names.length}`);
    return mapping.given((place, type) => cell(fields[place] ?? '', type, names[place] ?? ''));
  };
}

interface ParsedRecord {
  readonly record: TextRecord;
  /** A text says what is wrong. */
  readonly fields: readonly string[] | string;
}

async function* parsedRecords(
  records: AsyncIterable<TextRecord>,
  parse: ParseCsv,
  delimiter: string,
): AsyncGenerator<ParsedRecord, void> {
  let batch: TextRecord[] = [];
  for await (const record of records) {
    batch.push(record);
    if (batch.length < BATCH) continue;
    yield* parsedBatch(batch, parse, delimiter);
    batch = [];
  }
  yield* parsedBatch(batch, parse, delimiter);
}

/** All at once where that gives a row a record; else one by one, so that what is wrong with one is that one's. */
function* parsedBatch(
  batch: readonly TextRecord[],
  parse: ParseCsv,
  delimiter: string,
): Generator<ParsedRecord, void> {
  const rows = batch.every(({ text }) => text !== undefined)
    ? attempt(() => parse(batch.map(({ text }) => text).join('\n'), delimiter))
    : '';
  const together = typeof rows !== 'string' && rows.length === batch.length ? rows : undefined;
  for (const [i, record] of batch.entries()) {
    const { text, problem } = record;
    if (together !== undefined) yield { record, fields: together[i] ?? [] };
    else if (text === undefined) yield { record, fields: problem ?? '' };
    else {
      const alone = attempt(() => parse(text, delimiter));
      yield { record, fields: typeof alone === 'string' ? `not CSV: ${alone}` : (alone[0] ?? []) };
    }
  }
}

function attempt<T>(act: () => T): T | string {
  try {
    return act();
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).slice(0, 300);
  }
}

/** A row, or what is wrong with it. */
export function guarded(
  place: Place,
  make: () => { readonly state: TargetState; readonly given: GivenEntry } | undefined,
): DataRow | undefined {
  try {
    const made = make();
    return made === undefined ? undefined : { place, ...made };
  } catch (error) {
    if (error instanceof TidemarkError && error.code === 'USAGE') return { place, problem: error.message };
    throw error;
  }
}

/** Turns runs of bytes into elements. Bytes that are no UTF-8 become U+FFFD, as everywhere in Node. */
import { TidemarkError } from '../../base/errors.js';
import type { StandardSchema } from '../../codec/schema.js';
import type { Run } from './record-reader.js';

/** Characters of a bad line that an error shows. */
const SHOWN_CHARS = 120;

export interface Decoder<T> {
  /** The elements of a run, in order. Throws SOURCE_DATA. */
  decode(run: Run): T[];
  /** CSV: the column names known so far. */
  readonly header?: readonly string[] | undefined;
}

/** The text of a run, without the byte order mark a file may begin with. */
export function textOf(run: Run): string {
  const text = run.bytes.toString('utf8');
  return run.offset === 0 && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** Lines without their ends, `\n` or `\r\n`. */
export function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  if (!text.includes('\r')) return lines;
  return lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
}

/** Where line `index` of the run begins in the file. */
export function offsetOfLine(run: Run, index: number): number {
  let at = 0;
  for (let line = 0; line < index; line++) at = run.bytes.indexOf(0x0a, at) + 1;
  return run.offset + at;
}

/** The error for an element that cannot be read. */
export function badRecord(name: string, offset: number, shown: string, why: string): TidemarkError {
  const cut = shown.length > SHOWN_CHARS ? `${shown.slice(0, SHOWN_CHARS)}…` : shown;
  return new TidemarkError('SOURCE_DATA', `${name}: byte ${offset}: ${why}: ${cut}`, {
    hint: 'mend the line in the file, or read it as lines and parse it in the job',
  });
}

export const lineDecoder: Decoder<string> = {
  decode: (run) => linesOf(textOf(run)),
};

/** One JSON document a line; blank lines are passed over. */
export class JsonDecoder<T> implements Decoder<T> {
  readonly #name: string;
  readonly #schema: StandardSchema<T> | undefined;

  constructor(name: string, schema: StandardSchema<T> | undefined) {
    this.#name = name;
    this.#schema = schema;
  }

  decode(run: Run): T[] {
    const elements: T[] = [];
    const lines = linesOf(textOf(run));
    for (const [index, line] of lines.entries()) {
      if (line.trim() === '') continue;
      const place = () => offsetOfLine(run, index);
      elements.push(validated(this.#parse(line, place), this.#schema, this.#name, line, place));
    }
    return elements;
  }

  #parse(line: string, place: () => number): unknown {
    try {
      return JSON.parse(line);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw badRecord(this.#name, place(), line, `not JSON (${why})`);
    }
  }
}

/** The element as the schema has it; unchecked without one. */
export function validated<T>(
  value: unknown,
  schema: StandardSchema<T> | undefined,
  name: string,
  shown: string,
  place: () => number,
): T {
  if (schema === undefined) return value as T;
  const result = schema['~standard'].validate(value);
  if (result instanceof Promise) {
    throw new TidemarkError('DEFINITION_INVALID', 'files(): an asynchronous schema cannot check elements');
  }
  if (result.issues === undefined) return result.value;
  const [issue] = result.issues;
  const path = issue?.path
    ?.map((part) => (typeof part === 'object' && part !== null && 'key' in part ? part.key : part))
    .join('.');
  const where = path === undefined || path === '' ? '' : ` at ${path}`;
  throw badRecord(
    name,
    place(),
    shown,
    `does not match its schema${where} (${issue?.message ?? 'no reason given'})`,
  );
}

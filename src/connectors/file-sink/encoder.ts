/** How elements become the text of files. */
import { TidemarkError } from '../../base/errors.js';
import { jsonLine } from '../json-line.js';

/** One for each writer. */
export interface Encoder<T> {
  /** What each file begins with, with its line end; empty: nothing. */
  readonly head: string;
  /** One element, with its line end. Throws VALUE_REFUSED. */
  line(element: T): string;
}

/** What the files are called at the end, before `.gz`. */
export type Extension = '.jsonl' | '.csv';

export interface Encoding<T> {
  readonly extension: Extension;
  /** `sink`: its uid, for errors. */
  encoder(sink: string): Encoder<T>;
}

export const jsonEncoding: Encoding<unknown> = {
  extension: '.jsonl',
  encoder: (sink) => ({ head: '', line: (element) => `${jsonLine(element, sink)}\n` }),
};

/** By a function of the user's. Names stay what they always were. */
export function customEncoding<T>(encode: (element: T) => string): Encoding<T> {
  return {
    extension: '.jsonl',
    encoder: (sink) => ({ head: '', line: (element) => `${checked(encode(element), sink)}\n` }),
  };
}

function checked(text: unknown, sink: string): string {
  if (typeof text === 'string') return text;
  throw new TidemarkError('VALUE_REFUSED', `sink ${sink}: encode returned ${typeof text}, not a string`);
}

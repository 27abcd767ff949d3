/** How far standard input has been read. */
import { type Schema, schema } from '../../codec/schema.js';
import { isBag } from '../../graph/bag.js';
import type { InputPlace } from '../../graph/source.js';

/** Only good in the process that has it: of what another had nothing is left. */
export interface StdinPosition extends InputPlace {
  /** CSV: the column names, once they were read. */
  readonly header?: readonly string[];
}

/** Positions come back from archives that others may have made: every field is checked. */
export const stdinPosition: Schema<StdinPosition> = schema({
  '~standard': {
    version: 1,
    vendor: 'tidemark',
    validate: (value) =>
      isPosition(value) ? { value } : { issues: [{ message: 'is not a position in standard input' }] },
  },
});

function isPosition(value: unknown): value is StdinPosition {
  if (!isBag(value)) return false;
  const { run, offset, header } = value;
  return (
    typeof run === 'string' &&
    Number.isSafeInteger(offset) &&
    Number(offset) >= 0 &&
    (header === undefined || (Array.isArray(header) && header.every((name) => typeof name === 'string')))
  );
}

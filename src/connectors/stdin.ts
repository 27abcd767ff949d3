/**
 * The source that reads standard input.
 *
 * Invariants: one split; what one process reads, each attempt of it reads from where its checkpoint was, as long as that is
 * held (16 MiB); what a process has read and not processed is gone with it, and a position of it means the beginning to
 * the next.
 */
import { TidemarkError } from '../base/errors.js';
import { isBag, unknownNames } from '../graph/bag.js';
import { show } from '../graph/names.js';
import type { SourceSpec } from '../graph/source.js';
import type { CsvRow } from './files/csv.js';
import {
  type AnyCsv,
  type AnyFormat,
  type AnyJson,
  type CheckedCsv,
  type CheckedJson,
  formatOf,
  type Lines,
  type RecordOptions,
  recordFindings,
} from './files/record-options.js';
import { type StdinPosition, stdinPosition } from './stdin/position.js';
import { readStdin } from './stdin/read.js';

const OPTIONS = ['format', 'schema', 'delimiter', 'header', 'rate', 'maxLine'];

/**
 * Reads the standard input of the process that runs the job: lines, JSON documents or CSV rows, as `files` does. The job
 * ends with its input (Ctrl-D at a terminal). One source of a job can read it.
 *
 * It cannot be replayed, and `plan` says so: when the process ends, what it had read and not yet processed before its last
 * checkpoint is lost, and a job that is resumed goes on with the standard input it is then given. An attempt that fails
 * and starts again in the same process loses nothing, unless its last checkpoint is more than 16 MiB back; then the log
 * says how much. A detached job has no standard input: the source ends at once, and the log says so.
 *
 * Errors: SOURCE_DATA for a line that cannot be read, with its byte offset; SOURCE_FAILED where the system refuses to read.
 * @throws TidemarkError DEFINITION_INVALID with all that is wrong with the options.
 * @example
 * job.source('events', stdin({ format: 'json', schema: Event }));
 */
export function stdin<T>(options: RecordOptions & CheckedJson<T>): SourceSpec<T, StdinPosition>;
export function stdin<T>(options: RecordOptions & CheckedCsv<T>): SourceSpec<T, StdinPosition>;
export function stdin<T = unknown>(options: RecordOptions & AnyJson): SourceSpec<T, StdinPosition>;
export function stdin(options: RecordOptions & AnyCsv): SourceSpec<CsvRow, StdinPosition>;
export function stdin(options?: RecordOptions & Lines): SourceSpec<string, StdinPosition>;
export function stdin(options: RecordOptions & AnyFormat = {}): SourceSpec<unknown, StdinPosition> {
  const findings = isBag(options)
    ? [...unknownNames(options, OPTIONS), ...recordFindings(options)]
    : [`expected options, found ${show(options)}`];
  if (findings.length > 0) throw new TidemarkError('DEFINITION_INVALID', `stdin(): ${findings.join('; ')}`);
  const format = formatOf(options, false);
  return {
    kind: 'stdin',
    describe: `standard input, as ${options.format ?? 'lines'}`,
    position: stdinPosition,
    replayable: false,
    exclusive: 'standard input',
    ...(options.rate === undefined ? {} : { rate: options.rate }),
    splits: () => [{ id: 'stdin', start: { run: '', offset: 0 } }],
    read: (request) => readStdin(request, format),
  };
}

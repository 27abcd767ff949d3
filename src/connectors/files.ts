/**
 * The source that reads files: lines, JSON documents or CSV rows, once or as they grow.
 *
 * Invariants: one split a file (when following: a file with its rotations), named by its path relative to the
 * fixed folder of the pattern, so that a job finds its splits again wherever the folder is; a position is a
 * byte offset with a fingerprint of what precedes it, so that reading on yields exactly what follows or fails.
 */
import { join, posix } from 'node:path';
import { parseDuration } from '../base/duration.js';
import { TidemarkError } from '../base/errors.js';
import { schema } from '../codec/schema.js';
import type { SourceContext, SourceSpec, Split } from '../graph/source.js';
import type { CsvRow } from './files/csv.js';
import { follow } from './files/follow.js';
import { matches, type Pattern, parsePattern } from './files/glob.js';
import { comparePositions, type FilePosition, filePosition, startOf } from './files/position.js';
import { checkOnce, readOnce } from './files/read-once.js';
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
import { familiesOf } from './files/rotation.js';

export type { CsvRow, FilePosition };

/** Milliseconds between two looks at a followed file, unless `pollInterval` says otherwise. */
export const DEFAULT_POLL_INTERVAL = 200;
/** What looks at a position is not told to stop. */
const NEVER = new AbortController().signal;
/** A pattern is matched anew once in this many looks. */
const LOOKS_PER_MATCH = 5;

interface FileOptions extends RecordOptions {
  /**
   * Go on reading as the files grow, for ever, and take up new files that match. A line is handed out once its
   * end is there. Rotation by renaming (`app.log` to `app.log.1` or `app.log-20260131`) loses and doubles
   * nothing, also while the job is down, as long as the rotated file is neither deleted nor compressed before
   * it was read to its end. Rotation by copying and truncating (logrotate's `copytruncate`) loses what was
   * written after the last look and before the truncation. What is safe is what a checkpoint has seen: a file that
   * came up, and was rotated while the job was down, before the next checkpoint (a new job takes one at once) is
   * read only if the pattern matches its new name, too: follow `app.log*` rather than `app.log` where that matters.
   */
  readonly follow?: boolean;
  /**
   * Whether a file is gzip: `'auto'` looks at its first two bytes, so that a pattern may match both kinds. What it
   * inflates to is read as if it were the file, in bounded memory; a job that goes on inflates again what it has read.
   * With `follow` files are taken as they are. Default `'auto'`.
   */
  readonly gzip?: boolean | 'auto';
  /** With `follow`: time between two looks, `'1s'` or milliseconds. Default 200 ms. */
  readonly pollInterval?: string | number;
}

type FilesOptions = FileOptions & AnyFormat;

/**
 * Reads a file, or all files that match a pattern (`logs/*.jsonl`), as UTF-8. Relative paths are relative to
 * where the job was first started. Exactly-once: after a failure it goes on at the byte it had come to.
 *
 * Elements are lines without their ends (`\n` or `\r\n`), JSON documents, or CSV rows as objects by column name. Files
 * may be compressed by gzip; byte offsets are of what they inflate to then, and one that is cut off or damaged is
 * SOURCE_DATA once that is seen, after the elements before.
 *
 * Errors: FILE_NOT_FOUND when nothing matches (files that were read to their ends may be deleted, and the job
 * restarts, resumes or is restored without them); SOURCE_DATA for a line that cannot be read, with file and byte
 * offset; SOURCE_CHANGED when a file is resumed whose beginning is no longer what was read.
 * @example
 * job.source('flights', files('flights/*.csv.gz', { format: 'csv' }));
 */
export function files<T>(pattern: string, options: FileOptions & CheckedJson<T>): SourceSpec<T, FilePosition>;
export function files<T>(pattern: string, options: FileOptions & CheckedCsv<T>): SourceSpec<T, FilePosition>;
export function files<T = unknown>(
  pattern: string,
  options: FileOptions & AnyJson,
): SourceSpec<T, FilePosition>;
export function files(pattern: string, options: FileOptions & AnyCsv): SourceSpec<CsvRow, FilePosition>;
export function files(pattern: string, options?: FileOptions & Lines): SourceSpec<string, FilePosition>;
export function files(pattern: string, options: FilesOptions = {}): SourceSpec<unknown, FilePosition> {
  checkOptions(pattern, options);
  const format = formatOf(options, options.gzip ?? 'auto');
  const following = options.follow ?? false;
  const pollInterval = parseDuration(options.pollInterval ?? DEFAULT_POLL_INTERVAL, 'files(): pollInterval');
  return {
    kind: 'files',
    describe: following ? `${pattern}, as it grows` : pattern,
    position: schema(filePosition),
    ...(options.rate === undefined ? {} : { rate: options.rate }),
    ...(following ? { rediscover: pollInterval * LOOKS_PER_MATCH } : { concurrency: 1 }),
    splits: (context) => splitsOf(parsePattern(pattern, context.cwd), following, context),
    compare: comparePositions,
    read(request) {
      const { base } = parsePattern(pattern, request.cwd);
      if (!following) return readOnce(request, base, format);
      return follow(request, { base, live: request.split, format, pollInterval });
    },
    // A followed file may be anywhere, or come yet.
    ...(following
      ? {}
      : {
          check: (request) => {
            const { base } = parsePattern(pattern, request.cwd);
            return checkOnce({ ...request, signal: NEVER }, base, format);
          },
        }),
  };
}

async function splitsOf(
  pattern: Pattern,
  following: boolean,
  context: SourceContext,
): Promise<Split<FilePosition>[]> {
  if (!pattern.dynamic) return [await onlySplit(pattern, following, context)];
  const found = await matches(pattern);
  if (following) {
    return familiesOf(found, pattern.rest).map(({ live, members }) => ({
      id: live,
      start: startOf(members[0] ?? live),
    }));
  }
  if (found.length > 0) return found.map((path) => ({ id: path, start: startOf(path) }));
  throw new TidemarkError('FILE_NOT_FOUND', `no file matches ${pattern.given} in ${pattern.base}`, {
    hint: 'check the pattern; it is relative to where the job was first started',
  });
}

async function onlySplit(
  pattern: Pattern,
  following: boolean,
  context: SourceContext,
): Promise<Split<FilePosition>> {
  const split = { id: pattern.rest, start: startOf(pattern.rest) };
  const path = join(pattern.base, pattern.rest);
  const stat = await context.disk.stat(path);
  if (stat?.isFile || (following && stat === undefined)) return split;
  throw new TidemarkError(
    'FILE_NOT_FOUND',
    stat === undefined ? `there is no file ${path}` : `${path} is not a file`,
    {
      hint:
        stat === undefined ? 'check the path' : `to read the files in it: ${posix.join(pattern.given, '*')}`,
    },
  );
}

function checkOptions(pattern: string, options: FilesOptions): void {
  const wrong = (what: string): never => {
    throw new TidemarkError('DEFINITION_INVALID', `files(${JSON.stringify(pattern)}): ${what}`);
  };
  if (typeof pattern !== 'string' || pattern === '') wrong('the path is a non-empty string');
  if (![true, false, 'auto', undefined].includes(options.gzip)) {
    wrong(`gzip is true, false or 'auto', not ${JSON.stringify(options.gzip)}`);
  }
  if (options.gzip === true && options.follow === true) {
    wrong(
      'gzip cannot be followed: there is no way to go on inside it; follow the file before it is compressed',
    );
  }
  for (const finding of recordFindings(options)) wrong(finding);
}

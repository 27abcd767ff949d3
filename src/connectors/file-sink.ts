/**
 * The sink that writes files, exactly once.
 *
 * Invariants: a reader that ignores names with a dot sees committed elements only, each once; a file that it
 * sees is whole and never changes, and may be moved away.
 */
import { resolve } from 'node:path';
import { TidemarkError } from '../base/errors.js';
import { schema } from '../codec/schema.js';
import type { SinkSpec } from '../graph/sink.js';
import { FileCommitter } from './file-sink/committer.js';
import { isPrefix } from './file-sink/names.js';
import { type FileTransaction, fileTransaction } from './file-sink/transaction.js';
import { FileWriter } from './file-sink/writer.js';
import { jsonLine } from './json-line.js';

export type { FileTransaction };

const DEFAULT_PREFIX = 'part';

export interface FileSinkOptions<T> {
  /** One element as text, without its line end. Default: JSON; what JSON cannot hold is VALUE_REFUSED. */
  readonly encode?: (element: T) => string;
  /** What the files' names begin with. Default `part`. */
  readonly prefix?: string;
}

/**
 * Writes one line an element into `part-<job>-<attempt>-<uid>-<subtask>-<checkpoint>.jsonl` in a folder, a file
 * for each subtask and checkpoint that wrote anything. Exactly-once by two-phase commit (as Flink's `FileSink`):
 * a file has a hidden name until its checkpoint is complete, and a ledger in `<folder>/.tidemark` says which
 * are committed, so that consumers may move files away. One sink of one job at a time owns the folder. A relative
 * folder is relative to where the job was first started.
 *
 * A job restored from a snapshot that the folder is ahead of is refused with TARGET_AHEAD; with `--sinks rewind`,
 * what the snapshot's job and jobs restored from its snapshots wrote there later is set aside: `part-…` becomes
 * `.aside-part-…`. What a consumer has moved away by then stays where it is, and the log says so.
 */
export function fileSink<T>(folder: string, options: FileSinkOptions<T> = {}): SinkSpec<T, FileTransaction> {
  const { encode, prefix = DEFAULT_PREFIX } = options;
  if (typeof folder !== 'string' || folder === '') throw wrong('the folder is a non-empty string');
  if (!isPrefix(prefix)) {
    throw wrong('the prefix is 1 to 40 letters, digits, _ . or -, and begins with none of . and -');
  }
  return {
    kind: 'fileSink',
    describe: folder,
    target: folder,
    transaction: schema(fileTransaction),
    open(context) {
      const lineOf = (element: T) =>
        encode === undefined ? jsonLine(element, context.sink) : checked(encode(element), context.sink);
      return new FileWriter<T>(context, { folder: resolve(context.cwd, folder), prefix, encode: lineOf });
    },
    committer: (context) => new FileCommitter(context, resolve(context.cwd, folder)),
  };
}

function checked(text: unknown, sink: string): string {
  if (typeof text === 'string') return text;
  throw new TidemarkError('VALUE_REFUSED', `sink ${sink}: encode returned ${typeof text}, not a string`);
}

function wrong(what: string): TidemarkError {
  return new TidemarkError('DEFINITION_INVALID', `fileSink(): ${what}`);
}

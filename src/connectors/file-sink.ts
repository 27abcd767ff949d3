/**
 * The sink that writes files, exactly once.
 *
 * Invariants: a reader that ignores names with a dot sees committed elements only, each once; a file that it
 * sees is whole and never changes, and may be moved away.
 */
import { resolve } from 'node:path';
import type { SinkSpec } from '../graph/sink.js';
import type { CsvFormat } from './csv-format.js';
import { FileCommitter } from './file-sink/committer.js';
import { readFileSinkOptions } from './file-sink/options.js';
import { type FileTransaction, fileTransaction } from './file-sink/transaction.js';
import { FileWriter } from './file-sink/writer.js';

export type { FileTransaction };

interface CommonOptions {
  /** What the files' names begin with. Default `part`. */
  readonly prefix?: string;
  /** Compress each file by gzip: `true`, or how hard it tries, from 1 (fast) to 9 (small). The names end in `.gz`. */
  readonly gzip?: boolean | { readonly level: number };
  /**
   * Begin a new file within a checkpoint, too. `size`: before a file has more bytes of text than this (before
   * compression), as `'64MB'` or bytes; an element that alone is larger has a file for itself. `every`: once the first
   * element of a file was written this long ago, as `'1m'` or milliseconds; looked at as elements come.
   * The names then end in a number, `-00001`; after 10,000 files of one subtask the last takes what comes until the
   * barrier.
   */
  readonly part?: { readonly size?: string | number; readonly every?: string | number };
}

interface EncodedOptions<T> extends CommonOptions {
  /** One element as text, without its line end. */
  readonly encode: (element: T) => string;
  readonly format?: undefined;
}

interface FormattedOptions<T> extends CommonOptions {
  /** `'json'`, one document a line (what JSON cannot hold is VALUE_REFUSED), or `csv({ columns })`. Default `'json'`. */
  readonly format?: 'json' | CsvFormat<keyof T & string>;
  readonly encode?: undefined;
}

export type FileSinkOptions<T> = EncodedOptions<T> | FormattedOptions<T>;

/**
 * Writes one line an element into `part-<job>-<attempt>-<uid>-<subtask>-<checkpoint>.jsonl` in a folder, a file
 * for each subtask and checkpoint that wrote anything, or several with `part`. Exactly-once by two-phase commit (as
 * Flink's `FileSink`): a file has a hidden name until its checkpoint is complete, and a ledger in `<folder>/.tidemark`
 * says which are committed, so that consumers may move files away. One sink of one job at a time owns the folder. A
 * relative folder is relative to where the job was first started.
 *
 * No file spans two checkpoints: what a consumer sees is committed and whole, and what was committed is never written to
 * again. So files are at least as many as checkpoints that had something to write; for larger ones, raise the interval.
 *
 * A job restored from a snapshot that the folder is ahead of is refused with TARGET_AHEAD; with `--sinks rewind`,
 * what the snapshot's job and jobs restored from its snapshots wrote there later is set aside: `part-…` becomes
 * `.aside-part-…`. What a consumer has moved away by then stays where it is, and the log says so.
 * @throws TidemarkError DEFINITION_INVALID with all that is wrong with the options.
 * @example
 * events.sink('out', fileSink('out/events', { gzip: true, part: { size: '64MB', every: '1m' } }));
 */
export function fileSink<T>(folder: string, options: FileSinkOptions<T> = {}): SinkSpec<T, FileTransaction> {
  const { encoding, ...how } = readFileSinkOptions(folder, options);
  return {
    kind: 'fileSink',
    describe: folder,
    target: folder,
    transaction: fileTransaction,
    open(context) {
      const { extension } = encoding;
      return new FileWriter<T>(context, {
        ...how,
        folder: resolve(context.cwd, folder),
        extension,
        encoder: encoding.encoder(context.sink),
      });
    },
    committer: (context) => new FileCommitter(context, resolve(context.cwd, folder)),
  };
}

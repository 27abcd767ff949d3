/** One file being read: what is open, how far, and the fingerprint of what was read. */
import type { Disk, FileStat, ReadFile } from '../../base/disk.js';
import { systemCode, toTidemarkError } from '../../base/errors.js';
import type { Batch } from '../../graph/source.js';
import type { Decoder } from './decoder.js';
import type { GzipMode } from './gunzip.js';
import { type FilePosition, Fingerprint } from './position.js';
import { type RecordEnds, RecordReader } from './record-reader.js';

/** How the bytes of a file become elements. */
export interface Format<T> {
  readonly maxLine: number;
  /** Of files that are read once. */
  readonly gzip: GzipMode;
  ends(): RecordEnds;
  /** `header`: the column names a position brought along. */
  decoder(name: string, header: readonly string[] | undefined): Decoder<T>;
}

export class OpenFile<T> {
  /** Relative to the base folder; a rename is followed by setting it. */
  path: string;
  readonly file: ReadFile;
  readonly #format: Format<T>;
  readonly #name: string;
  /** Set when following: positions then carry what finds the file under another name. */
  readonly identity: FileStat | undefined;
  #print: Fingerprint;
  #reader: RecordReader;
  #decoder: Decoder<T>;

  constructor(opened: {
    readonly path: string;
    /** The full path, for errors. */
    readonly name: string;
    readonly file: ReadFile;
    readonly format: Format<T>;
    readonly print: Fingerprint;
    readonly position: FilePosition;
    readonly identity: FileStat | undefined;
  }) {
    this.path = opened.path;
    this.file = opened.file;
    this.identity = opened.identity;
    this.#format = opened.format;
    this.#name = opened.name;
    this.#print = opened.print;
    this.#decoder = opened.format.decoder(opened.name, opened.position.header);
    this.#reader = this.#readerAt(opened.position.offset);
  }

  get offset(): number {
    return this.#reader.offset;
  }

  get position(): FilePosition {
    const { header } = this.#decoder;
    return {
      path: this.path,
      offset: this.offset,
      head: this.#print.head,
      tail: this.#print.tail,
      ...(header === undefined ? {} : { header }),
      ...(this.identity === undefined
        ? {}
        : { inode: this.identity.inode, modified: this.identity.modified }),
    };
  }

  /** The next batch; undefined at the end. `final`: a last line without its end counts. `until`: one ends there, if it can. */
  async next(
    limit: number,
    final: boolean,
    until?: FilePosition,
  ): Promise<Batch<T, FilePosition> | undefined> {
    // In another file of the family it is one more place to end a batch at.
    const run = await this.#reader.next(limit, final, until?.offset);
    if (run === undefined) return undefined;
    const elements = this.#decoder.decode(run);
    this.#print.update(run.bytes);
    return { elements, position: this.position };
  }

  /** Whether what was read still stands before the offset. */
  stillThere(): Promise<boolean> {
    return this.#print.stillEndsAt(this.file, this.offset);
  }

  /** Forgets what was read ahead: the file has changed since. */
  refresh(): void {
    this.#reader.reset();
  }

  /** Begins again at the start of the same open file. */
  restart(): void {
    this.#print = new Fingerprint();
    this.#decoder = this.#format.decoder(this.#name, undefined);
    this.#reader = this.#readerAt(0);
  }

  #readerAt(offset: number): RecordReader {
    const { maxLine } = this.#format;
    return new RecordReader(this.file, { name: this.#name, offset, ends: this.#format.ends(), maxLine });
  }
}

/** Opens for reading; undefined when there is no such file. */
export async function openIfThere(disk: Disk, path: string): Promise<ReadFile | undefined> {
  try {
    return await disk.open(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw toTidemarkError(error, `cannot open ${path}`);
  }
}

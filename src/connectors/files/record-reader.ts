/**
 * Cuts a file into records (lines, or CSV records with quoted line ends) with exact byte offsets.
 *
 * Invariants: bytes come out in order, each once; a run holds whole records only, except that `final` lets the
 * last one go without its line end; memory is bounded by twice the longest record allowed and one block.
 */
import { assert } from '../../base/assert.js';
import type { ReadFile } from '../../base/disk.js';
import { TidemarkError } from '../../base/errors.js';

/** What one read asks the disk for. */
export const BLOCK_BYTES = 64 * 1024;
/** A run ends with the record that passes this many bytes. */
export const RUN_BYTES = 64 * 1024;

/** Finds where records end; remembers the state of a record whose end has not been seen. */
export interface RecordEnds {
  /** Looks on in `bytes` from `from`: the index after the end of the record, or -1. */
  find(bytes: Buffer, from: number): number;
  /** Forgets the record in hand. */
  reset(): void;
}

/** Records are lines. */
export class LineEnds implements RecordEnds {
  find(bytes: Buffer, from: number): number {
    return bytes.indexOf(0x0a, from) + 1 || -1;
  }

  reset(): void {}
}

/** Records are CSV: a line end between quotes does not end one. A doubled quote toggles twice. */
export class CsvEnds implements RecordEnds {
  #quoted = false;

  find(bytes: Buffer, from: number): number {
    for (let i = from; i < bytes.length; i++) {
      const byte = bytes[i];
      if (byte === 0x22) this.#quoted = !this.#quoted;
      else if (byte === 0x0a && !this.#quoted) return i + 1;
    }
    return -1;
  }

  reset(): void {
    this.#quoted = false;
  }
}

/** A run of whole records. `bytes` holds until the next call to the reader. */
export interface Run {
  readonly bytes: Buffer;
  /** Where the run begins in the file, in bytes. */
  readonly offset: number;
}

export interface RecordReaderOptions {
  /** For errors. */
  readonly name: string;
  readonly offset: number;
  readonly ends: RecordEnds;
  /** Longest record, in bytes, without its line end. */
  readonly maxLine: number;
}

export class RecordReader {
  readonly #file: Pick<ReadFile, 'read'>;
  readonly #options: RecordReaderOptions;
  /** `buffer[from, to)` was read and not handed out; ends were looked for up to `scanned`. */
  #buffer = Buffer.alloc(0);
  #from = 0;
  #to = 0;
  #scanned = 0;
  #offset: number;

  constructor(file: Pick<ReadFile, 'read'>, options: RecordReaderOptions) {
    this.#file = file;
    this.#options = options;
    this.#offset = options.offset;
  }

  /** Where the next run begins. */
  get offset(): number {
    return this.#offset;
  }

  /**
   * At most `limit` records, and none beyond the offset `until` where one ends there. Undefined at the end of the file; a
   * record without its end is then kept back, or handed out when `final`.
   */
  async next(limit: number, final: boolean, until?: number): Promise<Run | undefined> {
    for (;;) {
      const end = this.#cut(limit, (until ?? Number.NaN) - this.#offset);
      if (end > this.#from) return this.#take(end);
      this.#refuseLong(this.#to - this.#from);
      if ((await this.#fill()) > 0) continue;
      return final && this.#to > this.#from ? this.#take(this.#to) : undefined;
    }
  }

  /** Forgets what was read ahead, and its memory: the next run comes fresh from the file. */
  reset(): void {
    this.#buffer = Buffer.alloc(0);
    this.#from = 0;
    this.#to = 0;
    this.#scanned = 0;
    this.#options.ends.reset();
  }

  /** `stop`: bytes after which the run ends, if a record does. */
  #cut(limit: number, stop: number): number {
    const bytes = this.#buffer.subarray(0, this.#to);
    let end = this.#from;
    for (let records = 0; records < limit && end - this.#from < RUN_BYTES; records++) {
      const next = this.#options.ends.find(bytes, this.#scanned);
      if (next < 0) {
        this.#scanned = this.#to;
        break;
      }
      this.#refuseLong(next - 1 - end, end - this.#from);
      this.#scanned = next;
      end = next;
      if (end - this.#from === stop) break;
    }
    return end;
  }

  #take(end: number): Run {
    const run = { bytes: this.#buffer.subarray(this.#from, end), offset: this.#offset };
    this.#offset += end - this.#from;
    this.#from = end;
    return run;
  }

  async #fill(): Promise<number> {
    this.#makeRoom();
    const into = this.#buffer.subarray(this.#to, this.#to + BLOCK_BYTES);
    const read = await this.#file.read(into, this.#offset + this.#to - this.#from);
    this.#to += read;
    return read;
  }

  #makeRoom(): void {
    if (this.#buffer.length - this.#to >= BLOCK_BYTES) return;
    const held = this.#to - this.#from;
    const wanted = held + BLOCK_BYTES;
    const into = wanted <= this.#buffer.length ? this.#buffer : Buffer.alloc(2 * wanted);
    this.#buffer.copy(into, 0, this.#from, this.#to);
    this.#buffer = into;
    this.#scanned -= this.#from;
    this.#from = 0;
    this.#to = held;
    assert(this.#scanned >= 0, 'the scan is behind what was handed out');
  }

  #refuseLong(length: number, after = 0): void {
    const { maxLine, name } = this.#options;
    if (length <= maxLine) return;
    throw new TidemarkError(
      'SOURCE_DATA',
      `${name}: the line at byte ${this.#offset + after} is longer than the ${maxLine} bytes allowed`,
      { hint: 'raise maxLine in the options of the source, or mend the input' },
    );
  }
}

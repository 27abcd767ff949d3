/** Reads ranges of an archive's file, and counts what was read. */
import type { Disk, ReadFile } from '../base/disk.js';
import { systemCode, TidemarkError, toTidemarkError } from '../base/errors.js';
import type { ArchiveMember } from '../format/archive-manifest.js';
import { ArchiveDamaged, type FindingCode } from './finding.js';

/** A sequential reader reads this much at once. */
const WINDOW_BYTES = 1024 * 1024;

export class ArchiveFile {
  readonly path: string;
  readonly size: number;
  /** How many bytes were read so far. */
  bytesRead = 0;
  readonly #file: ReadFile;

  private constructor(path: string, size: number, file: ReadFile) {
    this.path = path;
    this.size = size;
    this.#file = file;
  }

  /** @throws FILE_NOT_FOUND, PERMISSION, … */
  static async open(disk: Disk, path: string): Promise<ArchiveFile> {
    try {
      const found = await disk.stat(path);
      // Opening a pipe would wait for someone to write to it.
      if (found?.isFile === false) throw noFile(path, 'it is no file');
      const file = await disk.open(path);
      const { size } = await file.stat();
      return new ArchiveFile(path, size, file);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') throw noFile(path, 'there is no such file');
      throw toTidemarkError(error, `reading ${path}`);
    }
  }

  /** Fills a new buffer, whose length the caller has held against a limit. */
  async read(member: string, offset: number, length: number): Promise<Buffer> {
    if (offset + length > this.size)
      throw this.damaged('TRUNCATED', member, this.size, 'the file ends too early');
    const into = Buffer.allocUnsafeSlow(length);
    for (let at = 0; at < length; ) {
      const count = await this.readInto(into.subarray(at), offset + at);
      if (count === 0) throw this.damaged('TRUNCATED', member, offset + at, 'the file ends too early');
      at += count;
    }
    return into;
  }

  async readInto(into: Uint8Array, offset: number): Promise<number> {
    try {
      const count = await this.#file.read(into, offset);
      this.bytesRead += count;
      return count;
    } catch (error) {
      throw toTidemarkError(error, `reading ${this.path}`);
    }
  }

  damaged(code: FindingCode, member: string, offset: number, message: string): ArchiveDamaged {
    return new ArchiveDamaged(this.path, { code, member, offset, message });
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** One member of an archive, as a file of its own. Reads end with it. */
export class MemberSource {
  readonly bytes: number;
  readonly label: string;
  readonly #file: ArchiveFile;
  readonly #offset: number;

  constructor(file: ArchiveFile, { name, offset, length }: ArchiveMember) {
    this.#file = file;
    this.#offset = offset;
    this.bytes = length;
    this.label = `${file.path}: ${name}`;
  }

  read(into: Uint8Array, offset: number): Promise<number> {
    const most = Math.max(0, Math.min(into.length, this.bytes - offset));
    return this.#file.readInto(into.subarray(0, most), this.#offset + offset);
  }

  /** The archive stays open. */
  async close(): Promise<void> {}
}

/** Ranges of one member, mostly one behind another: reads ahead. What it gives is never overwritten. */
export class Window {
  readonly #file: ArchiveFile;
  readonly #member: string;
  readonly #end: number;
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;

  /** `end`: where reading ahead stops. */
  constructor(file: ArchiveFile, member: string, end: number) {
    this.#file = file;
    this.#member = member;
    this.#end = end;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    if (offset < this.#start || offset + length > this.#start + this.#bytes.length) {
      const ahead = Math.max(length, Math.min(WINDOW_BYTES, this.#end - offset));
      this.#bytes = await this.#file.read(this.#member, offset, ahead);
      this.#start = offset;
    }
    const at = offset - this.#start;
    return this.#bytes.subarray(at, at + length);
  }
}

function noFile(path: string, what: string): TidemarkError {
  return new TidemarkError('FILE_NOT_FOUND', `${path}: ${what}`, {
    hint: 'list what was taken: tidemark snapshots',
  });
}

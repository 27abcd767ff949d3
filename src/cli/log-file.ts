/**
 * Reads a job's log, which grows and is turned over: what was `log` becomes `log.1`, and a new `log` begins.
 *
 * Invariant: each byte that is in the files when reading begins, or is added later, is given once and in order,
 * unless the log turns over while its older half is still being read, or twice between two reads.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { systemCode } from '../base/errors.js';

const CHUNK = 64 * 1024;

export class LogFile {
  readonly #path: string;
  #file: FileHandle | undefined;
  #older = true;

  constructor(path: string) {
    this.#path = path;
  }

  /** The next bytes, at most 64 KiB; undefined when there are no more for now. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      this.#file ??= await this.#open();
      if (this.#file === undefined) return undefined;
      const bytes = await readOn(this.#file);
      if (bytes !== undefined) return bytes;
      if (!(await this.#turnedOver())) return undefined;
      // What was added to it between the read and the look.
      const late = await readOn(this.#file);
      if (late !== undefined) return late;
      await this.close();
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  /** First what is left of the older half, then the log itself. */
  async #open(): Promise<FileHandle | undefined> {
    if (this.#older) {
      this.#older = false;
      const older = await openIfThere(`${this.#path}.1`);
      if (older !== undefined) return older;
    }
    return openIfThere(this.#path);
  }

  /** Whether `log` is another file than the one that has been read to its end. */
  async #turnedOver(): Promise<boolean> {
    const [mine, current] = await Promise.all([this.#file?.stat(), statIfThere(this.#path)]);
    return current !== undefined && mine !== undefined && mine.ino !== current.ino;
  }
}

async function readOn(file: FileHandle): Promise<Uint8Array | undefined> {
  const into = Buffer.alloc(CHUNK);
  const { bytesRead } = await file.read(into, 0, CHUNK, null);
  return bytesRead > 0 ? into.subarray(0, bytesRead) : undefined;
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  return absentAsUndefined(open(path, 'r'));
}

async function statIfThere(path: string): Promise<{ readonly ino: number } | undefined> {
  return absentAsUndefined(stat(path));
}

async function absentAsUndefined<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

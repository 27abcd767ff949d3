/**
 * One file of a transaction while it is written: bytes as they are, or through gzip.
 *
 * Invariants: what `append` was given is in the file once `finish` has resolved, fsynced, and the file is then a whole
 * gzip file; little more than what one `append` gives is held in memory; compression is done off this thread.
 */
import { createGzip, type Gzip } from 'node:zlib';
import type { WriteFile } from '../../base/disk.js';

export interface PartFile {
  /** Bytes in the file. */
  readonly bytes: number;
  append(bytes: Buffer): Promise<void>;
  /** Nothing is appended after it. Closes the file. */
  finish(): Promise<void>;
  /** Lets go of it, as it is. */
  close(): Promise<void>;
}

export function partFile(file: WriteFile, level: number | undefined): PartFile {
  return level === undefined ? new PlainPart(file) : new GzipPart(file, level);
}

class PlainPart implements PartFile {
  bytes = 0;
  readonly #file: WriteFile;

  constructor(file: WriteFile) {
    this.#file = file;
  }

  async append(bytes: Buffer): Promise<void> {
    await this.#file.append(bytes);
    this.bytes += bytes.length;
  }

  async finish(): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

class GzipPart implements PartFile {
  readonly #plain: PlainPart;
  readonly #gzip: Gzip;
  #out: Buffer[] = [];

  constructor(file: WriteFile, level: number) {
    this.#plain = new PlainPart(file);
    this.#gzip = createGzip({ level });
    this.#gzip.on('data', (bytes: Buffer) => this.#out.push(bytes));
    // Whoever waits is told by its callback; without a listener the error would end the thread, too.
    this.#gzip.on('error', () => undefined);
  }

  get bytes(): number {
    return this.#plain.bytes;
  }

  async append(bytes: Buffer): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#gzip.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
    await this.#pass();
  }

  async finish(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#gzip.once('error', reject).once('end', resolve).end();
    });
    await this.#pass();
    await this.#plain.finish();
  }

  close(): Promise<void> {
    this.#gzip.destroy();
    return this.#plain.close();
  }

  /** What has come out of the compressor goes to the file. */
  async #pass(): Promise<void> {
    const out = this.#out;
    this.#out = [];
    if (out.length > 0) await this.#plain.append(Buffer.concat(out));
  }
}

/**
 * A gzip file as what it inflates to.
 *
 *     offset 0 ─────────── chunk ──────────▶ end       reading goes on; what lies before the chunk begins anew
 *
 * Offsets are of the inflated bytes: a stream of several members (`cat a.gz b.gz`) is one. There is no way into the middle
 * of gzip, so whoever goes on at an offset waits until all before it was inflated once more.
 *
 * Invariants: one inflated chunk and a few compressed blocks are in memory, however well the file is compressed; a file
 * that is cut off or damaged, or has anything but zeros after its last member, is never taken for a shorter one.
 */
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { FileStat, ReadFile } from '../../base/disk.js';
import { systemCode, TidemarkError } from '../../base/errors.js';

const CHUNK_BYTES = 64 * 1024;
const MAGIC = Buffer.from([0x1f, 0x8b]);
const NOTHING = Buffer.alloc(0);
/** Of zlib's own errors; later Nodes have one more. */
const ZLIB_CODES = /^(?:Z_|ERR_TRAILING_JUNK)/;

/** Whether a file is gzip: as said, or (`auto`) by its first two bytes, which no text in UTF-8 begins with. */
export type GzipMode = boolean | 'auto';

/**
 * The file, or what it inflates to. Closing that closes the file. `name` is for errors. Once the signal aborts, a read of
 * what it inflates to rejects: it may be a long way to its offset.
 */
export async function inflated(
  file: ReadFile,
  name: string,
  mode: GzipMode,
  signal?: AbortSignal,
): Promise<ReadFile> {
  const isGzip = mode === true || (mode === 'auto' && (await beginsAsGzip(file)));
  return isGzip ? new Inflated(file, name, signal) : file;
}

async function beginsAsGzip(file: ReadFile): Promise<boolean> {
  const first = Buffer.alloc(MAGIC.length);
  for (let at = 0; at < first.length; ) {
    const read = await file.read(first.subarray(at), at);
    if (read === 0) return false;
    at += read;
  }
  return first.equals(MAGIC);
}

class Inflated implements ReadFile {
  readonly #file: ReadFile;
  readonly #name: string;
  readonly #signal: AbortSignal | undefined;
  /** What was inflated last, and where it begins. */
  #chunk: Buffer = NOTHING;
  #at = 0;
  #inflating: Inflating | undefined;

  constructor(file: ReadFile, name: string, signal: AbortSignal | undefined) {
    this.#file = file;
    this.#name = name;
    this.#signal = signal;
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    if (offset < this.#at) await this.#restart();
    while (offset >= this.#at + this.#chunk.length) {
      this.#signal?.throwIfAborted();
      if (!(await this.#next())) return 0;
    }
    return this.#chunk.copy(into, 0, offset - this.#at);
  }

  stat(): Promise<FileStat> {
    return this.#file.stat();
  }

  async close(): Promise<void> {
    await this.#inflating?.close();
    this.#inflating = undefined;
    await this.#file.close();
  }

  async #restart(): Promise<void> {
    await this.#inflating?.close();
    this.#inflating = undefined;
    this.#chunk = NOTHING;
    this.#at = 0;
  }

  /** False at the end; the chunk then stays. */
  async #next(): Promise<boolean> {
    this.#inflating ??= new Inflating(this.#file);
    try {
      const chunk = await this.#inflating.next();
      if (chunk === undefined) return false;
      this.#at += this.#chunk.length;
      this.#chunk = chunk;
      return true;
    } catch (error) {
      if (!(error instanceof BadGzip)) throw error;
      const where = this.#at + this.#chunk.length;
      throw new TidemarkError(
        'SOURCE_DATA',
        `${this.#name}: ${error.message} after ${where} inflated bytes, near byte ${error.at} of the file`,
        {
          hint: 'look at it with gzip -t, and put the whole file there; a file that is read must not be written to',
        },
      );
    }
  }
}

class BadGzip extends Error {
  /** Bytes of the file that were inflated. */
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

/** One pass over a file. */
class Inflating {
  readonly #file: ReadFile;
  readonly #source: Readable;
  readonly #gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  readonly #chunks: AsyncIterator<Buffer>;
  #ended = false;

  constructor(file: ReadFile) {
    this.#file = file;
    this.#source = Readable.from(blocksOf(file), { highWaterMark: 1 });
    this.#source.on('error', (error) => this.#gunzip.destroy(error));
    this.#source.pipe(this.#gunzip);
    this.#chunks = this.#gunzip[Symbol.asyncIterator]();
  }

  /** Undefined at the end. Throws {@link BadGzip}, or what reading the file threw. */
  async next(): Promise<Buffer | undefined> {
    if (this.#ended) return undefined;
    try {
      const { done, value } = await this.#chunks.next();
      if (done !== true) return value;
    } catch (error) {
      throw this.#named(error);
    }
    this.#ended = true;
    await this.#checkRest();
    return undefined;
  }

  async close(): Promise<void> {
    this.#source.destroy();
    await this.#chunks.return?.().catch(() => undefined);
    this.#gunzip.destroy();
  }

  #named(error: unknown): unknown {
    const code = systemCode(error);
    if (code === 'Z_BUF_ERROR') return new BadGzip('gzip data that is cut off', this.#gunzip.bytesWritten);
    if (code === undefined || !ZLIB_CODES.test(code)) return error;
    const why = error instanceof Error ? error.message : String(error);
    return new BadGzip(`damaged gzip data (${why})`, this.#gunzip.bytesWritten);
  }

  /** zlib passes over what follows a zero after the last member; only more zeros are harmless (tapes pad with them). */
  async #checkRest(): Promise<void> {
    let at = this.#gunzip.bytesWritten;
    for await (const block of blocksOf(this.#file, at)) {
      const other = block.findIndex((byte) => byte !== 0);
      if (other >= 0) throw new BadGzip('something else than gzip data', at + other);
      at += block.length;
    }
  }
}

async function* blocksOf(file: ReadFile, from = 0): AsyncGenerator<Buffer, void, undefined> {
  for (let at = from; ; ) {
    const block = Buffer.alloc(CHUNK_BYTES);
    const read = await file.read(block, at);
    if (read === 0) return;
    at += read;
    yield block.subarray(0, read);
  }
}

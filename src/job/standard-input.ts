/**
 * Standard input of this process, kept here: it cannot be read twice, and attempts come and go.
 *
 *     0 ······· records[0] ───── held ───── end      the stream is read on only when somebody asks for what comes at the end
 *     forgotten └ the oldest record that can be read again
 *
 * Invariants: what was read and not forgotten is handed out again, so that an attempt that fails in its middle costs
 * nothing; at most `HELD_BYTES` before the record in hand are held, and after it what one read of the stream gives; what is
 * forgotten ends where a record does.
 */
import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { present } from '../base/assert.js';
import type { InputPlace, InputRequest, InputStart, StandardInput } from '../graph/source.js';
import type { InputAnswer, InputAsk } from './protocol.js';

/** What is held for attempts that start again from a checkpoint. */
export const HELD_BYTES = 16 * 1024 * 1024;
/** Held in pieces of this size: a terminal gives a line at a time. Records are remembered that far apart, too. */
const BLOCK_BYTES = 64 * 1024;

export class KeptInput implements StandardInput {
  readonly run = randomUUID();
  readonly #open: () => Readable;
  #stream: Readable | undefined;
  #chunks: AsyncIterator<Buffer | string> | undefined;
  /** Full but for the last, which ends at `#end`. */
  readonly #blocks: Buffer[] = [];
  /** Blocks that came before these. */
  #forgotten = 0;
  #end = 0;
  /** Where some records begin, in order. */
  readonly #records: number[] = [0];
  #header: readonly string[] | undefined;
  #over = false;
  #failure: { readonly error: unknown } | undefined;
  /** The read that is under way, whoever asked for it. */
  #reading: Promise<void> | undefined;

  /** `open` is called when the first byte is asked for. */
  constructor(open: () => Readable) {
    this.#open = open;
  }

  async open({ run, offset }: InputPlace): Promise<InputStart> {
    const wanted = run === this.run ? offset : 0;
    const at = Math.max(wanted, this.#oldest);
    return { run: this.run, offset: at, lost: at - wanted, header: this.#header };
  }

  async read({ offset, length, record, header }: InputRequest): Promise<Uint8Array | undefined> {
    if (record >= (this.#records.at(-1) ?? 0) + BLOCK_BYTES) this.#records.push(record);
    this.#header ??= header;
    this.#forget();
    while (offset >= this.#end && !this.#over) await this.#more();
    return offset < this.#end ? this.#slice(offset, length) : undefined;
  }

  /** Nothing is read any more. */
  close(): void {
    this.#over = true;
    this.#stream?.destroy();
  }

  get #oldest(): number {
    return this.#records[0] ?? 0;
  }

  async #more(): Promise<void> {
    this.#reading ??= this.#readOn().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  async #readOn(): Promise<void> {
    // A stream that has failed says that it is at its end when it is asked again.
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#stream ??= this.#open();
    this.#chunks ??= this.#stream[Symbol.asyncIterator]();
    try {
      const { done, value } = await this.#chunks.next();
      if (done === true) this.#over = true;
      else this.#hold(Buffer.from(value));
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  #hold(bytes: Buffer): void {
    for (let from = 0; from < bytes.length; ) {
      const used = this.#end % BLOCK_BYTES;
      if (used === 0) this.#blocks.push(Buffer.alloc(BLOCK_BYTES));
      const copied = bytes.copy(present(this.#blocks.at(-1), 'a block'), used, from);
      from += copied;
      this.#end += copied;
    }
  }

  /** A copy: what is sent to another thread takes all the memory it lies in along. */
  #slice(offset: number, length: number): Uint8Array {
    const block = present(this.#blocks[Math.floor(offset / BLOCK_BYTES) - this.#forgotten], 'what is held');
    const from = offset % BLOCK_BYTES;
    return new Uint8Array(block.subarray(from, Math.min(from + length, from + this.#end - offset)));
  }

  #forget(): void {
    const newest = this.#records.at(-1) ?? 0;
    while (this.#records.length > 1 && newest - (this.#records[1] ?? 0) >= HELD_BYTES) this.#records.shift();
    for (; (this.#forgotten + 1) * BLOCK_BYTES <= this.#oldest; this.#forgotten++) this.#blocks.shift();
  }
}

/** Answers what the data thread asks. */
export async function answerInput(input: StandardInput, { open, read }: InputAsk): Promise<InputAnswer> {
  if (open !== undefined) return { start: await input.open(open) };
  return { bytes: await input.read(read) };
}

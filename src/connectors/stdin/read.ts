/** Reads standard input to its end, as records. */
import { assert } from '../../base/assert.js';
import type { ReadFile } from '../../base/disk.js';
import type { Batch, InputStart, ReadRequest, StandardInput } from '../../graph/source.js';
import type { Format } from '../files/open-file.js';
import { RecordReader } from '../files/record-reader.js';
import type { StdinPosition } from './position.js';

const NAME = 'standard input';

/** Thrown by a read that is not waited for any more; a terminal may stay silent for ever. */
class Aborted extends Error {}

export async function* readStdin<T>(
  request: ReadRequest<StdinPosition>,
  format: Format<T>,
): AsyncGenerator<Batch<T, StdinPosition>, void, undefined> {
  const { stdin, log, position } = request;
  if (stdin === undefined)
    return log('there is no standard input (a detached job has none): its source is at its end');
  const start = await stdin.open({ run: position.run, offset: position.offset });
  if (start.lost > 0)
    log(`${start.lost} bytes of standard input after the last checkpoint are held no more, and lost`);
  try {
    yield* new Reading(stdin, start, request, format).batches();
  } catch (error) {
    if (!(error instanceof Aborted)) throw error;
  }
}

class Reading<T> implements Pick<ReadFile, 'read'> {
  readonly #stdin: StandardInput;
  readonly #start: InputStart;
  readonly #request: ReadRequest<StdinPosition>;
  readonly #format: Format<T>;
  /** Where the first record begins that was not handed out. */
  #record: number;
  #header: readonly string[] | undefined;

  constructor(
    stdin: StandardInput,
    start: InputStart,
    request: ReadRequest<StdinPosition>,
    format: Format<T>,
  ) {
    this.#stdin = stdin;
    this.#start = start;
    this.#request = request;
    this.#format = format;
    this.#record = start.offset;
    const { position } = request;
    const known = position.run === start.run ? (position.header ?? start.header) : start.header;
    // At the beginning it comes again, as the first record.
    this.#header = start.offset === 0 ? undefined : known;
  }

  async *batches(): AsyncGenerator<Batch<T, StdinPosition>, void, undefined> {
    const { batch, signal } = this.#request;
    const { maxLine, ends, decoder } = this.#format;
    const { run, offset } = this.#start;
    const reader = new RecordReader(this, { name: NAME, offset, ends: ends(), maxLine });
    const decoding = decoder(NAME, this.#header);
    while (!signal.aborted) {
      const records = await reader.next(batch, true);
      if (records === undefined) return;
      const elements = decoding.decode(records);
      this.#record = reader.offset;
      this.#header = decoding.header;
      const header = this.#header === undefined ? {} : { header: this.#header };
      yield { elements, position: { run, offset: this.#record, ...header } };
    }
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    const asked = { offset, length: into.length, record: this.#record, header: this.#header };
    const bytes = await this.#unlessAborted(this.#stdin.read(asked));
    if (bytes === undefined) return 0;
    assert(bytes.length > 0 && bytes.length <= into.length, 'standard input gives what is asked for');
    into.set(bytes);
    return bytes.length;
  }

  #unlessAborted<R>(reading: Promise<R>): Promise<R> {
    const { signal } = this.#request;
    return new Promise((resolve, reject) => {
      const abort = () => reject(new Aborted());
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort, { once: true });
      reading.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    });
  }
}

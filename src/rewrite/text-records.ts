/**
 * Cuts text that comes in chunks into records: lines, or CSV records, whose quoted fields may have line ends in them.
 *
 * Invariants: records come in order, each once, empty ones left out; memory is bounded by the longest record allowed,
 * whatever comes: of a longer one nothing is kept. What is no UTF-8 is a problem of its record alone.
 */

/** The longest record, in bytes. */
export const MAX_RECORD_BYTES = 256 * 1024 * 1024;
const LINE_END = 0x0a;
const QUOTE = 0x22;
const BYTE_ORDER_MARK = '\ufeff';

export interface TextRecord {
  /** Where it begins, from 1. */
  readonly line: number;
  /** Without its line end; undefined where there is a problem. */
  readonly text: string | undefined;
  readonly problem: string | undefined;
}

export async function* textRecords(
  chunks: AsyncIterable<Uint8Array>,
  kind: 'lines' | 'csv',
  most = MAX_RECORD_BYTES,
): AsyncGenerator<TextRecord, void> {
  const cutter = new Cutter(kind === 'csv', most);
  for await (const chunk of chunks) yield* cutter.push(chunk);
  yield* cutter.end();
}

class Cutter {
  readonly #csv: boolean;
  readonly #most: number;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** Where the record in hand begins, and how many line ends it has so far. */
  #line = 1;
  #ends = 0;
  #quoted = false;

  constructor(csv: boolean, most: number) {
    this.#csv = csv;
    this.#most = most;
  }

  *push(chunk: Uint8Array): Generator<TextRecord, void> {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let from = 0;
    for (;;) {
      const end = this.#find(bytes, from);
      if (end < 0) break;
      this.#keep(bytes.subarray(from, end));
      yield* this.#take();
      from = end + 1;
    }
    // The chunk is the caller's again afterwards.
    this.#keep(Buffer.from(bytes.subarray(from)));
  }

  *end(): Generator<TextRecord, void> {
    if (this.#quoted && this.#bytes > 0) {
      yield { line: this.#line, text: undefined, problem: 'a quote that does not end' };
    } else yield* this.#take();
  }

  /** The next end of a record, or -1. */
  #find(bytes: Buffer, from: number): number {
    if (!this.#csv) {
      const at = bytes.indexOf(LINE_END, from);
      if (at >= 0) this.#ends = 1;
      return at;
    }
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) this.#quoted = !this.#quoted;
      else if (byte === LINE_END) {
        this.#ends++;
        if (!this.#quoted) return at;
      }
    }
    return -1;
  }

  #keep(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.#most) this.#pieces = [];
    else if (piece.length > 0) this.#pieces.push(piece);
  }

  *#take(): Generator<TextRecord, void> {
    const line = this.#line;
    const tooLong = this.#bytes > this.#most;
    const found = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    this.#line += this.#ends;
    this.#ends = 0;
    if (tooLong) {
      yield { line, text: undefined, problem: `longer than the ${this.#most} bytes allowed` };
      return;
    }
    const text = this.#decode(found ?? Buffer.alloc(0), line);
    if (text === undefined) yield { line, text, problem: 'not UTF-8' };
    else if (text.trim() !== '') yield { line, text, problem: undefined };
  }

  #decode(bytes: Buffer, line: number): string | undefined {
    try {
      const text = this.#decoder.decode(bytes);
      const cut = text.endsWith('\r') ? text.slice(0, -1) : text;
      return line === 1 && cut.startsWith(BYTE_ORDER_MARK) ? cut.slice(1) : cut;
    } catch {
      return undefined;
    }
  }
}

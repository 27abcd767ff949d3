/** The lines of a text as it comes, each bounded. */
import type { Findings } from './findings.js';

/** The longest line, in bytes. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;
const LINE_FEED = 0x0a;

export interface TextLine {
  /** From 1. */
  readonly line: number;
  readonly text: string;
}

/** Lines that are not empty. One that is no UTF-8, or too long, goes to `findings`; after the latter nothing is read. */
export async function* linesOf(
  bytes: AsyncIterable<Uint8Array>,
  findings: Findings,
  most = MAX_LINE_BYTES,
): AsyncGenerator<TextLine, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 0;
  let begun: Buffer[] = [];
  let length = 0;
  const finish = (): TextLine | undefined => {
    line++;
    const whole = begun.length === 1 ? (begun[0] as Buffer) : Buffer.concat(begun);
    begun = [];
    length = 0;
    try {
      const text = decoder.decode(whole).trim();
      return text === '' ? undefined : { line, text };
    } catch {
      findings.add('USAGE', `line ${line}: it is no UTF-8`);
      return undefined;
    }
  };
  for await (const piece of bytes) {
    const buffer = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    for (let at = 0; at < buffer.length; ) {
      const feed = buffer.indexOf(LINE_FEED, at);
      const end = feed < 0 ? buffer.length : feed;
      length += end - at;
      if (length > most) {
        findings.add('USAGE', `line ${line + 1}: it is longer than ${most} bytes`);
        return;
      }
      // A stream may use its buffer again.
      begun.push(feed < 0 ? Buffer.from(buffer.subarray(at, end)) : buffer.subarray(at, end));
      at = end + 1;
      if (feed < 0) break;
      const found = finish();
      if (found !== undefined) yield found;
    }
  }
  if (length > 0) {
    const found = finish();
    if (found !== undefined) yield found;
  }
}

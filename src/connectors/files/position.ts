/** How far a file has been read, and how to tell later that what was read is still there. */
import { crc32 } from 'node:zlib';
import type { ReadFile } from '../../base/disk.js';
import type { StandardSchema } from '../../codec/schema.js';

/** Bytes at the start of what was read that go into the fingerprint. */
export const HEAD_BYTES = 1024;
/** Bytes before the offset that go into the fingerprint. */
export const TAIL_BYTES = 4096;

/**
 * The place in a file to go on from.
 *
 *     0        1024                  offset - 4096      offset
 *     |- head -|                     |------ tail ------|  next element
 *
 * `head` and `tail` are CRC-32 sums of what was read there (of less, while less was read), so a file that grew
 * still matches and one that was replaced does not. `inode` and `modified` are kept only when following: they
 * find a file again that was renamed, and say nothing of the data.
 */
export interface FilePosition {
  /** Relative to the source's base folder; where the file was last seen. */
  readonly path: string;
  /** Bytes from the start of the file; of what it inflates to, where it is gzip. */
  readonly offset: number;
  readonly head: number;
  readonly tail: number;
  /** CSV: the column names, once they were read from the file. */
  readonly header?: readonly string[];
  readonly inode?: number;
  /** Milliseconds since 1970. */
  readonly modified?: number;
}

/** The start of a file. */
export function startOf(path: string): FilePosition {
  return { path, offset: 0, head: 0, tail: 0 };
}

/**
 * How two positions lie; undefined where they are in different files, of which the one may follow the other, or where what
 * precedes them differs. `modified` says nothing, nor does the name of a file that is known by its inode; a copy of the
 * file is the same where it has the same before the same offset.
 */
export function comparePositions(a: FilePosition, b: FilePosition): number | undefined {
  const alike = a.offset === b.offset && a.head === b.head && a.tail === b.tail;
  if (alike && a.offset > 0) return 0;
  const known = a.inode !== undefined && b.inode !== undefined;
  if (known ? a.inode !== b.inode : a.path !== b.path) return undefined;
  if (a.offset !== b.offset) return a.offset - b.offset;
  return alike ? 0 : undefined;
}

/** Collects the fingerprint of what is read, in order. */
export class Fingerprint {
  #head: Buffer = Buffer.alloc(0);
  #tail: Buffer = Buffer.alloc(0);

  get head(): number {
    return crc32(this.#head);
  }

  get tail(): number {
    return crc32(this.#tail);
  }

  update(bytes: Uint8Array): void {
    if (this.#head.length < HEAD_BYTES) {
      this.#head = Buffer.concat([this.#head, bytes.subarray(0, HEAD_BYTES - this.#head.length)]);
    }
    const last = bytes.subarray(Math.max(0, bytes.length - TAIL_BYTES));
    const kept = Math.min(this.#tail.length, TAIL_BYTES - last.length);
    this.#tail = Buffer.concat([this.#tail.subarray(this.#tail.length - kept), last]);
  }

  /** Whether the file still ends, at `offset`, in what was read. */
  async stillEndsAt(file: ReadFile, offset: number): Promise<boolean> {
    const tail = await readExactly(file, offset - this.#tail.length, this.#tail.length);
    return tail?.equals(this.#tail) ?? false;
  }

  /** True when the byte before the offset does not end a line. */
  get endsInsideLine(): boolean {
    return this.#tail.length > 0 && this.#tail[this.#tail.length - 1] !== 0x0a;
  }

  /** The fingerprint up to the position, read from the file; undefined when the file has other content there. */
  static async resume(file: ReadFile, position: FilePosition): Promise<Fingerprint | undefined> {
    const print = new Fingerprint();
    if (position.offset === 0) return print;
    const head = await readExactly(file, 0, Math.min(position.offset, HEAD_BYTES));
    const length = Math.min(position.offset, TAIL_BYTES);
    const tail = await readExactly(file, position.offset - length, length);
    if (head === undefined || tail === undefined) return undefined;
    if (crc32(head) !== position.head || crc32(tail) !== position.tail) return undefined;
    print.#head = head;
    print.#tail = tail;
    return print;
  }
}

/** `length` bytes at `offset`; undefined when the file is shorter. */
async function readExactly(file: ReadFile, offset: number, length: number): Promise<Buffer | undefined> {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const read = await file.read(bytes.subarray(at), offset + at);
    if (read === 0) return undefined;
    at += read;
  }
  return bytes;
}

/** Positions come back from archives that others may have made: every field is checked. */
export const filePosition: StandardSchema<FilePosition> = {
  '~standard': {
    version: 1,
    vendor: 'tidemark',
    validate: (value) =>
      isPosition(value) ? { value } : { issues: [{ message: 'is not a position in a file' }] },
  },
};

function isPosition(value: unknown): value is FilePosition {
  if (typeof value !== 'object' || value === null) return false;
  const { path, offset, head, tail, header, inode, modified } = value as Partial<
    Record<keyof FilePosition, unknown>
  >;
  return (
    typeof path === 'string' &&
    path !== '' &&
    isCount(offset) &&
    isCount(head) &&
    isCount(tail) &&
    (header === undefined || (Array.isArray(header) && header.every((name) => typeof name === 'string'))) &&
    (inode === undefined || typeof inode === 'number') &&
    (modified === undefined || typeof modified === 'number')
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

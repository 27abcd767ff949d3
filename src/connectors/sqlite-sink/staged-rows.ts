/**
 * The bytes of a staged transaction: rows on their way to a table, in the order they were written.
 *
 *     file   := magic frame*
 *     magic  := "tidemark rows 1\n"
 *     frame  := u32 length, u32 CRC-32 of the payload, payload        little endian; length ≤ MAX_FRAME_BYTES
 *     payload := row*
 *     row    := a value of the value codec: a record of cells by column name: to be inserted
 *                                           an array of cells, in the order of the key: the row to be removed
 *
 * A staged file lives from its prepare to its commit; one of another version is refused.
 */
import { crc32 } from 'node:zlib';
import type { Disk } from '../../base/disk.js';
import { ByteReader } from '../../codec/reader.js';
import { valueCodec } from '../../codec/value.js';
import { ByteWriter } from '../../codec/writer.js';
import { isCell, type SqlCell } from '../sqlite-database/cells.js';

export const MAGIC = Buffer.from('tidemark rows 1\n', 'latin1');
/** A frame is closed when it has come to this many bytes. */
export const FRAME_BYTES = 64 * 1024;
/** The largest row, and so the largest frame. */
export const MAX_FRAME_BYTES = 256 * 1024 * 1024;
const HEAD_BYTES = 8;

export type Cell = Exclude<SqlCell, boolean>;

/** What is to be done with one row. */
export type StagedRow =
  | { readonly put: Readonly<Record<string, Cell>>; readonly remove?: undefined }
  | { readonly remove: readonly Cell[]; readonly put?: undefined };

/** Gathers rows into frames. */
export class RowFrames {
  readonly #out = new ByteWriter(FRAME_BYTES + 4096);
  rows = 0;

  get full(): boolean {
    return this.#out.position >= FRAME_BYTES;
  }

  /** Adds a row, all of it or, where it throws, nothing. Returns its bytes. */
  add(row: StagedRow): number {
    const start = this.#out.position;
    try {
      valueCodec.write(row.put ?? row.remove, this.#out);
    } catch (error) {
      this.#out.position = start;
      throw error;
    }
    this.rows++;
    return this.#out.position - start;
  }

  /** What was gathered as a frame, and begins the next; undefined where there is nothing. */
  take(): Buffer | undefined {
    const payload = this.#out.view();
    if (payload.length === 0) return undefined;
    const frame = Buffer.alloc(HEAD_BYTES + payload.length);
    frame.writeUInt32LE(payload.length, 0);
    frame.writeUInt32LE(crc32(payload), 4);
    payload.copy(frame, HEAD_BYTES);
    this.#out.reset();
    return frame;
  }
}

/** Says why a staged file is not what was written. */
export class StagedDamaged extends Error {}

/** The rows of a staged file, a frame at a time. Throws {@link StagedDamaged}, or what the disk does. */
export async function* readStaged(
  disk: Disk,
  path: string,
  bytes: number,
): AsyncGenerator<StagedRow[], void> {
  const file = await disk.open(path);
  try {
    const { size } = await file.stat();
    if (size !== bytes) throw new StagedDamaged(`has ${size} bytes where ${bytes} were prepared`);
    const read = async (at: number, length: number): Promise<Buffer> => {
      if (at + length > size) throw new StagedDamaged(`ends within a frame at byte ${at}`);
      const into = Buffer.alloc(length);
      for (let done = 0; done < length; ) {
        const count = await file.read(into.subarray(done), at + done);
        if (count === 0) throw new StagedDamaged(`ends within a frame at byte ${at}`);
        done += count;
      }
      return into;
    };
    if (!(await read(0, MAGIC.length)).equals(MAGIC))
      throw new StagedDamaged('does not begin as staged rows do');
    for (let at = MAGIC.length; at < size; ) {
      const head = await read(at, HEAD_BYTES);
      const length = head.readUInt32LE(0);
      if (length > MAX_FRAME_BYTES) throw new StagedDamaged(`a frame of ${length} bytes at byte ${at}`);
      const payload = await read(at + HEAD_BYTES, length);
      if (crc32(payload) !== head.readUInt32LE(4)) throw new StagedDamaged(`a damaged frame at byte ${at}`);
      yield rowsOf(payload, at);
      at += HEAD_BYTES + length;
    }
  } finally {
    await file.close();
  }
}

function rowsOf(payload: Buffer, at: number): StagedRow[] {
  const reader = new ByteReader(payload);
  const rows: StagedRow[] = [];
  while (reader.remaining > 0) {
    const value = valueCodec.read(reader);
    const row = stagedRow(value);
    if (row === undefined) throw new StagedDamaged(`what is no row in the frame at byte ${at}`);
    rows.push(row);
  }
  return rows;
}

function stagedRow(value: unknown): StagedRow | undefined {
  if (Array.isArray(value)) return value.every(isCell) ? { remove: value } : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  const put = value as Readonly<Record<string, Cell>>;
  return Object.values(put).every(isCell) ? { put } : undefined;
}

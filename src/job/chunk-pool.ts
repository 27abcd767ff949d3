import type { ChunkPool } from '../format/entry.js';
import { CHUNK_BYTES } from './protocol.js';

/** Room beyond a chunk's nominal size, so that the entry that fills it seldom makes it grow. */
const SLACK_BYTES = 64 * 1024;
/** Empty buffers kept for use again. */
const MAX_FREE = 4;

/**
 * The data thread's buffers. A full one is given away without copying and comes back through `give`; how many are
 * away tells when to pause.
 */
export class TransferPool implements ChunkPool {
  /** Chunks handed over and not yet given back. */
  out = 0;
  readonly #send: (chunk: Buffer, used: number, entries: number) => void;
  readonly #free: Buffer[] = [];

  constructor(send: (chunk: Buffer, used: number, entries: number) => void) {
    this.#send = send;
  }

  take(bytes: number): Buffer {
    if (bytes <= CHUNK_BYTES) return this.#free.pop() ?? allocate(CHUNK_BYTES + SLACK_BYTES);
    return allocate(bytes);
  }

  full(chunk: Buffer, used: number, entries: number): void {
    this.out++;
    this.#send(chunk, used, entries);
  }

  /** A buffer is back. Those that had to grow are let go. */
  give(buffer: Uint8Array): void {
    this.out--;
    if (buffer.byteLength !== CHUNK_BYTES + SLACK_BYTES || this.#free.length >= MAX_FREE) return;
    this.#free.push(Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength));
  }
}

/** Memory of its own, so that it can change hands. */
function allocate(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes));
}

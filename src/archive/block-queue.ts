/**
 * Compresses blocks on the thread pool, several at once, and puts them behind one another in the order they came.
 *
 * Duties of the caller: waits for `room` before it adds more, once `crowded`; calls `settle` at the end.
 */
import { crc32, deflateRaw, deflateRawSync } from 'node:zlib';
import { METHOD } from '../format/archive-layout.js';

/** Blocks being compressed or waiting to be written. */
const MAX_IN_FLIGHT = 8;
/** Payloads below this are kept as they are: what deflate gains is not worth its start. */
const LEAST_DEFLATED = 128;
/** Payloads below this are compressed on this thread: the way to the pool and back costs more. */
const LEAST_POOLED = 2048;
const LEVEL = 1;

export interface StoredBlock {
  readonly stored: Buffer;
  readonly method: number;
  readonly crc: number;
}

export class BlockQueue {
  readonly #waiting: Promise<void>[] = [];
  #tail: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;

  /** Whether enough is under way. */
  get crowded(): boolean {
    return this.#waiting.length >= MAX_IN_FLIGHT;
  }

  /** Compresses `payload` and then, in turn, calls `then`. The payload is kept until that is done. */
  add(payload: Buffer, then: (block: StoredBlock) => Promise<void>): void {
    const block = compress(payload);
    block.catch(() => undefined);
    this.#chain(async () => then(await block));
  }

  /** Does something in its turn. */
  inTurn(act: () => Promise<void>): void {
    this.#chain(act);
  }

  /** Resolves when less is under way; rejects with what went wrong. */
  async room(): Promise<void> {
    while (this.crowded) await this.#oldest();
    this.#check();
  }

  async settle(): Promise<void> {
    while (this.#waiting.length > 0) await this.#oldest();
    this.#check();
  }

  async #oldest(): Promise<void> {
    await this.#waiting[0];
    this.#waiting.shift();
  }

  #chain(act: () => Promise<void>): void {
    this.#tail = this.#tail.then(async () => {
      if (this.#failure !== undefined) return;
      try {
        await act();
      } catch (error) {
        this.#failure = { error };
      }
    });
    this.#waiting.push(this.#tail);
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

function compress(payload: Buffer): Promise<StoredBlock> {
  if (payload.length < LEAST_DEFLATED) return Promise.resolve(keep(payload));
  const options = { level: LEVEL, chunkSize: Math.max(1024, payload.length) };
  if (payload.length < LEAST_POOLED)
    return Promise.resolve(shorter(payload, deflateRawSync(payload, options)));
  return new Promise((resolve, reject) => {
    deflateRaw(payload, options, (error, deflated) => {
      if (error === null) resolve(shorter(payload, deflated));
      else reject(error);
    });
  });
}

function shorter(payload: Buffer, deflated: Buffer): StoredBlock {
  if (deflated.length >= payload.length) return keep(payload);
  return { stored: deflated, method: METHOD.deflate, crc: crc32(deflated) };
}

function keep(payload: Buffer): StoredBlock {
  return { stored: payload, method: METHOD.stored, crc: crc32(payload) };
}

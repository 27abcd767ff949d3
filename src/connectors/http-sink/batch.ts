/** The elements of a request that is still open. */
import { createHash } from 'node:crypto';
import { TidemarkError } from '../../base/errors.js';
import { jsonLine } from '../json-line.js';

export interface OpenBatch<T> {
  readonly count: number;
  /** Throws VALUE_REFUSED, or what user code throws. */
  add(element: T): void;
  /** The body of the request. */
  body(): string | Uint8Array;
}

export type Encode<T> = ((elements: readonly T[]) => string | Uint8Array) | undefined;

export function openBatch<T>(encode: Encode<T>, sink: string): OpenBatch<T> {
  return encode === undefined ? new JsonBatch(sink) : new EncodedBatch(encode, sink);
}

/** A JSON array. Elements are encoded as they come, so that what cannot be is refused there. */
class JsonBatch implements OpenBatch<unknown> {
  readonly #sink: string;
  readonly #documents: string[] = [];

  constructor(sink: string) {
    this.#sink = sink;
  }

  get count(): number {
    return this.#documents.length;
  }

  add(element: unknown): void {
    this.#documents.push(jsonLine(element, this.#sink));
  }

  body(): string {
    return `[${this.#documents.join(',')}]`;
  }
}

class EncodedBatch<T> implements OpenBatch<T> {
  readonly #encode: (elements: readonly T[]) => string | Uint8Array;
  readonly #sink: string;
  readonly #elements: T[] = [];

  constructor(encode: (elements: readonly T[]) => string | Uint8Array, sink: string) {
    this.#encode = encode;
    this.#sink = sink;
  }

  get count(): number {
    return this.#elements.length;
  }

  add(element: T): void {
    this.#elements.push(element);
  }

  body(): string | Uint8Array {
    const body: unknown = this.#encode(this.#elements);
    if (typeof body === 'string' || body instanceof Uint8Array) return body;
    throw new TidemarkError(
      'VALUE_REFUSED',
      `sink ${this.#sink}: encode returned ${typeof body}, neither a string nor a Uint8Array`,
    );
  }
}

/**
 * Which request it is, of one subtask of one sink of one job: `before` elements came between the barrier of checkpoint
 * `since` and it. Not how many requests: cut elsewhere, the same number would stand for other elements, which may look alike.
 */
export interface BatchId {
  readonly job: string;
  readonly sink: string;
  readonly subtask: number;
  readonly since: number;
  readonly before: number;
}

/**
 * The same for the same batch when it is sent again, also by a later attempt; never the same for another body, nor for an
 * equal body elsewhere in the stream.
 */
export function idempotencyKey(
  { job, sink, subtask, since, before }: BatchId,
  body: string | Uint8Array,
): string {
  const place = JSON.stringify([job, sink, subtask, since, before]);
  return createHash('sha256').update(place).update('\n').update(body).digest('hex');
}

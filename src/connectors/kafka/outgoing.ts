/** Turns elements into messages that are ready to be sent: bytes, and a partition. */
import { TidemarkError } from '../../base/errors.js';
import { jsonLine } from '../json-line.js';
import { partitionOfKey } from './partitioner.js';

type Bytes = string | Uint8Array | null;

/** What a sink's options say about one element. */
export interface Encoding<T> {
  readonly key?: ((element: T) => Bytes) | undefined;
  readonly value?: ((element: T) => Bytes) | undefined;
  readonly headers?: ((element: T) => Readonly<Record<string, string | Uint8Array>>) | undefined;
  readonly timestamp?: ((element: T) => number) | undefined;
  readonly partition?: ((element: T, partitions: number) => number) | undefined;
}

export interface Outgoing {
  readonly partition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: ReadonlyMap<Buffer, Buffer>;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  /** About what it takes in a request. */
  readonly bytes: number;
}

/** Bytes of a message beside its key, value and headers, at most. */
const OVERHEAD = 32;

export class Encoder<T> {
  readonly #encoding: Encoding<T>;
  readonly #sink: string;
  readonly #now: () => number;
  /** Messages without a key go to one partition after the other, a batch of elements each. */
  #turn: number;

  constructor(encoding: Encoding<T>, sink: string, now: () => number, turn: number) {
    this.#encoding = encoding;
    this.#sink = sink;
    this.#now = now;
    this.#turn = turn;
  }

  /** The next batch of elements begins. */
  nextBatch(): void {
    this.#turn++;
  }

  /** Throws VALUE_REFUSED for what has no form as a message. */
  encode(element: T, partitions: number): Outgoing {
    const { key, value, headers, timestamp } = this.#encoding;
    const keyBytes = key === undefined ? null : this.#bytes(key(element), 'key');
    const valueBytes =
      value === undefined ? Buffer.from(jsonLine(element, this.#sink)) : this.#bytes(value(element), 'value');
    const entries = headers === undefined ? NO_HEADERS : this.#headers(headers(element));
    let bytes = OVERHEAD + (keyBytes?.length ?? 0) + (valueBytes?.length ?? 0);
    for (const [name, content] of entries) bytes += name.length + content.length + 8;
    return {
      partition: this.#partition(element, keyBytes, partitions),
      key: keyBytes,
      value: valueBytes,
      headers: entries,
      timestamp: timestamp === undefined ? this.#now() : this.#time(timestamp(element)),
      bytes,
    };
  }

  #partition(element: T, key: Buffer | null, partitions: number): number {
    const { partition } = this.#encoding;
    if (partition === undefined)
      return key === null ? this.#turn % partitions : partitionOfKey(key, partitions);
    const chosen = partition(element, partitions);
    if (Number.isInteger(chosen) && chosen >= 0 && chosen < partitions) return chosen;
    throw this.#refused(
      `partition returned ${String(chosen)}, expected an integer from 0 to ${partitions - 1}`,
    );
  }

  #headers(given: unknown): Map<Buffer, Buffer> {
    if (typeof given !== 'object' || given === null) throw this.#refused('headers returned no object');
    return new Map(
      Object.entries(given).map(([name, content]: [string, unknown]) => {
        const bytes = this.#bytes(content, `the header ${name}`);
        if (bytes === null) throw this.#refused(`the header ${name} is null`);
        return [Buffer.from(name), bytes];
      }),
    );
  }

  #bytes(given: unknown, what: string): Buffer | null {
    if (given === null) return null;
    if (typeof given === 'string') {
      // UTF-8 has no form for it: keys that differ would become one.
      if (!given.isWellFormed()) throw this.#refused(`${what} holds half of a surrogate pair`);
      return Buffer.from(given);
    }
    // A copy: it waits to be sent, and the caller may reuse its own.
    if (given instanceof Uint8Array) return Buffer.from(given);
    throw this.#refused(`${what} is ${typeof given}, expected a string, bytes or null`);
  }

  #time(at: unknown): number {
    if (typeof at === 'number' && Number.isSafeInteger(at) && at >= 0) return at;
    throw this.#refused(`timestamp returned ${String(at)}, expected whole milliseconds since 1970`);
  }

  #refused(why: string): TidemarkError {
    return new TidemarkError('VALUE_REFUSED', `sink ${this.#sink}: ${why}`);
  }
}

const NO_HEADERS: ReadonlyMap<Buffer, Buffer> = new Map();

/**
 * How one value becomes bytes and comes back.
 *
 * Duties of a codec: `read(write(v))` equals `v`; equal values give equal bytes within one version; `write`
 * throws {@link ValueRefused} for what it cannot keep, before or after writing bytes (the caller rewinds);
 * `read` never trusts a length, never runs what it reads, and throws {@link BytesDamaged} for what it cannot
 * read. `id` and `version` are recorded in every snapshot and checked on restore.
 */
import type { ByteReader } from './reader.js';
import type { ByteWriter } from './writer.js';

export interface Codec<T> {
  readonly id: string;
  readonly version: number;
  write(value: T, out: ByteWriter): void;
  read(from: ByteReader): T;
}

/** A value that cannot be kept, with the path to the part at fault, as `.a[3].b`; empty for the value itself. */
export class ValueRefused extends Error {
  readonly path: string;
  readonly reason: string;

  constructor(reason: string, path = '') {
    super(path === '' ? reason : `${reason} at ${path}`);
    this.name = 'ValueRefused';
    this.path = path;
    this.reason = reason;
  }
}

/** Bytes that are not what they claim to be. `offset` is within the buffer being read. */
export class BytesDamaged extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(`${message} at byte ${offset}`);
    this.name = 'BytesDamaged';
    this.offset = offset;
  }
}

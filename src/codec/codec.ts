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
  /** Codecs whose bytes hold what this one keeps, too: by them a state can come over from another codec. */
  readonly reads?: readonly Codec<unknown>[];
  write(value: T, out: ByteWriter): void;
  /** `version`: the one that wrote the bytes, up to this codec's, which it is by default. */
  read(from: ByteReader, version?: number): T;
}

/**
 * A codec that keeps values of any type: of which type those of a state are is for its declaration to say. It shows nothing
 * that a type could be inferred from.
 */
export interface UntypedCodec extends CodecId {
  readonly untyped: true;
}

/** What may keep values of `T`. */
export type CodecFor<T> = Codec<T> | UntypedCodec;

/** How a snapshot names a codec. */
export interface CodecId {
  readonly id: string;
  readonly version: number;
}

/** Codecs that keep values of any type. */
const UNTYPED: ReadonlySet<string> = new Set(['value', 'json']);

/** Whether the codec alone says what the values are: strings, numbers, or what a definition's own codec reads. */
export function isTyped({ id }: CodecId): boolean {
  return !UNTYPED.has(id);
}

/** A value that cannot be kept, with the path to the part at fault, as `.a[3].b`; empty for the value itself. */
export class ValueRefused extends Error {
  readonly path: string;
  readonly reason: string;

  /** `cause`: what user code threw that refused it. */
  constructor(reason: string, path = '', cause?: unknown) {
    super(path === '' ? reason : `${reason} at ${path}`, cause === undefined ? undefined : { cause });
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

/** Bytes that a definition's own codec does not take. `cause` is what its `decode` threw. */
export class DecodeFailed extends Error {
  constructor(codec: CodecId, cause: unknown) {
    super(`codec ${codec.id} cannot decode a value: ${thrown(cause)}`, { cause });
    this.name = 'DecodeFailed';
  }
}

/** The longest message of user code's that is passed on. */
const MAX_THROWN = 500;

/** What was thrown, whatever it is, as part of a message. */
export function thrown(error: unknown): string {
  const text = error instanceof Error ? String(error.message || error.name) : nameOf(error);
  return text.length <= MAX_THROWN ? text : `${text.slice(0, MAX_THROWN)}…`;
}

/** Of what is no error: anything can be thrown. */
function nameOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

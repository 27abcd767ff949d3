/**
 * Codecs of a definition's own: two functions between a value and its bytes.
 *
 * Kept as MessagePack's `bin` around those bytes, so that a value ends where it ends, in lists too, and whoever does
 * not have the definition sees at least how long it is.
 */
import { TidemarkError } from '../base/errors.js';
import { type Codec, type CodecFor, DecodeFailed, thrown, ValueRefused } from './codec.js';
import type { ByteReader } from './reader.js';
import { readBytes, writeBytes } from './typed-codecs.js';
import type { ByteWriter } from './writer.js';

/** Ids of tidemark's own codecs. Stored: never give one another meaning. */
export const OWN_CODECS = ['value', 'json', 'number', 'string', 'bytes'] as const;
const MAX_ID = 100;
const ID = /^[a-z0-9][a-z0-9.-]*$/i;
const KNOWN = ['id', 'version', 'encode', 'decode', 'reads'];

export interface CodecDefinition<T> {
  /** Letters, digits, dots and hyphens; recorded in every snapshot. */
  readonly id: string;
  /** To be raised when `encode` writes other bytes than before. Default 1. */
  readonly version?: number;
  /** Equal values must give equal bytes. What it throws refuses the value. */
  encode(value: T): Uint8Array;
  /**
   * Bytes that `encode` gave, now or when the codec had the lower `version`; never ones of a higher. They are the
   * function's own. What it throws refuses the entry, on a restore as in `check`.
   */
  decode(bytes: Uint8Array, version: number): T;
  /** Other codecs that may have kept the same values before: a state that is kept by one of them can come over. */
  readonly reads?: readonly CodecFor<NoInfer<T>>[];
}

/** @throws TidemarkError GRAPH_INVALID with all that is wrong with it. */
export function defineCodec<T>(definition: CodecDefinition<T>): Codec<T> {
  const findings = findingsOn(definition);
  if (findings.length > 0) {
    throw new TidemarkError('GRAPH_INVALID', `codec.define: ${findings.join('; ')}`, {
      hint: "codec.define({ id: 'money', version: 1, encode: (value) => bytes, decode: (bytes, version) => value })",
    });
  }
  return new OwnCodec(definition);
}

class OwnCodec<T> implements Codec<T> {
  readonly id: string;
  readonly version: number;
  readonly reads: readonly Codec<unknown>[];
  readonly #definition: CodecDefinition<T>;

  constructor(definition: CodecDefinition<T>) {
    this.id = definition.id;
    this.version = definition.version ?? 1;
    const reads: unknown = definition.reads;
    this.reads = isCodecs(reads) ? reads : [];
    this.#definition = definition;
  }

  write(value: T, out: ByteWriter): void {
    const bytes = this.#encode(value);
    if (!(bytes instanceof Uint8Array))
      throw new ValueRefused(`encode of codec ${this.id} returned no Uint8Array`);
    writeBytes(bytes, out);
  }

  read(from: ByteReader, version = this.version): T {
    const bytes = readBytes(from);
    try {
      return this.#definition.decode(bytes, version);
    } catch (error) {
      throw new DecodeFailed(this, error);
    }
  }

  #encode(value: T): unknown {
    try {
      return this.#definition.encode(value);
    } catch (error) {
      throw new ValueRefused(`encode of codec ${this.id} threw: ${thrown(error)}`, '', error);
    }
  }
}

function findingsOn(given: unknown): readonly string[] {
  if (typeof given !== 'object' || given === null) return ['expected an object with id, encode and decode'];
  const { id, version, encode, decode, reads } = given as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(given).filter((name) => !KNOWN.includes(name));
  return [
    ...unknown.map((name) => `no property ${JSON.stringify(name)}; expected one of: ${KNOWN.join(', ')}`),
    ...idFindings(id),
    ...(version === undefined || isVersion(version) ? [] : ['version: expected a whole number from 1 on']),
    ...(typeof encode === 'function' ? [] : ['encode: expected a function']),
    ...(typeof decode === 'function' ? [] : ['decode: expected a function']),
    ...(reads === undefined || isCodecs(reads) ? [] : ['reads: expected an array of codecs']),
  ];
}

function idFindings(id: unknown): readonly string[] {
  if (typeof id !== 'string' || !ID.test(id) || id.length > MAX_ID)
    return [`id: expected up to ${MAX_ID} letters, digits, dots and hyphens, such as 'money'`];
  if (OWN_CODECS.some((own) => own === id.toLowerCase()))
    return [`id: ${id} is one of tidemark's own codecs`];
  return [];
}

function isVersion(version: unknown): version is number {
  return Number.isSafeInteger(version) && Number(version) >= 1;
}

/** True for what `codec.…` gives, of any copy of the library. */
export function isCodec(value: unknown): value is Codec<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const { id, version, write, read } = value as Readonly<Record<string, unknown>>;
  return (
    typeof id === 'string' && isVersion(version) && typeof write === 'function' && typeof read === 'function'
  );
}

export function isCodecs(value: unknown): value is readonly Codec<unknown>[] {
  return Array.isArray(value) && value.every(isCodec);
}

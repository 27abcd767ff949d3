/** Brings what a snapshot holds to the newest version of its schema. */
import { TidemarkError } from '../base/errors.js';
import { type Codec, ValueRefused } from '../codec/codec.js';
import { ByteReader } from '../codec/reader.js';
import type { Schema } from '../codec/schema.js';

/** @throws TidemarkError INCOMPATIBLE, calling the value `what`, when it does not become one of the newest version. */
export function upgrade(schema: Schema<unknown>, value: unknown, version: number, what: string): unknown {
  try {
    return schema.upgrade(value, version);
  } catch (error) {
    if (!(error instanceof ValueRefused)) throw error;
    throw new TidemarkError('INCOMPATIBLE', `${what} does not match its schema: ${error.message}`, {
      cause: error,
    });
  }
}

/** What is kept of a declared state that belongs to no key. */
export interface Kept {
  readonly codec: Codec<unknown>;
  readonly schema: Schema<unknown> | undefined;
}

/** One value out of its bytes, which were written under `version` of its schema. Checked only when it was another. */
export function readKept({ codec, schema }: Kept, bytes: Buffer, version: number, what: string): unknown {
  const value = codec.read(new ByteReader(bytes));
  return schema === undefined || schema.version === version ? value : upgrade(schema, value, version, what);
}

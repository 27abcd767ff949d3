/** Reads what `state.…` was given: a schema or none, then options. Throws GRAPH_INVALID for what cannot be meant. */
import type { Codec } from '../codec/codec.js';
import { isCodec, isCodecs } from '../codec/define-codec.js';
import { keyCodecById } from '../codec/keys.js';
import type { Schema } from '../codec/schema.js';
import { valueCodec } from '../codec/value.js';
import { isBag, unknownNames } from './bag.js';
import { graphInvalid } from './graph-invalid.js';
import { readLength } from './lengths.js';
import { show } from './names.js';
import { readSchema } from './schemas.js';
import type { Ttl } from './state.js';

/** `'1h'` or milliseconds since an entry was last set; or the same with what else keeps it alive. */
export type TtlOption =
  | string
  | number
  | {
      readonly after: string | number;
      /** `'read'`: reading an entry keeps it alive, too. Default `'write'`. */
      readonly refresh?: 'read' | 'write';
    };

export type OptionName = 'initial' | 'formerly' | 'codec' | 'was' | 'keys' | 'ttl';

/** What all declarations have, as those of `state.ts` do; what is optional only where it was given. */
export interface ReadDeclaration {
  readonly codec: Codec<unknown>;
  readonly schema: Schema<unknown> | undefined;
  readonly formerly: readonly string[];
  readonly was?: readonly Codec<unknown>[];
  /** The id of the type of map keys. */
  readonly mapKey?: string;
  readonly initial?: unknown;
  readonly ttl?: Ttl;
}

/** Tells a schema from options, which plain JavaScript may mix up. `of` is the function's name: `value`. */
export function readDeclaration(
  of: string,
  known: readonly OptionName[],
  first: unknown,
  second: unknown,
): ReadDeclaration {
  const schema = readSchema(first);
  const given = (schema === undefined ? first : second) ?? {};
  if (!isBag(given)) throw invalid(of, `expected a schema or options, found ${show(given)}`);
  const { codec, formerly, was, keys, initial, ttl } = given;
  const [unknown] = unknownNames(given, known);
  if (unknown !== undefined) throw invalid(of, unknown.replace('no property', 'no option'));
  if (codec !== undefined && !isCodec(codec))
    throw invalid(of, `codec: expected a codec, found ${show(codec)}`);
  if (formerly !== undefined && !Array.isArray(formerly))
    throw invalid(of, `formerly: expected an array of names, found ${show(formerly)}`);
  if (was !== undefined && !isCodecs(was))
    throw invalid(of, `was: expected an array of codecs, found ${show(was)}`);
  return {
    codec: codec ?? valueCodec,
    schema,
    formerly: formerly ?? [],
    ...(was === undefined ? {} : { was }),
    ...(keys === undefined ? {} : { mapKey: readKeys(of, keys) }),
    ...(initial === undefined ? {} : { initial }),
    ...(ttl === undefined ? {} : { ttl: readTtl(of, ttl) }),
  };
}

function readKeys(of: string, given: unknown): string {
  if (isBag(given) && typeof given['id'] === 'string') return keyCodecById(given['id']).id;
  throw invalid(of, `keys: expected key.string or its like, found ${show(given)}`);
}

function readTtl(of: string, given: unknown): Ttl {
  const { after, refresh = 'write', ...rest } = isBag(given) ? given : { after: given };
  const ms = readLength(after, 1);
  if (typeof ms === 'string') throw invalid(of, isBag(given) ? `ttl.after: ${ms}` : `ttl: ${ms}`);
  if (refresh !== 'read' && refresh !== 'write')
    throw invalid(of, `ttl.refresh: expected 'read' or 'write', found ${show(refresh)}`);
  const [unknown] = unknownNames(rest, ['after', 'refresh']);
  if (unknown !== undefined) throw invalid(of, `ttl: ${unknown}`);
  return { after: ms, refresh };
}

/** GRAPH_INVALID for `state.<of>`. */
export function invalid(of: string, finding: string) {
  return graphInvalid(`state.${of}`, [finding]);
}

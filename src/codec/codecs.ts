/** `codec.…`: how a definition says by which codec state is kept, and how whoever reads an archive finds it again. */
import type { Codec, CodecId, UntypedCodec } from './codec.js';
import { defineCodec } from './define-codec.js';
import { jsonCodec } from './json.js';
import { bytesCodec, numberCodec, stringCodec } from './typed-codecs.js';
import { valueCodec } from './value.js';

/**
 * How the values of a state become bytes. A state that is kept by another codec than before is restored only where there
 * is a way across: `reads` of `codec.define`, or `was: [codec.value]` of the state.
 * @example
 * state: {
 *   last: state.value<Flight>({ codec: codec.json }),
 *   mean: state.value({ codec: codec.number, was: [codec.value] }),
 *   sketch: state.value({ codec: sketches }),
 * }
 */
export const codec = {
  /** The default: compact, and keeps bigint, Date, Map, Set and typed arrays as they are. */
  value: valueCodec as UntypedCodec,
  /** JSON text. What JSON would lose is refused: undefined, NaN, bigints, Date, Map, instances. */
  json: jsonCodec as UntypedCodec,
  /** Numbers, always as 64 bits. */
  number: numberCodec,
  string: stringCodec,
  /** Uint8Array. */
  bytes: bytesCodec,
  define: defineCodec,
} as const;

const OWN: Readonly<Record<string, Codec<unknown>>> = {
  value: valueCodec,
  json: jsonCodec,
  number: numberCodec,
  string: stringCodec,
  bytes: bytesCodec,
};

/** Tidemark's own codec of that id, in the version that wrote; undefined for one that only a definition knows. */
export function ownCodec({ id, version }: CodecId): Codec<unknown> | undefined {
  const own = Object.hasOwn(OWN, id) ? OWN[id] : undefined;
  return own !== undefined && own.version >= version ? own : undefined;
}

/**
 * The codec as far as it is known without the definition: of a definition's own, the bytes it wrote. What that reads and
 * writes again is what it was.
 */
export function archivedCodec(codec: CodecId): Codec<unknown> {
  return ownCodec(codec) ?? bytesCodec;
}

/**
 * The way of a value from the bytes of a snapshot to what the definition keeps now: another codec, other versions of the
 * schema, map keys of a declared type.
 *
 *     bytes ─ the codec that wrote them ─▶ value ─ step v1→v2 ─ step v2→v3 ─▶ value ─ the codec of now ─▶ bytes
 *
 * Invariants: where codec, versions and map keys are those of the snapshot there is no way to go, and no value is read;
 * what one entry is refused for does not show in the next.
 */
import { BytesDamaged, type Codec, type CodecId, ValueRefused } from '../codec/codec.js';
import { listCodec } from '../codec/list.js';
import { ByteReader } from '../codec/reader.js';
import { refusedWithin } from '../codec/schema.js';
import { ByteWriter } from '../codec/writer.js';
import type { Entry } from '../format/entry.js';
import type { KeptAs } from './kept-as.js';
import { wayOfKeys } from './key-way.js';
import type { Table } from './tables.js';

/** An entry as the definition keeps it, valid until the next. Throws ValueRefused, DecodeFailed, KeyRefused, BytesDamaged. */
export type Way = (entry: Entry) => Entry;

/** From the snapshot's table to the definition's; undefined where its entries are right as they are. */
export function wayAcross(theirs: Table, ours: Table, kept: KeptAs): Way | undefined {
  const values = wayOfValues(theirs, ours, kept);
  const mapKeys = wayOfMapKeys(theirs, ours);
  if (values === undefined && mapKeys === undefined) return undefined;
  return (entry) => {
    const { mapKey } = entry;
    return {
      ...entry,
      ...(mapKey === undefined || mapKeys === undefined ? {} : { mapKey: mapKeys(mapKey) }),
      ...(values === undefined || entry.tombstone ? {} : { value: values(entry.value) }),
    };
  };
}

type Rewrite = (bytes: Buffer) => Buffer;

function wayOfValues(theirs: Table, ours: Table, { codec, schema, was }: KeptAs): Rewrite | undefined {
  const sameVersion = schema === undefined || theirs.schemaVersion === ours.schemaVersion;
  if (sameCodec(theirs.codec, codec) && sameVersion) return undefined;
  const list = ours.kind === 'list';
  const from = readerOf(theirs.codec, [codec, ...was]);
  const upgraded = (value: unknown) =>
    schema === undefined ? value : schema.upgrade(value, theirs.schemaVersion);
  const convert = list ? (elements: unknown) => each(elements as readonly unknown[], upgraded) : upgraded;
  const reader = list ? listCodec(from) : from;
  const writer: Codec<unknown> = list ? (listCodec(codec) as Codec<unknown>) : codec;
  const out = new ByteWriter();
  return (bytes) => {
    const at = new ByteReader(bytes);
    const value = reader.read(at, theirs.codec.version);
    if (at.remaining > 0) throw new BytesDamaged(`${at.remaining} bytes too many`, at.position);
    out.reset();
    writer.write(convert(value), out);
    return out.view();
  };
}

function sameCodec(a: CodecId, b: CodecId): boolean {
  return a.id === b.id && a.version === b.version;
}

/** The very codec that wrote, if it is there; else the first of that id, which reads what lower versions of it wrote. */
function readerOf(wrote: CodecId, codecs: readonly Codec<unknown>[]): Codec<unknown> {
  const named = codecs.filter(({ id, version }) => id === wrote.id && version >= wrote.version);
  const found = named.find(({ version }) => version === wrote.version) ?? named[0];
  if (found !== undefined) return found;
  throw new ValueRefused(`kept by codec ${wrote.id} v${wrote.version}, which the definition does not read`);
}

/** What becomes of each element; refusals name it. */
export function each(
  elements: readonly unknown[],
  upgraded: (value: unknown) => unknown,
): readonly unknown[] {
  return elements.map((element, i) => {
    try {
      return upgraded(element);
    } catch (error) {
      throw refusedWithin(error, `[${i}]`);
    }
  });
}

/** Every map key of a declared type has one encoding, also under `auto`; what changes is which are taken. */
function wayOfMapKeys(theirs: Table, ours: Table): Rewrite | undefined {
  if (theirs.mapKey === ours.mapKey || theirs.mapKey === null || ours.mapKey === null) return undefined;
  const way = wayOfKeys(theirs.mapKey, ours.mapKey);
  return (bytes) => {
    way?.(bytes);
    return bytes;
  };
}

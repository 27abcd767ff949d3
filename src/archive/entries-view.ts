/** Entries as `inspect --state` shows them, and keys as `--key` reads them. */
import { TidemarkError } from '../base/errors.js';
import { keyGroupOf } from '../base/key-groups.js';
import { BytesDamaged, type Codec } from '../codec/codec.js';
import { archivedCodec, ownCodec } from '../codec/codecs.js';
import { type KeyCodec, KeyRefused } from '../codec/key.js';
import { keyCodecById } from '../codec/keys.js';
import { listCodec } from '../codec/list.js';
import { ByteReader } from '../codec/reader.js';
import { valueCodec } from '../codec/value.js';
import { ByteWriter } from '../codec/writer.js';
import type { Entry, Namespace } from '../format/entry.js';
import { isKeyed, type ManifestOperator, type ManifestTable } from '../format/manifest.js';
import { timerKey } from '../format/timer-key.js';
import { fromTagged, type Json, toTagged } from './tagged.js';

const stringKeys = keyCodecById('string');
const longKeys = keyCodecById('long');
const placeKeys = keyCodecById('tuple(long,long)');
/** Kinds whose map key is a time. */
const TIMED: ReadonlySet<string> = new Set(['timer', 'event-timer', 'in-flight']);

export interface EntryView {
  readonly operator: string;
  /** Of the state or timer; its kind where it has no name. */
  readonly state: string;
  /** Null where state has no key groups. */
  readonly keyGroup: number | null;
  /** Null for broadcast state. */
  readonly key: Json;
  /** Null, 'global', {"window":[start,end]} or {"value":…}. */
  readonly namespace: Json;
  readonly value: Json;
  /** Only for rows of maps; and for timers and elements in flight, whose map key is their time. */
  readonly mapKey?: Json;
  /** Only where the entry expires: when, in milliseconds. */
  readonly expires?: Json;
}

/** Throws {@link BytesDamaged} for bytes that are no such entry. */
export function viewEntry(entry: Entry, table: ManifestTable, operator: ManifestOperator): EntryView {
  const { mapKey, stamp } = entry;
  return {
    operator: table.operator,
    state: table.name === '' ? table.kind : table.name,
    keyGroup: isKeyed(table.kind) ? entry.group : null,
    key: viewKey(entry.key, table, operator),
    namespace: viewNamespace(entry.namespace),
    ...(mapKey === undefined ? {} : { mapKey: viewMapKey(mapKey, table) }),
    value: viewValue(entry.value, table),
    ...(stamp === undefined ? {} : { expires: toTagged(plain(stamp)) }),
  };
}

/** How keys of a table are kept; undefined where it has none. */
export function keysOf(table: ManifestTable, operator: ManifestOperator): KeyCodec | undefined {
  if (isKeyed(table.kind)) return operator.keyType === null ? undefined : keyCodecById(operator.keyType);
  switch (table.kind) {
    case 'splits':
      return stringKeys;
    case 'watermark':
    case 'transactions':
      return longKeys;
    case 'broadcast':
      return undefined;
    default:
      return placeKeys;
  }
}

/** A key from `--key`: tagged JSON; for strings, what is no JSON is taken as it stands. */
export interface WantedKey {
  readonly group: number;
  readonly bytes: Buffer;
}

/** @throws TidemarkError USAGE for what cannot be a key of this table. */
export function parseKey(text: string, table: ManifestTable, operator: ManifestOperator): WantedKey {
  const codec = keysOf(table, operator);
  if (codec === undefined) throw usage(`${table.operator}.${table.name} has no keys`);
  const out = new ByteWriter();
  try {
    const key = keyOf(text, codec);
    const hash = codec.hash(key);
    codec.write(codec.normalise(key), out);
    return { group: isKeyed(table.kind) ? keyGroupOf(hash, operator.maxParallelism) : 0, bytes: out.copy() };
  } catch (error) {
    if (error instanceof KeyRefused) throw usage(`--key ${text}: ${error.message}`);
    throw error;
  }
}

function keyOf(text: string, codec: KeyCodec): unknown {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return text;
  }
  // What was meant as text may look like a number: 42 among strings.
  return codec.id === 'string' && typeof json !== 'string' ? text : fromTagged(json);
}

function viewKey(bytes: Buffer, table: ManifestTable, operator: ManifestOperator): Json {
  const codec = keysOf(table, operator);
  if (codec === undefined) return bytes.length === 0 ? null : raw('key', bytes);
  return toTagged(readAll(codec, bytes));
}

function viewMapKey(bytes: Buffer, table: ManifestTable): Json {
  if (TIMED.has(table.kind)) return toTagged(readAll(timerKey, bytes));
  if (table.mapKey !== null) return toTagged(readAll(keyCodecById(table.mapKey), bytes));
  // The chunk of a list.
  return bytes.length === 4 ? bytes.readUInt32BE(0) : raw('key', bytes);
}

function viewValue(bytes: Buffer, table: ManifestTable): Json {
  if (bytes.length === 0) return null;
  const codec = valuesOf(table);
  if (codec !== undefined) return toTagged(readAll(codec, bytes));
  try {
    return toTagged(readAll(asBytes(table), bytes));
  } catch (error) {
    if (!(error instanceof BytesDamaged)) throw error;
    return raw(table.codec.id, bytes);
  }
}

/** How values of a table are kept, a list as one; undefined for a codec that only the definition knows. */
export function valuesOf({ kind, codec }: Pick<ManifestTable, 'kind' | 'codec'>): Codec<unknown> | undefined {
  const own = ownCodec(codec);
  return own === undefined ? undefined : ofKind(kind, own);
}

/** The same for a codec of the definition's: a value is the bytes that it made of it, `{"$bytes":…}`. */
export function asBytes({ kind, codec }: Pick<ManifestTable, 'kind' | 'codec'>): Codec<unknown> {
  return ofKind(kind, archivedCodec(codec));
}

function ofKind(kind: ManifestTable['kind'], codec: Codec<unknown>): Codec<unknown> {
  return kind === 'list' ? (listCodec(codec) as Codec<unknown>) : codec;
}

function viewNamespace(namespace: Namespace): Json {
  switch (namespace.kind) {
    case 'none':
      return null;
    case 'global':
      return 'global';
    case 'window':
      return { window: [toTagged(plain(namespace.start)), toTagged(plain(namespace.end))] };
    case 'value':
      return { value: toTagged(readAll(valueCodec, namespace.bytes)) };
  }
}

/** What the codec makes of all these bytes. Throws {@link BytesDamaged}. */
export function readAll<T>(codec: { read(from: ByteReader): T }, bytes: Buffer): T {
  const from = new ByteReader(bytes);
  const value = codec.read(from);
  if (from.remaining > 0) throw new BytesDamaged(`${from.remaining} bytes too many`, from.position);
  return value;
}

/** A time as a number where it is one exactly. */
function plain(time: bigint): number | bigint {
  const number = Number(time);
  return Number.isSafeInteger(number) ? number : time;
}

/** Bytes that no codec of `codec.define` wrote. */
function raw(codec: string, bytes: Buffer): Json {
  return { $codec: [codec, bytes.toString('base64')] };
}

function usage(message: string): TidemarkError {
  return new TidemarkError('USAGE', message, {
    hint: 'write the key as inspect shows it: "user-1", 42, {"$bigint":"5"}, ["a",1]',
  });
}

/**
 * Makes entries from what `inspect --state --json` shows of them: the inverse of archive/entries-view.ts.
 *
 * Invariant: for every entry that a sound archive holds, `make(viewEntry(entry))` gives its bytes again. What is given
 * is the world's: nothing of it is believed, and what cannot be an entry of the table is an {@link EntryRefused} that
 * says which field and why.
 */
import { EntryCheck } from '../archive/check-entry.js';
import { keysOf } from '../archive/entries-view.js';
import type { TableShape } from '../archive/table-list.js';
import { fromTagged } from '../archive/tagged.js';
import { TidemarkError } from '../base/errors.js';
import { keyGroupOf } from '../base/key-groups.js';
import { ValueRefused } from '../codec/codec.js';
import { type Key, type KeyCodec, KeyRefused } from '../codec/key.js';
import { keyCodecById } from '../codec/keys.js';
import { valueCodec } from '../codec/value.js';
import { ByteWriter } from '../codec/writer.js';
import {
  type Encoder,
  type Entry,
  type EntryWriter,
  MAX_KEY_BYTES,
  MAX_VALUE_BYTES,
  type Namespace,
} from '../format/entry.js';
import { isKeyed, type ManifestOperator, type ManifestTable, type TableKind } from '../format/manifest.js';
import { timerKey } from '../format/timer-key.js';
import { writeShown } from './shown-value.js';

/** The fields of a line that say what the entry is, as tagged JSON; `undefined` where the line has none. */
export interface GivenEntry {
  readonly key?: unknown;
  readonly namespace?: unknown;
  readonly mapKey?: unknown;
  readonly value?: unknown;
  readonly expires?: unknown;
}

export type EntryField = keyof GivenEntry;

/** What is given cannot be an entry of the table. */
export class EntryRefused extends Error {
  readonly field: EntryField;
  readonly reason: string;

  constructor(field: EntryField, reason: string) {
    super(`${field}: ${reason}`);
    this.name = 'EntryRefused';
    this.field = field;
    this.reason = reason;
  }
}

const LEAST_TIME = -(2n ** 63n);
const LAST_TIME = 2n ** 63n - 1n;
const CHUNK_BYTES = 4;
const EMPTY = Buffer.alloc(0);
const NOWHERE: Namespace = { kind: 'none' };
const EVERYWHERE: Namespace = { kind: 'global' };

/** Makes entries of one table. */
export class EntryMaker {
  readonly #table: ManifestTable;
  readonly #keyed: boolean;
  readonly #maxParallelism: number;
  readonly #keys: KeyCodec | undefined;
  readonly #mapKeys: KeyCodec | undefined;
  readonly #check: EntryCheck | undefined;
  readonly #out = new ByteWriter();

  /** @throws INCOMPATIBLE when the type of the keys is not known, or the table is none whose entries are state. */
  constructor(shape: TableShape, operator: ManifestOperator) {
    if (shape.kind === 'transactions')
      throw new TidemarkError('INCOMPATIBLE', `${shape.operator}: transactions of a sink are no state`);
    const table: ManifestTable = { ...shape, entries: 0, bytes: 0 };
    this.#table = table;
    this.#keyed = isKeyed(table.kind);
    this.#maxParallelism = operator.maxParallelism;
    this.#keys = keysOf(table, operator);
    this.#mapKeys = table.mapKey === null ? undefined : keyCodecById(table.mapKey);
    // Of the other kinds all is held against the table while it is encoded.
    const own = table.kind === 'splits' || table.kind === 'watermark';
    this.#check = own ? new EntryCheck(table, operator) : undefined;
  }

  /** The entry; its buffers are its own. @throws EntryRefused */
  make(given: GivenEntry): Entry {
    const { key, group } = this.key(given.key);
    const entry: Entry = {
      table: this.#table.id,
      group,
      key,
      namespace: this.#namespace(given.namespace),
      mapKey: this.#mapKey(given.mapKey),
      stamp: this.#stamp(given.expires),
      tombstone: false,
      value: this.#value(given.value),
    };
    const problem = this.#check?.problem(entry);
    if (problem !== undefined)
      throw new EntryRefused(problem.code === 'VALUE' ? 'value' : 'key', problem.message);
    return entry;
  }

  /** The same without a value: what names an entry that is there. @throws EntryRefused */
  name(given: GivenEntry): Entry {
    const { key, group } = this.key(given.key);
    return {
      table: this.#table.id,
      group,
      key,
      namespace: this.#namespace(given.namespace),
      mapKey: this.#mapKey(given.mapKey),
      stamp: undefined,
      tombstone: true,
      value: EMPTY,
    };
  }

  /** An encoded key, and where it belongs. @throws EntryRefused */
  key(given: unknown): { readonly key: Buffer; readonly group: number } {
    const codec = this.#keys;
    if (codec === undefined) {
      if (given !== undefined && given !== null) throw new EntryRefused('key', 'its operator has no keys');
      return { key: EMPTY, group: 0 };
    }
    if (given === undefined) throw new EntryRefused('key', 'there is none');
    const { bytes, hash } = this.#encodeKey('key', codec, given);
    return { key: bytes, group: this.#keyed ? keyGroupOf(hash, this.#maxParallelism) : 0 };
  }

  #mapKey(given: unknown): Buffer | undefined {
    const { kind } = this.#table;
    // An element in flight may have none.
    if (isTimer(kind) || (kind === 'in-flight' && (given ?? null) !== null)) {
      const time = read('mapKey', given);
      const whose = isTimer(kind) ? 'the time of a timer' : 'the timestamp of an element in flight';
      if (typeof time !== 'number' || !Number.isSafeInteger(time))
        throw new EntryRefused('mapKey', `${whose} is a whole number of milliseconds`);
      this.#out.reset();
      timerKey.write(time, this.#out);
      return this.#out.copy();
    }
    if (this.#mapKeys !== undefined) {
      if (given === undefined) throw new EntryRefused('mapKey', 'there is none');
      return this.#encodeKey('mapKey', this.#mapKeys, given).bytes;
    }
    if (given === undefined || given === null) return undefined;
    if (kind !== 'list') throw new EntryRefused('mapKey', `state of kind ${kind} has none`);
    if (!isWithin(given, 0, 2 ** 32 - 1))
      throw new EntryRefused('mapKey', 'the chunk of a list is a number from 0');
    const chunk = Buffer.alloc(CHUNK_BYTES);
    chunk.writeUInt32BE(given);
    return chunk;
  }

  #encodeKey(field: EntryField, codec: KeyCodec, given: unknown) {
    const key = read(field, given);
    this.#out.reset();
    try {
      const hash = codec.hash(key);
      codec.write(codec.normalise(key as Key), this.#out);
      return { hash, bytes: this.#out.copy() };
    } catch (error) {
      if (error instanceof KeyRefused) throw new EntryRefused(field, error.message);
      throw error;
    }
  }

  /** Whether a pane begins and ends where its windows do, the definition that has them says (`check`). */
  #namespace(given: unknown): Namespace {
    const namespace = this.#anyNamespace(given);
    const wanted = this.#table.window?.assign.kind === 'global' ? 'global' : 'window';
    if (this.#table.window === undefined || namespace.kind === wanted) return namespace;
    const form = wanted === 'global' ? '"global"' : '{"window":[start,end]}';
    throw new EntryRefused('namespace', `the state is of windows: expected ${form}`);
  }

  #anyNamespace(given: unknown): Namespace {
    if (given === undefined || given === null) return NOWHERE;
    if (!this.#keyed)
      throw new EntryRefused('namespace', `entries of kind ${this.#table.kind} are in no window`);
    if (given === 'global') return EVERYWHERE;
    const [name, content, ...more] = typeof given === 'object' ? Object.entries(given).flat() : [];
    if (more.length === 0 && name === 'window' && Array.isArray(content) && content.length === 2) {
      const [start, end] = content.map((time) => timeOf('namespace', time));
      return { kind: 'window', start: start ?? 0n, end: end ?? 0n };
    }
    if (more.length === 0 && name === 'value')
      return { kind: 'value', bytes: this.#encodeValue('namespace', content) };
    throw new EntryRefused('namespace', 'it is null, "global", {"window":[start,end]} or {"value":…}');
  }

  #stamp(given: unknown): bigint | undefined {
    return given === undefined || given === null ? undefined : timeOf('expires', given);
  }

  #encodeValue(field: EntryField, given: unknown): Buffer {
    const value = read(field, given);
    this.#out.reset();
    try {
      valueCodec.write(value, this.#out);
    } catch (error) {
      throw refusedValue(field, error);
    }
    if (this.#out.position > MAX_KEY_BYTES)
      throw new EntryRefused(field, `it takes ${this.#out.position} bytes, at most ${MAX_KEY_BYTES}`);
    return this.#out.copy();
  }

  #value(given: unknown): Buffer {
    const { kind } = this.#table;
    if (isTimer(kind)) {
      if (given !== undefined && given !== null) throw new EntryRefused('value', 'a timer has none');
      return EMPTY;
    }
    if (given === undefined) throw new EntryRefused('value', 'there is none');
    this.#out.reset();
    try {
      writeShown(given, this.#table, this.#out);
    } catch (error) {
      throw refusedValue('value', error);
    }
    if (this.#out.position > MAX_VALUE_BYTES)
      throw new EntryRefused('value', `it takes ${this.#out.position} bytes, at most ${MAX_VALUE_BYTES}`);
    return this.#out.copy();
  }
}

const raw: Encoder<Uint8Array> = { write: (bytes, out) => out.raw(bytes) };

/** Writes an entry under the number of its table, or another. */
export function writeEntry(entry: Entry, out: EntryWriter, table = entry.table): void {
  const { namespace, mapKey, stamp } = entry;
  out.begin(table, entry.group);
  out.key(raw, entry.key);
  if (namespace.kind === 'window') out.window(namespace.start, namespace.end);
  else if (namespace.kind === 'global') out.global();
  else if (namespace.kind === 'value') out.namespace(raw, namespace.bytes);
  if (mapKey !== undefined) out.mapKey(raw, mapKey);
  if (entry.tombstone) return out.tombstone();
  if (stamp !== undefined) out.stamp(stamp);
  out.value(raw, entry.value);
}

export function isTimer(kind: TableKind): boolean {
  return kind === 'timer' || kind === 'event-timer';
}

function read(field: EntryField, given: unknown): unknown {
  try {
    return fromTagged(given);
  } catch (error) {
    if (error instanceof TidemarkError) throw new EntryRefused(field, error.message);
    throw error;
  }
}

/** A time: a whole number, or a bigint within 64 bits. */
function timeOf(field: EntryField, given: unknown): bigint {
  const time = read(field, given);
  const exact = typeof time === 'number' && Number.isSafeInteger(time) ? BigInt(time) : time;
  if (typeof exact === 'bigint' && exact >= LEAST_TIME && exact <= LAST_TIME) return exact;
  throw new EntryRefused(field, 'a time is a whole number of milliseconds within 64 bits');
}

function isWithin(given: unknown, least: number, most: number): given is number {
  return typeof given === 'number' && Number.isInteger(given) && given >= least && given <= most;
}

function refusedValue(field: EntryField, error: unknown): unknown {
  if (error instanceof ValueRefused) return new EntryRefused(field, error.message);
  return error instanceof TidemarkError && error.code === 'USAGE'
    ? new EntryRefused(field, error.message)
    : error;
}

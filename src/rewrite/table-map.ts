/**
 * `--map uid.state=module.ts`: a function of the user's gives each entry of a state its new value, or takes it away.
 * The thread that runs the user's code applies it (job/map-worker.ts).
 *
 * Invariants: key, namespace, map key and expiry stay as they are; a value that the state could not hold is refused,
 * with the key; an entry whose bytes stay the same is not counted as changed.
 */

import { EntryCheck } from '../archive/check-entry.js';
import { valuesOf } from '../archive/entries-view.js';
import { toTagged } from '../archive/tagged.js';
import { present } from '../base/assert.js';
import { type ErrorDetails, TidemarkError } from '../base/errors.js';
import { type Codec, ValueRefused } from '../codec/codec.js';
import { ByteReader } from '../codec/reader.js';
import { ByteWriter } from '../codec/writer.js';
import { type Entry, readEntry } from '../format/entry.js';
import { EntryScan, varintBytes } from '../format/entry-scan.js';
import type { ManifestOperator, ManifestTable } from '../format/manifest.js';
import { labelOf } from './names.js';
import { BlockBuilder, type TableBlock } from './table-blocks.js';
import { EntryParts, type NamespaceValue, plainTime, readNamespace } from './table-values.js';

/** What a map function is given: an entry, decoded. */
export interface MapEntry {
  /** Undefined where the state has no keys: of broadcast state. */
  readonly key: unknown;
  /** Null, 'global', {window: [start, end]} or {value}. */
  readonly namespace: NamespaceValue;
  /** Of maps; else undefined. */
  readonly mapKey: unknown;
  readonly value: unknown;
  /** When the entry expires, in milliseconds; undefined where it does not. */
  readonly expires: number | bigint | undefined;
}

/** Gives the new value; undefined takes the entry away. */
export type MapFunction = (entry: MapEntry) => unknown;

export interface MappedBlock {
  /** Undefined where no entry is left. */
  readonly block: TableBlock | undefined;
  readonly changed: number;
}

/** Where a table's entries are mapped, elsewhere: the caller waits for one block before it gives the next. */
export interface EntryMapper {
  /** @throws USER_CODE, USER_PROMISE, VALUE_REFUSED, STEP_TIMEOUT, each with the key */
  map(block: TableBlock): Promise<MappedBlock>;
  close(): Promise<void>;
}

/** A table that is to be mapped, as it will be called. */
export interface MappedTable {
  readonly table: ManifestTable;
  readonly operator: ManifestOperator;
  /** The module's file. */
  readonly file: string;
}

/** What tells where the user's code failed: its own frame. */
export type UserFrameOf = (error: unknown) => ErrorDetails | undefined;

export class TableMap {
  readonly #label: string;
  readonly #parts: EntryParts;
  readonly #check: EntryCheck;
  readonly #codec: Codec<unknown>;
  readonly #map: MapFunction;
  readonly #frameOf: UserFrameOf;
  readonly #scan = new EntryScan();
  readonly #value = new ByteWriter();

  constructor(table: ManifestTable, operator: ManifestOperator, map: MapFunction, frameOf: UserFrameOf) {
    this.#label = labelOf(table);
    this.#parts = new EntryParts(table, operator);
    this.#check = new EntryCheck(table, operator);
    this.#codec = present(valuesOf(table), 'the codec of a table that is mapped');
    this.#map = map;
    this.#frameOf = frameOf;
  }

  /** `onEntry` is told the place of each entry before it is mapped. */
  apply({ table, payload }: TableBlock, onEntry: (place: number) => void): MappedBlock {
    const built = new BlockBuilder(table, payload.length);
    const from = new ByteReader(payload);
    let changed = 0;
    for (let place = 0; from.remaining > 0; place++) {
      const at = from.position;
      const entry = readEntry(from);
      onEntry(place);
      const value = this.#call(entry);
      if (value === undefined) continue;
      if (this.#write(entry, value)) {
        changed++;
        this.#replace(built, payload, at, entry.group);
      } else built.keep(payload, at, from.position);
    }
    return { block: built.block(), changed };
  }

  #call(entry: Entry): unknown {
    const given: MapEntry = {
      key: this.#parts.key(entry),
      namespace: readNamespace(entry.namespace),
      mapKey: this.#parts.mapKey(entry),
      value: this.#parts.value(entry),
      expires: entry.stamp === undefined ? undefined : plainTime(entry.stamp),
    };
    let value: unknown;
    try {
      value = this.#map(given);
    } catch (error) {
      const thrown = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      throw new TidemarkError('USER_CODE', `--map ${this.#describe(entry)}: ${thrown}`, {
        hint: 'mend the module; nothing was written',
        ...this.#frameOf(error),
        cause: error,
      });
    }
    if (!(value instanceof Promise)) return value;
    value.catch(() => undefined);
    throw new TidemarkError('USER_PROMISE', `--map ${this.#describe(entry)}: it returned a promise`, {
      hint: 'the function gives the new value at once; do not make it async',
    });
  }

  /** Encodes the new value to `#value`; whether it differs from the old one. */
  #write(entry: Entry, value: unknown): boolean {
    const out = this.#value;
    out.reset();
    try {
      this.#codec.write(value, out);
    } catch (error) {
      if (error instanceof ValueRefused) throw this.#refused(entry, error.message);
      throw error;
    }
    if (out.view().equals(entry.value)) return false;
    const problem = this.#check.problem({ ...entry, value: out.view() });
    if (problem !== undefined) throw this.#refused(entry, problem.message);
    return true;
  }

  #replace(built: BlockBuilder, payload: Buffer, at: number, group: number): void {
    const scan = this.#scan;
    scan.scan(payload, at, payload.length);
    built.begin(group);
    // Up to the stamp, if there is one: all between the key group and the length of the value.
    const lengthBytes = varintBytes(scan.end - scan.valueAt);
    built.out.raw(payload.subarray(scan.identityAt, scan.valueAt - lengthBytes));
    built.out.varint(this.#value.position);
    built.out.raw(this.#value.view());
  }

  #describe(entry: Entry): string {
    return describeEntry(this.#label, this.#parts, entry);
  }

  #refused(entry: Entry, reason: string): TidemarkError {
    return new TidemarkError('VALUE_REFUSED', `--map ${this.#describe(entry)}: the new value: ${reason}`, {
      hint: 'return what the state can hold, or undefined to take the entry away',
    });
  }
}

/** What messages call an entry: `count.seen, key "whale"`. */
export function entryLabel(entry: Entry, table: ManifestTable, operator: ManifestOperator): string {
  return describeEntry(labelOf(table), new EntryParts(table, operator), entry);
}

function describeEntry(label: string, parts: EntryParts, entry: Entry): string {
  return `${label}, key ${JSON.stringify(toTagged(parts.key(entry) ?? null))}`;
}

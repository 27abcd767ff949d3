/** Whether an entry is one of its table: its key, key group, namespace, map key, stamp and value, all decoded. */
import { TidemarkError } from '../base/errors.js';
import { keyGroupOf } from '../base/key-groups.js';
import { BytesDamaged } from '../codec/codec.js';
import type { KeyCodec } from '../codec/key.js';
import { keyCodecById } from '../codec/keys.js';
import { valueCodec } from '../codec/value.js';
import type { Entry } from '../format/entry.js';
import { isKeyed, type ManifestOperator, type ManifestTable } from '../format/manifest.js';
import { timerKey } from '../format/timer-key.js';
import { readWatermark } from '../format/watermark.js';
import { keysOf, readAll, valuesOf } from './entries-view.js';
import type { FindingCode } from './finding.js';

/** Bytes of the number of a list's chunk. */
const CHUNK_BYTES = 4;

export interface EntryProblem {
  readonly code: FindingCode;
  readonly message: string;
}

/** Checks entries of one table. */
export class EntryCheck {
  readonly #table: ManifestTable;
  readonly #keyed: boolean;
  readonly #maxParallelism: number;
  readonly #keys: KeyCodec | undefined;
  readonly #mapKeys: KeyCodec | undefined;

  /** @throws TidemarkError INCOMPATIBLE when the keys' type is not known. */
  constructor(table: ManifestTable, operator: ManifestOperator) {
    this.#table = table;
    this.#keyed = isKeyed(table.kind);
    this.#maxParallelism = operator.maxParallelism;
    this.#keys = keysOf(table, operator);
    this.#mapKeys = table.mapKey === null ? undefined : keyCodecById(table.mapKey);
  }

  /** The first thing wrong with an entry. */
  problem(entry: Entry): EntryProblem | undefined {
    return (
      attempt('KEY', () => this.#key(entry)) ??
      attempt('KEY', () => this.#mapKey(entry)) ??
      attempt('KEY', () => {
        if (entry.namespace.kind === 'value') readAll(valueCodec, entry.namespace.bytes);
      }) ??
      (entry.tombstone ? undefined : attempt('VALUE', () => this.#value(entry)))
    );
  }

  #key({ key, group }: Entry): void {
    if (this.#keys === undefined) {
      if (this.#keyed || key.length > 0) throw new BytesDamaged('a key where its operator has none', 0);
      return;
    }
    const hash = this.#keys.hash(readAll(this.#keys, key));
    const own = this.#keyed ? keyGroupOf(hash, this.#maxParallelism) : 0;
    if (own !== group) throw new BytesDamaged(`a key of key group ${own} in group ${group}`, 0);
  }

  #mapKey({ mapKey }: Entry): void {
    const { kind } = this.#table;
    if (kind === 'timer' || kind === 'event-timer') readAll(timerKey, mapKey ?? Buffer.alloc(0));
    else if (this.#mapKeys !== undefined) {
      if (mapKey === undefined) throw new BytesDamaged('no map key', 0);
      readAll(this.#mapKeys, mapKey);
    } else if (kind === 'in-flight' && mapKey !== undefined) readAll(timerKey, mapKey);
    else if (mapKey !== undefined && !(kind === 'list' && mapKey.length === CHUNK_BYTES))
      throw new BytesDamaged('a map key where its table has none', 0);
  }

  #value({ value }: Entry): void {
    const { kind } = this.#table;
    if (kind === 'timer' || kind === 'event-timer') {
      if (value.length > 0) throw new BytesDamaged('a timer with a value', 0);
      return;
    }
    if (kind === 'watermark') return void readWatermark(value);
    const own = valuesOf(this.#table);
    // Of other codecs only the definition knows.
    if (own === undefined) return;
    const read = readAll(own, value);
    if (kind === 'number' && typeof read !== 'number')
      throw new BytesDamaged(`a ${typeof read}, no number`, 0);
    if (kind === 'list' && !(Array.isArray(read) && read.length > 0))
      throw new BytesDamaged('not a list with elements', 0);
    if (kind === 'splits' && !isPosition(read)) throw new BytesDamaged('not the position of a split', 0);
  }
}

function isPosition(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('position' in value && 'done' in value)) return false;
  return !('timestamp' in value) || Number.isSafeInteger(value.timestamp);
}

function attempt(code: FindingCode, check: () => void): EntryProblem | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof BytesDamaged || error instanceof TidemarkError)
      return { code, message: error.message };
    throw error;
  }
}

/** The parts of an entry as JavaScript values, and back, for tables whose codec is one of ours. */
import { keysOf, readAll, valuesOf } from '../archive/entries-view.js';
import type { Codec } from '../codec/codec.js';
import { keyCodecById } from '../codec/keys.js';
import { valueCodec } from '../codec/value.js';
import type { Entry, Namespace } from '../format/entry.js';
import type { ManifestOperator, ManifestTable } from '../format/manifest.js';
import { timerKey } from '../format/timer-key.js';

/** A namespace as user code sees it: null, 'global', {window: [start, end]} or {value}. */
export type NamespaceValue =
  | null
  | 'global'
  | { readonly window: readonly [start: number | bigint, end: number | bigint] }
  | { readonly value: unknown };

export function readNamespace(namespace: Namespace): NamespaceValue {
  switch (namespace.kind) {
    case 'none':
      return null;
    case 'global':
      return 'global';
    case 'window':
      return { window: [plainTime(namespace.start), plainTime(namespace.end)] };
    case 'value':
      return { value: readAll(valueCodec, namespace.bytes) };
  }
}

/** Reads parts of entries of one table. Throws BytesDamaged for what is none. */
export class EntryParts {
  readonly #keys: Codec<unknown> | undefined;
  readonly #mapKeys: Codec<unknown> | undefined;
  readonly #values: Codec<unknown> | undefined;

  constructor(table: ManifestTable, operator: ManifestOperator) {
    this.#keys = keysOf(table, operator) as Codec<unknown> | undefined;
    this.#mapKeys = mapKeysOf(table);
    this.#values = table.kind === 'timer' || table.kind === 'event-timer' ? undefined : valuesOf(table);
  }

  /** Undefined where the table has none. */
  key({ key }: Entry): unknown {
    return this.#keys === undefined ? undefined : readAll(this.#keys, key);
  }

  mapKey({ mapKey }: Entry): unknown {
    return mapKey === undefined || this.#mapKeys === undefined ? undefined : readAll(this.#mapKeys, mapKey);
  }

  value({ value }: Entry): unknown {
    return value.length === 0 || this.#values === undefined ? undefined : readAll(this.#values, value);
  }
}

/** How map keys of a table are kept: those of maps, the times of timers and of elements in flight; undefined where it has none. */
export function mapKeysOf({ kind, mapKey }: ManifestTable): Codec<unknown> | undefined {
  if (kind === 'timer' || kind === 'event-timer' || kind === 'in-flight') return timerKey as Codec<unknown>;
  return mapKey === null ? undefined : (keyCodecById(mapKey) as Codec<unknown>);
}

/** A time as a number where it is one exactly. */
export function plainTime(time: bigint): number | bigint {
  const number = Number(time);
  return Number.isSafeInteger(number) ? number : time;
}

/**
 * A backend that keeps nothing: it takes the entries of a snapshot as the real ones do and looks whether the definition
 * can read them, so that a check goes the way of a restore up to the last step.
 *
 * Of each entry the key, the map key and the value are decoded, and the value is held against the declared schema,
 * which a restore does only where it was written under another version of it.
 */
import { assert, present } from '../base/assert.js';
import { BytesDamaged, type Codec } from '../codec/codec.js';
import { listCodec } from '../codec/list.js';
import { ByteReader } from '../codec/reader.js';
import type { Schema } from '../codec/schema.js';
import type { Entry } from '../format/entry.js';
import type { BackendFactory } from '../runtime/compile.js';
import { each } from '../runtime/upgrade.js';
import type { BackendOptions, KeyedBackend, StateHandle, StateTable, TimerHandle } from '../state/backend.js';

/** What the values of a table are held against. */
export interface Declared {
  readonly schema: Schema<unknown> | undefined;
  /** The schema is of the elements of a list. */
  readonly list: boolean;
}

/** `declared`: by table. */
export function checkingBackend(declared: ReadonlyMap<number, Declared>): BackendFactory {
  return (options) => new CheckingBackend(options, declared);
}

class CheckingBackend implements KeyedBackend {
  readonly #options: BackendOptions;
  readonly #states: ReadonlyMap<number, StateTable>;
  readonly #declared: ReadonlyMap<number, Declared>;

  constructor(options: BackendOptions, declared: ReadonlyMap<number, Declared>) {
    this.#options = options;
    this.#states = new Map(options.states.map((state) => [state.table, state]));
    this.#declared = declared;
  }

  restore(entry: Entry, table = entry.table): void {
    readWhole(this.#options.keys, entry.key, 'the key');
    const state = this.#states.get(table);
    if (state === undefined) return this.#timer(table);
    if (state.kind === 'map') {
      const mapKeys = present(state.mapKeys, `the codec of the map keys of ${state.name}`);
      if (entry.mapKey === undefined) throw new BytesDamaged('an entry of a map without a map key', 0);
      readWhole(mapKeys, entry.mapKey, 'the map key');
    }
    const value = readWhole(
      state.kind === 'list' ? listCodec(state.codec) : state.codec,
      entry.value,
      'the value',
    );
    checkValue(this.#declared.get(table), value);
  }

  /** Timers have no value. */
  #timer(table: number): void {
    assert(
      this.#options.timers.some((timer) => timer.table === table),
      `table ${table} is of another operator`,
    );
  }

  /** Operators ask for their handles when they are made, and use them when they run. */
  state(): StateHandle {
    return {} as StateHandle;
  }

  timer(): TimerHandle {
    return {} as TimerHandle;
  }

  select = never;
  nextTimer = never;
  fireTimer = never;
  dropTimers = never;
  expire = never;
  freeze = never;
  settle = never;
  counts = never;
}

/** @throws ValueRefused */
export function checkValue(declared: Declared | undefined, value: unknown): void {
  const schema = declared?.schema;
  if (schema === undefined) return;
  if (declared?.list === true && Array.isArray(value)) each(value, (element) => schema.check(element));
  else schema.check(value);
}

function readWhole(codec: Pick<Codec<unknown>, 'read'>, bytes: Buffer, what: string): unknown {
  const reader = new ByteReader(bytes);
  const value = codec.read(reader);
  if (reader.remaining > 0) throw new BytesDamaged(`${what} goes on behind its end`, bytes.length);
  return value;
}

function never(): never {
  throw new Error('a check runs nothing');
}

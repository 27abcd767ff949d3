/**
 * The broadcast states of one keyed operator: one copy for all of its subtasks, which run in one thread, so that each
 * sees a change at the same moment (Flink keeps a copy a subtask and asks user code to change them alike).
 *
 * Invariants: changed only while `changing`, by the one call of `onBroadcast` that runs then; small enough to be written
 * whole at every barrier, synchronously; keys are those of maps, and found by identity, as in state/memory/map.ts.
 */
import { present } from '../base/assert.js';
import { TidemarkError } from '../base/errors.js';
import { BytesDamaged } from '../codec/codec.js';
import { type Key, type KeyCodec, type KeyIdentity, KeyRefused } from '../codec/key.js';
import { keyCodecById } from '../codec/keys.js';
import { ByteReader } from '../codec/reader.js';
import type { Entry, EntryWriter } from '../format/entry.js';
import type { BroadcastDeclaration, BroadcastDeclarations, BroadcastState } from '../graph/process.js';
import { refused } from '../state/refused.js';
import type { Table } from './tables.js';
import type { UnkeyedStates } from './unkeyed.js';

/** Broadcast state belongs to no key and to no key group. */
const NO_KEY = { write(): void {} };
const NO_GROUP = 0;

/** Whether `onBroadcast` runs. */
interface Phase {
  changing: boolean;
}

export class BroadcastStates implements UnkeyedStates, Phase {
  changing = false;
  /** What user code is given, by name; refuses to change anything but while `changing`. */
  readonly handles: Readonly<Record<string, BroadcastState<Key, unknown>>>;
  readonly #states: readonly BroadcastMap[];

  /** `tables`: those of the graph; the operator's are found in it. */
  constructor(uid: string, declarations: BroadcastDeclarations, tables: readonly Table[]) {
    this.#states = Object.entries(declarations).map(([name, declared]) => {
      const own = ({ operator, kind, name: its }: Table) =>
        operator === uid && kind === 'broadcast' && its === name;
      return new BroadcastMap(uid, declared, present(tables.find(own), 'a table of broadcast state'), this);
    });
    this.handles = Object.fromEntries(this.#states.map((state) => [state.name, state]));
  }

  restore(entry: Entry, table: number): void {
    const state = this.#states.find((one) => one.table === table);
    present(state, 'a broadcast state').restore(entry);
  }

  write(out: EntryWriter): void {
    for (const state of this.#states) state.write(out);
  }
}

interface Cell {
  readonly key: Key;
  value: unknown;
}

class BroadcastMap implements BroadcastState<Key, unknown> {
  readonly name: string;
  readonly table: number;
  readonly #what: string;
  readonly #declared: BroadcastDeclaration<never, unknown>;
  readonly #phase: Phase;
  readonly #mapKeys: KeyCodec;
  readonly #cells = new Map<KeyIdentity, Cell>();

  constructor(uid: string, declared: BroadcastDeclaration<never, unknown>, table: Table, phase: Phase) {
    this.name = table.name;
    this.table = table.id;
    this.#what = `broadcast state ${uid}.${table.name}`;
    this.#declared = declared;
    this.#phase = phase;
    this.#mapKeys = keyCodecById(table.mapKey ?? 'auto');
  }

  get(key: unknown): unknown {
    return this.#find(key)?.value;
  }

  has(key: unknown): boolean {
    return this.#find(key) !== undefined;
  }

  get size(): number {
    return this.#cells.size;
  }

  *keys(): Generator<Key, void> {
    for (const { key } of this.#cells.values()) yield key;
  }

  *entries(): Generator<[Key, unknown], void> {
    for (const { key, value } of this.#cells.values()) yield [key, value];
  }

  set(key: unknown, value: unknown): void {
    this.#mayChange('set');
    const identity = this.#identify(key);
    const cell = this.#cells.get(identity);
    if (cell !== undefined) cell.value = value;
    else this.#cells.set(identity, { key: this.#mapKeys.normalise(key), value });
  }

  delete(key: unknown): boolean {
    this.#mayChange('delete');
    return this.#cells.delete(this.#identify(key));
  }

  clear(): void {
    this.#mayChange('clear');
    this.#cells.clear();
  }

  restore({ key, mapKey, value }: Entry): void {
    if (key.length > 0) throw new BytesDamaged(`${this.#what} has an entry with a key`, 0);
    if (mapKey === undefined) throw new BytesDamaged(`${this.#what} has an entry without a map key`, 0);
    const own = this.#mapKeys.read(new ByteReader(mapKey));
    const identity = this.#mapKeys.identity(own);
    if (this.#cells.has(identity)) throw new BytesDamaged(`${this.#what} has a map key twice`, 0);
    this.#cells.set(identity, { key: own, value: this.#declared.codec.read(new ByteReader(value)) });
  }

  write(out: EntryWriter): void {
    for (const { key, value } of this.#cells.values()) {
      out.begin(this.table, NO_GROUP);
      try {
        out.key(NO_KEY, undefined);
        out.mapKey(this.#mapKeys, key);
        out.value(this.#declared.codec, value);
      } catch (error) {
        throw refused(error, this.#what, key);
      }
    }
  }

  #find(key: unknown): Cell | undefined {
    // What is found needs no check, and elements look far more often than there are other keys than strings.
    const found = typeof key === 'string' ? this.#cells.get(key) : undefined;
    return found ?? this.#cells.get(this.#identify(key));
  }

  /** The identity of a user's key, checked. */
  #identify(key: unknown): KeyIdentity {
    try {
      this.#mapKeys.hash(key);
    } catch (error) {
      if (!(error instanceof KeyRefused)) throw error;
      throw new TidemarkError('KEY_REFUSED', `key of ${this.#what}: ${error.message}`, { cause: error });
    }
    return this.#mapKeys.identity(key);
  }

  #mayChange(doing: string): void {
    if (this.#phase.changing) return;
    const message = `${this.#what} is only changed in onBroadcast, not where elements and timers see it (${doing})`;
    throw new TidemarkError('USER_CODE', message, {
      hint: 'send the change along the broadcast stream, so that every subtask sees it at the same moment',
    });
  }
}

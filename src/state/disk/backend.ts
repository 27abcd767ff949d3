/**
 * The disk backend: keyed state in sorted segments on disk, of which what is used and what changed is in memory; timers
 * are all in memory, with a memory backend of their own, for the earliest is asked for all the time. rows.ts has the
 * cache, changes.ts what becomes of changes, the columns what each kind of state adds, drain.ts how a delta is written,
 * census.ts how entries are counted that expire unseen.
 */
import { assert, present } from '../../base/assert.js';
import { keyGroupOf } from '../../base/key-groups.js';
import { BytesDamaged } from '../../codec/codec.js';
import type { Key, KeyIdentity } from '../../codec/key.js';
import type { Entry, EntryWriter } from '../../format/entry.js';
import type { Expiry } from '../../format/manifest.js';
import type {
  BackendOptions,
  Drain,
  FiredTimer,
  KeyedBackend,
  StateHandle,
  StateTable,
  TableCount,
  TimerHandle,
  TimerTime,
} from '../backend.js';
import { createMemoryBackend } from '../memory/backend.js';
import { decode, type Place } from '../memory/column.js';
import type { Budget } from './budget.js';
import type { Column } from './column.js';
import { DiskDrain } from './drain.js';
import { ListColumn } from './list.js';
import { MapColumn } from './map.js';
import { NumberColumn } from './number.js';
import { PanesColumn } from './panes.js';
import { Rows } from './rows.js';
import type { SegmentStore } from './segment-store.js';
import { ValueColumn } from './value.js';

/** What the backends of a data thread share. */
export interface Shared {
  readonly store: SegmentStore;
  readonly budget: Budget;
  readonly rowsPerLook: number;
}

/** What the store has of a table, by subtask: live entries, and those of them that expire. */
export interface AdoptedTable {
  readonly id: number;
  readonly subtasks: readonly number[];
  readonly expiries?: readonly (readonly Expiry[])[] | undefined;
}

type StateColumn = Column & StateHandle;

export class DiskBackend implements KeyedBackend {
  readonly #options: BackendOptions;
  readonly #shared: Shared;
  readonly #rows: Rows;
  readonly #states: readonly StateColumn[];
  readonly #byTable: ReadonlyMap<number, Column>;
  /** Only where timers are declared: elements pay for a second look-up otherwise. */
  readonly #timers: KeyedBackend | undefined;

  constructor(options: BackendOptions, shared: Shared) {
    assert(options.snapshots === 'changes', 'the disk backend writes changes only');
    const rows = new Rows(options, shared.store, shared.budget);
    this.#options = options;
    this.#shared = shared;
    this.#rows = rows;
    this.#states = options.states.map((state, slot) => stateColumn(rows, state, slot));
    rows.setColumns(this.#states);
    this.#byTable = new Map(this.#states.map((column) => [column.table, column]));
    assert(this.#byTable.size === this.#states.length, 'a table is given twice');
    const resident = { ...options, states: [] };
    this.#timers = options.timers.length > 0 ? createMemoryBackend(resident, shared.rowsPerLook) : undefined;
  }

  select(key: Key, identity: KeyIdentity, group: number, hash = this.#options.keys.hash(key)): void {
    this.#rows.select(key, identity, group, hash);
    this.#timers?.select(key, identity, group, hash);
  }

  state(index: number): StateHandle {
    return present(this.#states[index], `state ${index}`);
  }

  timer(index: number): TimerHandle {
    return present(this.#timers, 'a declared timer').timer(index);
  }

  nextTimer(time: TimerTime): number {
    return this.#timers?.nextTimer(time) ?? Number.POSITIVE_INFINITY;
  }

  fireTimer(time: TimerTime, now: number): FiredTimer | undefined {
    const fired = this.#timers?.fireTimer(time, now);
    if (fired === undefined) return undefined;
    const { keys, maxParallelism } = this.#options;
    const hash = keys.hash(fired.key);
    this.#rows.select(fired.key, keys.identity(fired.key), keyGroupOf(hash, maxParallelism), hash);
    return fired;
  }

  dropTimers(): number {
    return this.#timers?.dropTimers() ?? 0;
  }

  /**
   * There is nothing to let go of here, so none is left. What has expired is not seen; if it is clean, it leaves memory
   * with its row, by eviction, or with changes of its map (cells.ts); if it is dirty, by the next freeze, which comes soon
   * where much is dirty (budget.ts). On disk, merges drop it.
   */
  expire(_most: number): boolean {
    return true;
  }

  /** Counts what the store has at first. Before any element. */
  adopt(tables: readonly AdoptedTable[]): void {
    const { subtask } = this.#options;
    for (const { id, subtasks, expiries } of tables)
      this.#byTable.get(id)?.census.adopt(subtasks[subtask] ?? 0, expiries?.[subtask] ?? []);
  }

  freeze(out: EntryWriter): Drain {
    const { changes } = this.#rows;
    return new DiskDrain(changes, out, this.#shared.rowsPerLook, this.#timers?.freeze(out));
  }

  /** `kept`: the runs that hold what was written have been given to the store before. */
  settle(kept: boolean): void {
    this.#rows.changes.settle(kept);
    this.#timers?.settle(kept);
  }

  restore(entry: Entry, table = entry.table, kept = false): void {
    const column = this.#byTable.get(table);
    if (column === undefined) return present(this.#timers, `table ${table}`).restore(entry, table, kept);
    assert(!kept, `${column.what} is read where the store has it`);
    const { keys, maxParallelism } = this.#options;
    if (entry.tombstone) throw new BytesDamaged(`${column.what} holds a tombstone`, 0);
    const key = decode(keys, entry.key);
    const hash = keys.hash(key);
    const group = keyGroupOf(hash, maxParallelism);
    if (group !== entry.group) {
      throw new BytesDamaged(`${column.what} has a key of group ${group} under ${entry.group}`, 0);
    }
    this.#rows.select(key, keys.identity(key), group, hash);
    column.restore(entry);
  }

  counts(): readonly TableCount[] {
    const states = this.#states.map(({ table, census: { live, expiries } }) =>
      expiries.length === 0 ? { table, entries: live } : { table, entries: live, expiries },
    );
    return [...states, ...(this.#timers?.counts() ?? [])];
  }
}

function stateColumn(rows: Rows, state: StateTable, slot: number): StateColumn {
  const { table, name } = state;
  const place: Place = { table, offset: slot, what: `state ${JSON.stringify(name)}` };
  switch (state.kind) {
    case 'value':
      return new ValueColumn(rows, place, state);
    case 'number':
      return new NumberColumn(rows, place, state);
    case 'list':
      return new ListColumn(rows, place, state);
    case 'map':
      return new MapColumn(rows, place, state);
    case 'panes':
      return new PanesColumn(rows, place, state);
  }
}

/**
 * The memory backend: all state of one operator and subtask on the heap. bucket.ts has the
 * layout, store.ts how copy on write works, the columns what each kind of state adds, drain.ts how a snapshot is written.
 */
import { assert, present } from '../../base/assert.js';
import { keyGroupOf } from '../../base/key-groups.js';
import { BytesDamaged } from '../../codec/codec.js';
import type { Key, KeyIdentity } from '../../codec/key.js';
import type { Entry, EntryWriter } from '../../format/entry.js';
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
import { type Column, decode, type Place } from './column.js';
import { MemoryDrain } from './drain.js';
import { ListColumn } from './list.js';
import { MapColumn } from './map.js';
import { NumberColumn } from './number.js';
import { ROWS_PER_LOOK } from './pace.js';
import { Store } from './store.js';
import { TimerHeap } from './timer-heap.js';
import { TimerColumn } from './timers.js';
import { ValueColumn } from './value.js';

/** `rowsPerLook`: how many rows a drain goes through between two looks at its deadline. */
export function createMemoryBackend(options: BackendOptions, rowsPerLook = ROWS_PER_LOOK): KeyedBackend {
  return new MemoryBackend(options, rowsPerLook);
}

type StateColumn = Column & StateHandle;

class MemoryBackend implements KeyedBackend {
  readonly #store: Store;
  readonly #states: readonly StateColumn[];
  readonly #timers: readonly TimerColumn[];
  readonly #byTable: ReadonlyMap<number, Column>;
  readonly #heaps: Readonly<Record<TimerTime, TimerHeap>> = {
    event: new TimerHeap(),
    processing: new TimerHeap(),
  };
  readonly #rowsPerLook: number;

  constructor(options: BackendOptions, rowsPerLook: number) {
    this.#rowsPerLook = rowsPerLook;
    const store = new Store(options);
    const { states, timers } = options;
    this.#store = store;
    this.#states = states.map((state, i) => stateColumn(store, placed(state, 'state', i), state));
    this.#timers = timers.map(
      (timer, i) =>
        new TimerColumn(store, placed(timer, 'timer', states.length + i), i, this.#heaps[timer.time]),
    );
    store.columns.push(...this.#states, ...this.#timers);
    this.#byTable = new Map(store.columns.map((column) => [column.table, column]));
    assert(this.#byTable.size === store.columns.length, 'a table is given twice');
  }

  select(key: Key, identity: KeyIdentity, group: number, hash = this.#store.options.keys.hash(key)): void {
    this.#store.select(key, identity, group, hash);
  }

  state(index: number): StateHandle {
    return present(this.#states[index], `state ${index}`);
  }

  timer(index: number): TimerHandle {
    return present(this.#timers[index], `timer ${index}`);
  }

  nextTimer(time: TimerTime): number {
    return this.#heaps[time].peek()?.time ?? Number.POSITIVE_INFINITY;
  }

  fireTimer(time: TimerTime, now: number): FiredTimer | undefined {
    const cell = this.#heaps[time].peek();
    if (cell === undefined || cell.time > now) return undefined;
    this.#store.selectRow(cell.bucket, cell.row);
    cell.column.remove(cell);
    return { index: cell.column.index, time: cell.time, key: this.#store.current() };
  }

  dropTimers(): number {
    const cells = this.#heaps.processing.live();
    for (const cell of cells) cell.column.remove(cell);
    return cells.length;
  }

  expire(_most: number): boolean {
    return true;
  }

  freeze(out: EntryWriter): Drain {
    return new MemoryDrain(this.#store, out, this.#rowsPerLook);
  }

  settle(kept: boolean): void {
    assert(this.#store.tracking, 'a snapshot of everything needs no settling');
    this.#store.settle(kept);
  }

  restore(entry: Entry, table = entry.table, kept = false): void {
    const column = present(this.#byTable.get(table), `table ${table}`);
    const { keys, maxParallelism } = this.#store.options;
    if (entry.tombstone || entry.stamp !== undefined || entry.namespace.kind !== 'none') {
      throw new BytesDamaged(`${column.what} holds an entry with a tombstone, a stamp or a namespace`, 0);
    }
    const key = decode(keys, entry.key);
    const hash = keys.hash(key);
    const group = keyGroupOf(hash, maxParallelism);
    if (group !== entry.group) {
      throw new BytesDamaged(`${column.what} has a key of group ${group} under ${entry.group}`, 0);
    }
    this.#store.select(key, keys.identity(key), group, hash);
    column.restore(entry, kept);
  }

  counts(): readonly TableCount[] {
    return this.#store.columns.map((column) => ({ table: column.table, entries: column.live }));
  }
}

/** Columns lie in the rows in the order of the options, after the key. */
function placed(
  { table, name }: Pick<StateTable, 'table' | 'name'>,
  kind: 'state' | 'timer',
  index: number,
): Place {
  return { table, offset: index + 1, what: `${kind} ${JSON.stringify(name)}` };
}

function stateColumn(store: Store, place: Place, state: StateTable): StateColumn {
  switch (state.kind) {
    case 'value':
      return new ValueColumn(store, place, state);
    case 'number':
      return new NumberColumn(store, place, state);
    case 'list':
      return new ListColumn(store, place, state);
    case 'map':
      return new MapColumn(store, place, state);
  }
}

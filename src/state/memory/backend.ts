/**
 * The memory backend: all state of one operator and subtask on the heap. store.ts has the layout and how copy on
 * write works, the columns what each kind of state adds to it, drain.ts how a snapshot is written.
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
} from '../backend.js';
import { type Column, decode } from './column.js';
import { MemoryDrain } from './drain.js';
import { ListColumn } from './list.js';
import { MapColumn } from './map.js';
import { NumberColumn } from './number.js';
import { Store } from './store.js';
import { TimerHeap } from './timer-heap.js';
import { TimerColumn } from './timers.js';
import { ValueColumn } from './value.js';

export function createMemoryBackend(options: BackendOptions): KeyedBackend {
  return new MemoryBackend(options);
}

type StateColumn = Column & StateHandle;

class MemoryBackend implements KeyedBackend {
  readonly #store: Store;
  readonly #states: readonly StateColumn[];
  readonly #timers: readonly TimerColumn[];
  readonly #byTable: ReadonlyMap<number, Column>;
  readonly #heap = new TimerHeap();

  constructor(options: BackendOptions) {
    const store = new Store(options);
    this.#store = store;
    this.#states = options.states.map((state) => stateColumn(store, state));
    this.#timers = options.timers.map((timer, index) => new TimerColumn(store, timer, index, this.#heap));
    store.columns.push(...this.#states, ...this.#timers);
    this.#byTable = new Map(store.columns.map((column) => [column.table, column]));
    assert(this.#byTable.size === store.columns.length, 'a table is given twice');
  }

  select(key: Key, identity: KeyIdentity, group: number): void {
    this.#store.select(key, identity, group);
  }

  state(index: number): StateHandle {
    return present(this.#states[index], `state ${index}`);
  }

  timer(index: number): TimerHandle {
    return present(this.#timers[index], `timer ${index}`);
  }

  nextTimer(): number {
    return this.#heap.peek()?.time ?? Number.POSITIVE_INFINITY;
  }

  fireTimer(now: number): FiredTimer | undefined {
    const cell = this.#heap.peek();
    if (cell === undefined || cell.time > now) return undefined;
    this.#store.selectRow(cell.bucket, cell.row);
    const key = this.#store.keyOf(cell.bucket, cell.row);
    cell.column.remove(cell);
    return { index: cell.column.index, time: cell.time, key };
  }

  dropTimers(): number {
    const cells = this.#heap.live();
    for (const cell of cells) cell.column.remove(cell);
    return cells.length;
  }

  freeze(out: EntryWriter): Drain {
    return new MemoryDrain(this.#store, out);
  }

  restore(entry: Entry, table = entry.table): void {
    const column = present(this.#byTable.get(table), `table ${table}`);
    const { keys, maxParallelism } = this.#store.options;
    if (entry.tombstone || entry.stamp !== undefined || entry.namespace.kind !== 'none') {
      throw new BytesDamaged(`${column.what} holds an entry with a tombstone, a stamp or a namespace`, 0);
    }
    const key = decode(keys, entry.key);
    const group = keyGroupOf(keys.hash(key), maxParallelism);
    if (group !== entry.group) {
      throw new BytesDamaged(`${column.what} has a key of group ${group} under ${entry.group}`, 0);
    }
    this.#store.select(key, keys.identity(key), group);
    column.restore(entry);
  }

  counts(): readonly TableCount[] {
    return this.#store.columns.map((column) => ({ table: column.table, entries: column.live }));
  }
}

function stateColumn(store: Store, state: StateTable): StateColumn {
  switch (state.kind) {
    case 'value':
      return new ValueColumn(store, state);
    case 'number':
      return new NumberColumn(store, state);
    case 'list':
      return new ListColumn(store, state);
    case 'map':
      return new MapColumn(store, state);
  }
}

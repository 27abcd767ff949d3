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
import { FadingMapColumn } from './fading-map.js';
import { FadingValueColumn } from './fading-value.js';
import { ListColumn } from './list.js';
import { MapColumn } from './map.js';
import { NumberColumn } from './number.js';
import { ROWS_PER_LOOK } from './pace.js';
import { PanesColumn } from './panes.js';
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
  /** Those whose entries expire. */
  readonly #fading: readonly Column[];
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
    this.#fading = this.#states.filter((column) => column.fading);
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
    return this.#heaps[time].peek()?.at ?? Number.POSITIVE_INFINITY;
  }

  fireTimer(time: TimerTime, now: number): FiredTimer | undefined {
    const cell = this.#heaps[time].peek();
    if (cell === undefined || cell.at > now) return undefined;
    this.#store.selectRow(cell.bucket, cell.row);
    cell.column.remove(cell);
    return { index: cell.column.index, time: cell.at, key: this.#store.current() };
  }

  dropTimers(): number {
    const cells = this.#heaps.processing.live();
    for (const cell of cells) cell.column.remove(cell);
    return cells.length;
  }

  expire(most: number): boolean {
    const { key, group, hash, options } = this.#store;
    let looked = 0;
    for (const column of this.#fading) looked += column.expire(most - looked);
    if (looked > 0 && key !== undefined) this.#store.select(key, options.keys.identity(key), group, hash);
    return looked < most;
  }

  freeze(out: EntryWriter): Drain {
    this.expire(Number.POSITIVE_INFINITY);
    return new MemoryDrain(this.#store, out, this.#rowsPerLook);
  }

  settle(kept: boolean): void {
    assert(this.#store.tracking, 'a snapshot of everything needs no settling');
    this.#store.settle(kept);
  }

  restore(entry: Entry, table = entry.table, kept = false): void {
    const column = present(this.#byTable.get(table), `table ${table}`);
    const { keys, maxParallelism, time } = this.#store.options;
    if (entry.tombstone || (entry.namespace.kind !== 'none') !== column.windowed) {
      const found = entry.tombstone ? 'a tombstone' : `an entry with namespace ${entry.namespace.kind}`;
      throw new BytesDamaged(`${column.what} holds ${found}`, 0);
    }
    const key = decode(keys, entry.key);
    const hash = keys.hash(key);
    const group = keyGroupOf(hash, maxParallelism);
    if (group !== entry.group) {
      throw new BytesDamaged(`${column.what} has a key of group ${group} under ${entry.group}`, 0);
    }
    this.#store.select(key, keys.identity(key), group, hash);
    const { stamp } = entry;
    if (stamp !== undefined && Number(stamp) <= time.now) return;
    // What a kept drain holds with a stamp and this has without one, or the other way round, has changed.
    column.restore(entry, kept, kept && (stamp !== undefined) === column.fading);
  }

  counts(): readonly TableCount[] {
    this.expire(Number.POSITIVE_INFINITY);
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
      return state.ttl === undefined
        ? new ValueColumn(store, place, state)
        : new FadingValueColumn(store, place, state);
    case 'number':
      return new NumberColumn(store, place, state);
    case 'list':
      return new ListColumn(store, place, state);
    case 'map':
      return state.ttl === undefined
        ? new MapColumn(store, place, state)
        : new FadingMapColumn(store, place, state);
    case 'panes':
      return new PanesColumn(store, place, state);
  }
}

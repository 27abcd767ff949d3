/**
 * Panes: one value per window of a key, told apart by their starts. What windows do with each element is `get` and `set`
 * of a pane that is there: that makes no object.
 */
import { assert } from '../../base/assert.js';
import { BytesDamaged, type Codec } from '../../codec/codec.js';
import type { Key } from '../../codec/key.js';
import type { Entry, Namespace } from '../../format/entry.js';
import type { PanesHandle, PaneWindow, StateTable } from '../backend.js';
import { refused } from '../refused.js';
import type { Bucket } from './bucket.js';
import { decode, type Place } from './column.js';
import { SlotCell, SlotTomb, slotOf } from './slot-cell.js';
import { Cells, SlotColumn } from './slot-column.js';
import type { Store } from './store.js';

/** The window that is always open. */
const GLOBAL: PaneWindow = { start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY };

class PaneCell extends SlotCell {
  readonly end: number;
  value: unknown;

  constructor({ start, end }: PaneWindow, value: unknown, bucket: Bucket, row: number, mark: number) {
    super(start + 0, bucket, row, mark);
    this.end = end;
    this.value = value;
  }

  // A pane may end elsewhere than one with the same start before it.
  override get id(): string {
    return `${this.at} ${this.end}`;
  }
}

class PaneTomb extends SlotTomb {
  readonly end: number;

  constructor(group: number, key: Key, start: number, end: number) {
    super(group, key, start);
    this.end = end;
  }

  override get id(): string {
    return `${this.at} ${this.end}`;
  }
}

export class PanesColumn extends SlotColumn<PaneCell, PaneTomb> implements PanesHandle {
  override readonly windowed = true;
  readonly #codec: Codec<unknown>;

  constructor(store: Store, place: Place, state: StateTable) {
    super(store, place);
    this.#codec = state.codec;
  }

  get(start: number): unknown {
    const cell = this.#at(start);
    if (cell === undefined) return undefined;
    const { value } = cell;
    // An object that is handed out may be changed by who gets it.
    if (this.store.floor > 0 && typeof value === 'object' && value !== null) this.secure(cell);
    return value;
  }

  set(window: PaneWindow, value: unknown): boolean {
    const cell = this.#at(window.start);
    if (cell === undefined || cell.end !== window.end) {
      if (cell !== undefined) this.remove(cell);
      this.#add(window, value);
      return true;
    }
    const { store } = this;
    if (store.marking && cell.mark < store.changed) {
      this.secure(cell);
      if (store.tracking) this.changes.changed(cell);
    }
    cell.value = value;
    return false;
  }

  delete(start: number): boolean {
    const cell = this.#at(start);
    if (cell === undefined) return false;
    this.remove(cell);
    return true;
  }

  windows(): PaneWindow[] {
    const panes = this.cells();
    if (panes === undefined) return [];
    if (!(panes instanceof Cells)) return [windowOf(panes)];
    return Array.from(panes.values(), windowOf);
  }

  get size(): number {
    const panes = this.cells();
    return panes instanceof Cells ? panes.size : panes === undefined ? 0 : 1;
  }

  restore(entry: Entry, kept: boolean, clean: boolean): void {
    if (entry.mapKey !== undefined) throw new BytesDamaged('a map key where none belongs', 0);
    const window = windowIn(entry.namespace);
    if (this.#at(window.start) !== undefined) {
      throw new BytesDamaged(`${this.what} has two panes that start at ${window.start}`, 0);
    }
    this.insertRestored(this.#cell(window, decode(this.#codec, entry.value)), kept, clean);
  }

  protected writeSlot({ at, end }: PaneCell | PaneTomb): void {
    const { out } = this.store;
    if (end === GLOBAL.end) out.global();
    else out.window(BigInt(at), BigInt(end));
  }

  protected writeValue(cell: PaneCell): void {
    try {
      this.store.out.value(this.#codec, cell.value);
    } catch (error) {
      const which = cell.end === GLOBAL.end ? 'the global window' : `window ${cell.at} to ${cell.end}`;
      throw refused(error, `${this.what}, ${which},`, cell.bucket.keyOf(cell.row));
    }
  }

  protected tombOf(cell: PaneCell, key: Key): PaneTomb {
    return new PaneTomb(cell.bucket.group, key, cell.at, cell.end);
  }

  #add(window: PaneWindow, value: unknown): void {
    assert(isWindow(window), 'a pane is of a window in whole milliseconds, or global');
    const cell = this.#cell(window, value);
    this.insert(cell);
    if (this.store.tracking) this.changes.added(cell);
  }

  /** One of the current key, not yet in its row. */
  #cell(window: PaneWindow, value: unknown): PaneCell {
    const row = this.row();
    const { bucket, changed } = this.store;
    return new PaneCell(window, value, bucket, row, changed);
  }

  /** As `find`, for the hot path: that is shared with timers, and looks at cells of two shapes. */
  #at(start: number): PaneCell | undefined {
    const { store } = this;
    if (store.row < 0) return undefined;
    const panes = store.bucket.records[store.row + this.offset];
    if (panes instanceof PaneCell) return panes.at === start ? panes : undefined;
    if (panes === undefined) return undefined;
    const cells = panes as Cells<PaneCell>;
    const { recent } = cells;
    if (recent?.at === start && recent.live) return recent;
    const found = cells.get(slotOf(start));
    if (found !== undefined) cells.recent = found;
    return found;
  }
}

function windowOf({ at, end }: PaneCell): PaneWindow {
  return { start: at, end };
}

function isWindow({ start, end }: PaneWindow): boolean {
  if (start === GLOBAL.start) return end === GLOBAL.end;
  return Number.isSafeInteger(start) && Number.isSafeInteger(end) && start < end;
}

/** @throws BytesDamaged for what is no window. */
function windowIn(namespace: Namespace): PaneWindow {
  if (namespace.kind === 'global') return GLOBAL;
  if (namespace.kind !== 'window') throw new BytesDamaged(`a pane with namespace ${namespace.kind}`, 0);
  const window = { start: Number(namespace.start), end: Number(namespace.end) };
  if (!isWindow(window)) {
    throw new BytesDamaged(`a pane from ${namespace.start} to ${namespace.end}`, 0);
  }
  return window;
}

/**
 * Maps, one per key, each user key an entry of its own: changing one entry writes one. The map of a key is loaded whole,
 * in the order of the bytes of its keys; it iterates like a Map that is changed meanwhile, as long as its key is current.
 */
import { present } from '../../base/assert.js';
import { BytesDamaged, type Codec } from '../../codec/codec.js';
import type { Key, KeyCodec, KeyIdentity } from '../../codec/key.js';
import { ByteReader } from '../../codec/reader.js';
import { type Entry, type EntryWriter, MAX_KEY_BYTES } from '../../format/entry.js';
import type { MapHandle, StateTable } from '../backend.js';
import { decode, mapKeyOf, type Place } from '../memory/column.js';
import { refused, shownKey } from '../refused.js';
import { Column, readValue } from './column.js';
import type { Probe } from './probe.js';
import { Cell, MAP_BYTES, MAP_CELL_BYTES, MapCells, type Row, SET_UNDEFINED, SLOT_BYTES } from './row.js';
import type { Rows } from './rows.js';
import type { Found } from './segment-store.js';
import { sizeOf } from './size.js';

export class MapColumn extends Column implements MapHandle {
  /** Counted whether there is a map or not: rows do not change their size when one is made. */
  override readonly slotBytes = SLOT_BYTES + MAP_BYTES;
  readonly #codec: Codec<unknown>;
  readonly #mapKeys: KeyCodec;

  constructor(rows: Rows, place: Place, state: StateTable) {
    super(rows, place);
    this.#codec = state.codec;
    this.#mapKeys = present(state.mapKeys, `the codec of the map keys of ${this.what}`);
  }

  get(key: unknown): unknown {
    const cell = this.#find(key);
    return cell === undefined ? undefined : this.#handOut(cell);
  }

  has(key: unknown): boolean {
    return this.#find(key) !== undefined;
  }

  set(key: unknown, value: unknown): void {
    this.#put(this.#identify(key), this.#mapKeys.normalise(key), value);
  }

  delete(key: unknown): boolean {
    const identity = this.#identify(key);
    const cells = this.#current();
    const cell = cells?.live.get(identity);
    if (cells === undefined || cell === undefined) return false;
    this.changes.secure(cell);
    cells.live.delete(identity);
    this.#lose(cells, identity, cell);
    return true;
  }

  clear(): void {
    const cells = this.#current();
    if (cells === undefined) return;
    const lost = [...cells.live];
    cells.live.clear();
    for (const [identity, cell] of lost) {
      // A large map is cleared in one step, too large a one to write: what is pending in it is written later.
      this.changes.hold(cell);
      this.#lose(cells, identity, cell);
    }
  }

  get size(): number {
    return this.#current()?.live.size ?? 0;
  }

  keys(): IterableIterator<unknown> {
    return eachKey(this.#cells());
  }

  entries(): IterableIterator<[unknown, unknown]> {
    return this.#each(this.#cells());
  }

  *#each(cells: MapCells): Generator<[unknown, unknown], void> {
    for (const cell of cells.live.values()) yield [cell.mapKey, this.#handOut(cell)];
  }

  load(row: Row, probe: Probe): void {
    this.rows.store.scanKey(this.table, probe, (found) => {
      const key = this.#keyOf(found, probe);
      const { value, bytes } = readValue(this.#codec, found, setOr);
      const size = MAP_CELL_BYTES + sizeOf(key) + Math.max(bytes, sizeOf(value));
      const cell = new Cell(row, this, key, true, size);
      cell.value = value;
      const cells = (row.slot(this.slot) as MapCells | undefined) ?? addCells(row, this.slot);
      cells.live.set(this.#mapKeys.identity(key), cell);
      row.count++;
      row.size += size;
    });
  }

  restore(entry: Entry): void {
    const key = decode(this.#mapKeys, mapKeyOf(entry));
    const identity = this.#mapKeys.identity(key);
    if (this.#current()?.live.has(identity)) throw new BytesDamaged(`${this.what} has a map key twice`, 0);
    this.#put(identity, key, decode(this.#codec, entry.value));
  }

  write(out: EntryWriter, key: Key, mapKey: Key | undefined, value: unknown): void {
    const own = present(mapKey, 'the map key of a cell');
    out.mapKey(this.#mapKeys, own);
    if (value === undefined) return out.tombstone();
    try {
      out.value(this.#codec, value === SET_UNDEFINED ? undefined : value);
    } catch (error) {
      throw refused(error, `${this.what}, map key ${shownKey(own)},`, key);
    }
  }

  release(cell: Cell): boolean {
    const cells = cell.row.slot(this.slot) as MapCells | undefined;
    const identity = this.#mapKeys.identity(cell.mapKey);
    if (cells?.gone?.get(identity) !== cell) return false;
    cells.gone.delete(identity);
    return true;
  }

  /** The Map identity of a user's map key, checked. */
  #identify(key: unknown): KeyIdentity {
    try {
      this.#mapKeys.hash(key);
    } catch (error) {
      throw refused(error, `map key of ${this.what}`, this.rows.key);
    }
    return this.#mapKeys.identity(key);
  }

  #find(key: unknown): Cell | undefined {
    const identity = this.#identify(key);
    return this.#current()?.live.get(identity);
  }

  #current(): MapCells | undefined {
    return this.inSlot() as MapCells | undefined;
  }

  /** The current key's cells, for good or until another key is selected. */
  #cells(): MapCells {
    return this.#current() ?? addCells(this.row(), this.slot);
  }

  #put(identity: KeyIdentity, key: Key, value: unknown): void {
    const size = MAP_CELL_BYTES + sizeOf(key) + sizeOf(value);
    const cells = this.#cells();
    let cell = cells.live.get(identity);
    if (cell !== undefined) this.changes.secure(cell);
    else {
      cell = cells.gone?.get(identity);
      if (cell !== undefined) {
        this.changes.secure(cell);
        cells.gone?.delete(identity);
      } else {
        cell = new Cell(this.row(), this, key, false, size);
        this.rows.added(cell);
      }
      cells.live.set(identity, cell);
      this.live++;
    }
    cell.value = setOr(value);
    this.rows.changed(cell, size);
  }

  /** What becomes of a cell that was just taken out of the map. */
  #lose(cells: MapCells, identity: KeyIdentity, cell: Cell): void {
    cell.value = undefined;
    this.live--;
    if (!this.changes.outlives(cell)) return this.rows.dropped(cell);
    cells.gone ??= new Map();
    cells.gone.set(identity, cell);
    this.rows.changed(cell, MAP_CELL_BYTES);
  }

  /** A cell's value for user code, which may change it, allowed or not, if it is an object. */
  #handOut(cell: Cell): unknown {
    const { value } = cell;
    if (typeof value === 'object' && value !== null) this.changes.secure(cell);
    return value === SET_UNDEFINED ? undefined : value;
  }

  /** The map key of an entry in the store. */
  #keyOf(found: Found, probe: Probe): Key {
    const { scan, bytes } = found;
    const from = new ByteReader(bytes, scan.identityAt + probe.keyEnd - probe.from, scan.identityEnd);
    try {
      if (from.u8() !== 0)
        throw new BytesDamaged(`${this.what} holds an entry with a namespace`, from.position - 1);
      const length = from.varint();
      if (length === 0 || length > MAX_KEY_BYTES)
        throw new BytesDamaged(`a map key of ${length} bytes`, from.position);
      const key = this.#mapKeys.read(from);
      if (from.remaining > 0) throw new BytesDamaged(`${from.remaining} bytes too many`, from.position);
      return key;
    } catch (error) {
      throw error instanceof BytesDamaged ? found.damaged(error) : error;
    }
  }
}

function addCells(row: Row, slot: number): MapCells {
  const cells = new MapCells();
  row.setSlot(slot, cells);
  return cells;
}

function* eachKey(cells: MapCells): Generator<unknown, void> {
  for (const cell of cells.live.values()) yield cell.mapKey;
}

function setOr(value: unknown): unknown {
  return value === undefined ? SET_UNDEFINED : value;
}

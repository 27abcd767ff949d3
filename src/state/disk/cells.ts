/**
 * A column with many entries per row, each a cell: the members of a map, the panes of a key. Changing one writes one; they
 * are loaded together, in the order of their bytes. Goes through them like a Map that is changed meanwhile, as long as
 * the key is current.
 *
 * Expired cells are not seen. They leave memory with their row, or when a look at the size comes by them, or as others
 * are put in: each put looks at two, so that at most about as many expired ones stay as there are live ones.
 */
import { present } from '../../base/assert.js';
import { BytesDamaged, type Codec } from '../../codec/codec.js';
import type { Key, KeyIdentity } from '../../codec/key.js';
import { ByteReader } from '../../codec/reader.js';
import type { Entry, EntryWriter } from '../../format/entry.js';
import type { StateTable } from '../backend.js';
import { decode, type Place } from '../memory/column.js';
import { refused } from '../refused.js';
import { NEVER } from './census.js';
import { Column, readValue, stampOf } from './column.js';
import type { Probe } from './probe.js';
import {
  Cell,
  LIFE_BYTES,
  MAP_BYTES,
  MAP_CELL_BYTES,
  MapCells,
  type Part,
  type Row,
  SET_UNDEFINED,
  SLOT_BYTES,
} from './row.js';
import type { Rows } from './rows.js';
import type { Found } from './segment-store.js';
import { sizeOf } from './size.js';

/** How many cells a put looks at. */
const SWEPT_A_PUT = 2;

export abstract class CellsColumn<P extends Part> extends Column {
  /** Counted whether there are cells or not: rows do not change their size when some come. */
  override readonly slotBytes = SLOT_BYTES + MAP_BYTES;
  readonly codec: Codec<unknown>;
  readonly #cellBytes: number;

  constructor(rows: Rows, place: Place, { codec, ttl }: Pick<StateTable, 'codec' | 'ttl'>) {
    super(rows, place, ttl);
    this.codec = codec;
    this.#cellBytes = ttl === undefined ? MAP_CELL_BYTES : MAP_CELL_BYTES + LIFE_BYTES;
  }

  /** What tells cells of one key apart. Of two with the same, only one is there at a time. */
  protected abstract identityOf(part: P): KeyIdentity;

  /** What tells their entries apart, where that is more. */
  protected abstract entryIdentityOf(part: P): KeyIdentity;

  /** The part of an entry in the store; `from` stands behind the key. */
  protected abstract readPart(from: ByteReader): P;

  /** The part of an entry that is restored. Throws BytesDamaged, also for what else does not belong in the entry. */
  protected abstract restoredPart(entry: Entry): P;

  protected abstract writePart(out: EntryWriter, part: P): void;

  /** About what a part takes on the heap. */
  protected abstract partBytes(part: P): number;

  /** For messages: `state "seen", map key "a",`. */
  protected abstract describe(part: P): string;

  /** When an entry in the store expires. */
  protected untilOf(found: Found): number {
    return stampOf(found);
  }

  load(row: Row, probe: Probe): void {
    this.rows.store.scanKey(this.table, probe, (found) => {
      const until = this.untilOf(found);
      if (until <= this.time.now) return;
      const part = this.#partOf(found, probe);
      const identity = this.identityOf(part);
      const { value, bytes } = readValue(this.codec, found, setOr);
      const size = this.#cellBytes + this.partBytes(part) + Math.max(bytes, sizeOf(value));
      const cell = new Cell(row, this, part, true, size);
      cell.value = value;
      this.loaded(cell, until);
      const cells = (row.slot(this.slot) as MapCells | undefined) ?? addCells(row, this.slot);
      if (cells.live.has(identity))
        throw found.damaged(new BytesDamaged(`${this.describe(part)} twice`, found.scan.identityAt));
      cells.live.set(identity, cell);
      cells.earliest = Math.min(cells.earliest, cell.life?.until ?? NEVER);
      row.count++;
      row.size += size;
    });
  }

  restore(entry: Entry): void {
    const part = this.restoredPart(entry);
    const identity = this.identityOf(part);
    if (this.current()?.live.has(identity)) throw new BytesDamaged(`${this.describe(part)} twice`, 0);
    const value = decode(this.codec, entry.value);
    const until = this.restoredUntil(entry);
    if (until !== undefined) this.put(identity, part, value, until);
  }

  write(out: EntryWriter, key: Key, part: Part | undefined, value: unknown, until: number): void {
    const own = present(part, 'what tells a cell from others') as P;
    this.writePart(out, own);
    if (value === undefined) return out.tombstone();
    try {
      if (until !== NEVER) out.stamp(BigInt(until));
      out.value(this.codec, value === SET_UNDEFINED ? undefined : value);
    } catch (error) {
      throw refused(error, this.describe(own), key);
    }
  }

  release(cell: Cell): boolean {
    const cells = cell.row.slot(this.slot) as MapCells | undefined;
    const identity = this.entryIdentityOf(cell.part as P);
    if (cells?.gone?.get(identity) !== cell) return false;
    cells.gone.delete(identity);
    return true;
  }

  clear(): void {
    const cells = this.current();
    if (cells === undefined) return;
    const lost = [...cells.live.values()];
    cells.live.clear();
    for (const cell of lost) {
      // A large map is cleared in one step, too large a one to write: what is pending in it is written later.
      this.changes.hold(cell);
      this.#lose(cells, cell);
    }
  }

  get size(): number {
    const cells = this.current();
    if (cells === undefined) return 0;
    if (cells.earliest <= this.time.now) this.#sweepAll(cells);
    return cells.live.size;
  }

  protected current(): MapCells | undefined {
    return this.inSlot() as MapCells | undefined;
  }

  /** The current key's cells, for good or until another key is selected. */
  #cells(): MapCells {
    return this.current() ?? addCells(this.row(), this.slot);
  }

  /** The current key's cell, if it is to be seen. */
  protected find(identity: KeyIdentity): Cell | undefined {
    const cell = this.current()?.live.get(identity);
    return cell !== undefined && this.lives(cell) ? cell : undefined;
  }

  /** False where there was none to be seen. */
  protected remove(identity: KeyIdentity): boolean {
    const cells = this.current();
    const cell = cells?.live.get(identity);
    if (cells === undefined || cell === undefined) return false;
    const lived = this.lives(cell);
    this.#take(cells, identity, cell);
    return lived;
  }

  /** Those to be seen, of the key that is current now. */
  protected each(): Generator<Cell, void> {
    return this.#each(this.#cells());
  }

  protected put(identity: KeyIdentity, part: P, value: unknown, until: number): void {
    const size = this.#sizeOf(part, value);
    const cells = this.#cells();
    const cell = cells.live.get(identity) ?? this.#raise(cells, identity, part, size, until);
    const { life } = cell;
    // One that nobody sees any more comes behind the others.
    if (life !== undefined && life.until <= this.time.now && cells.live.delete(identity))
      cells.live.set(identity, cell);
    this.#change(cell, value, size, until);
    if (life === undefined) return;
    cells.earliest = Math.min(cells.earliest, until);
    this.#sweepSome(cells);
  }

  /** Sets the value of a cell that is there, in a table without a TTL. */
  protected change(cell: Cell, value: unknown): void {
    this.#change(cell, value, this.#sizeOf(cell.part as P, value), NEVER);
  }

  #change(cell: Cell, value: unknown, size: number, until: number): void {
    this.changes.secure(cell);
    const { life } = cell;
    if (cell.value === undefined) this.census.add(until);
    else if (life !== undefined) this.census.move(life.until, until);
    if (life !== undefined) life.until = until;
    cell.value = setOr(value);
    this.rows.changed(cell, size);
  }

  #sizeOf(part: P, value: unknown): number {
    return this.#cellBytes + this.partBytes(part) + sizeOf(value);
  }

  /** Where the TTL is shorter than it was, a life may become so. */
  protected override refresh(cell: Cell): void {
    super.refresh(cell);
    const cells = this.current();
    if (cells !== undefined && cell.life !== undefined)
      cells.earliest = Math.min(cells.earliest, cell.life.until);
  }

  /** A cell's value for user code, which may change it, allowed or not, if it is an object. */
  protected handOut(cell: Cell): unknown {
    const { value } = cell;
    if (typeof value === 'object' && value !== null) this.changes.secure(cell);
    return value === SET_UNDEFINED ? undefined : value;
  }

  *#each(cells: MapCells): Generator<Cell, void> {
    for (const cell of cells.live.values()) if (this.lives(cell)) yield cell;
  }

  /** Takes a cell out. */
  #take(cells: MapCells, identity: KeyIdentity, cell: Cell): void {
    this.changes.secure(cell);
    cells.live.delete(identity);
    this.#lose(cells, cell);
  }

  /** A cell for what is not there: one that is kept for its tombstone, or a new one. */
  #raise(cells: MapCells, identity: KeyIdentity, part: P, size: number, until: number): Cell {
    const { gone } = cells;
    const gravestone = gone === undefined ? undefined : this.entryIdentityOf(part);
    let cell = gravestone === undefined ? undefined : gone?.get(gravestone);
    if (cell !== undefined && gravestone !== undefined) gone?.delete(gravestone);
    else {
      cell = new Cell(this.row(), this, part, false, size);
      this.enliven(cell, until);
      this.rows.added(cell);
    }
    cells.live.set(identity, cell);
    return cell;
  }

  /** What becomes of a cell that was just taken out of those that are live. */
  #lose(cells: MapCells, cell: Cell): void {
    cell.value = undefined;
    this.census.remove(cell.life?.until ?? NEVER);
    if (!this.changes.outlives(cell)) return this.rows.dropped(cell);
    cells.gone ??= new Map();
    cells.gone.set(this.entryIdentityOf(cell.part as P), cell);
    this.rows.changed(cell, this.#cellBytes);
  }

  #sweepSome(cells: MapCells): void {
    for (let i = 0; i < SWEPT_A_PUT; i++) {
      cells.sweep ??= cells.live.values();
      const next = cells.sweep.next();
      if (next.done === true) {
        cells.sweep = undefined;
        return;
      }
      if (!this.lives(next.value)) this.#take(cells, this.identityOf(next.value.part as P), next.value);
    }
  }

  #sweepAll(cells: MapCells): void {
    let earliest = NEVER;
    for (const [identity, cell] of cells.live) {
      if (this.lives(cell)) earliest = Math.min(earliest, cell.life?.until ?? NEVER);
      else this.#take(cells, identity, cell);
    }
    cells.earliest = earliest;
  }

  #partOf(found: Found, probe: Probe): P {
    const { scan, bytes } = found;
    const from = new ByteReader(bytes, scan.identityAt + probe.keyEnd - probe.from, scan.identityEnd);
    try {
      const part = this.readPart(from);
      if (from.remaining > 0) throw new BytesDamaged(`${from.remaining} bytes too many`, from.position);
      return part;
    } catch (error) {
      throw error instanceof BytesDamaged ? found.damaged(error) : error;
    }
  }
}

/** What tells them from each other. */
export function* parts(cells: Iterable<Cell>): Generator<Part | undefined, void> {
  for (const cell of cells) yield cell.part;
}

function addCells(row: Row, slot: number): MapCells {
  const cells = new MapCells();
  row.setSlot(slot, cells);
  return cells;
}

function setOr(value: unknown): unknown {
  return value === undefined ? SET_UNDEFINED : value;
}

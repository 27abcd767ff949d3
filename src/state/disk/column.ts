/**
 * A column: what one declared state keeps, a cell or the cells of a map per row. The columns are at the same time the
 * handles that user code holds; `rows` says which row they act on.
 */
import { BytesDamaged, type Codec } from '../../codec/codec.js';
import type { Key } from '../../codec/key.js';
import { ByteReader } from '../../codec/reader.js';
import type { Entry, EntryWriter } from '../../format/entry.js';
import { decode, type Place } from '../memory/column.js';
import { refused } from '../refused.js';
import type { Changes } from './changes.js';
import type { Probe } from './probe.js';
import { CELL_BYTES, Cell, type Row, SLOT_BYTES } from './row.js';
import type { Rows } from './rows.js';
import type { Found } from './segment-store.js';
import { sizeOf } from './size.js';

export abstract class Column {
  readonly rows: Rows;
  readonly changes: Changes;
  readonly table: number;
  /** Which slot of a row it has. */
  readonly slot: number;
  /** For messages: `state "seen"`. */
  readonly what: string;
  /** What a row takes for its slot. */
  readonly slotBytes: number = SLOT_BYTES;
  /** How many entries came since what the store held at first, less those that went. */
  live = 0;

  constructor(rows: Rows, { table, offset, what }: Place) {
    this.rows = rows;
    this.changes = rows.changes;
    this.table = table;
    this.slot = offset;
    this.what = what;
  }

  /** Puts what the store has of a key into its new row, and counts the cells and their size there. */
  abstract load(row: Row, probe: Probe): void;

  /** Puts one entry into the current key. */
  abstract restore(entry: Entry): void;

  /** Writes what follows the key of an entry; a tombstone where the value is undefined. */
  abstract write(out: EntryWriter, key: Key, mapKey: Key | undefined, value: unknown): void;

  /** Takes a cell without a value out of its slot; false when it is not there. */
  abstract release(cell: Cell): boolean;

  protected row(): Row {
    return this.rows.row ?? this.rows.load();
  }

  /** What the current row has in this column's slot. */
  protected inSlot(): unknown {
    const { rows } = this;
    if (rows.base < 0) rows.load();
    return rows.records[rows.base + this.slot];
  }
}

/** A column with one entry per row: values, numbers and lists. */
export abstract class EntryColumn extends Column {
  readonly codec: Codec<unknown>;

  constructor(rows: Rows, place: Place, codec: Codec<unknown>) {
    super(rows, place);
    this.codec = codec;
  }

  load(row: Row, probe: Probe): void {
    const found = this.rows.store.find(this.table, probe);
    if (found === undefined) return;
    const { value, bytes } = readValue(this.codec, found, (decoded) => this.accept(decoded));
    const cell = new Cell(row, this, undefined, true, CELL_BYTES + Math.max(bytes, sizeOf(value)));
    cell.value = value;
    row.setSlot(this.slot, cell);
    row.count++;
    row.size += cell.size;
  }

  restore(entry: Entry): void {
    if (entry.mapKey !== undefined) throw new BytesDamaged('a map key where none belongs', 0);
    if (this.current()?.value !== undefined) throw new BytesDamaged(`${this.what} has this key twice`, 0);
    this.put(this.accept(decode(this.codec, entry.value)));
  }

  write(out: EntryWriter, key: Key, _mapKey: Key | undefined, value: unknown): void {
    if (value === undefined) return out.tombstone();
    try {
      out.value(this.codec, this.content(value));
    } catch (error) {
      throw this.refused(error, key);
    }
  }

  release(cell: Cell): boolean {
    if (cell.row.slot(this.slot) !== cell) return false;
    cell.row.setSlot(this.slot, undefined);
    return true;
  }

  /** What a cell holds for what the codec read. Throws BytesDamaged for what no handle could have put there. */
  protected abstract accept(value: unknown): unknown;

  /** What is written for the value of a cell. */
  protected content(value: unknown): unknown {
    return value;
  }

  /** The current key's cell, which may have no value. */
  protected current(): Cell | undefined {
    return this.inSlot() as Cell | undefined;
  }

  /** Sets the current key's value, after what must happen before it changes. */
  protected put(value: unknown, size = CELL_BYTES + sizeOf(value)): void {
    let cell = this.current();
    if (cell === undefined) {
      const row = this.row();
      cell = new Cell(row, this, undefined, false, size);
      row.setSlot(this.slot, cell);
      this.rows.added(cell);
    } else this.changes.secure(cell);
    if (cell.value === undefined) this.live++;
    cell.value = value;
    this.rows.changed(cell, size);
  }

  /** Removes the current key's value, if it has one. */
  protected remove(): void {
    const cell = this.current();
    if (cell?.value === undefined) return;
    this.changes.secure(cell);
    cell.value = undefined;
    this.live--;
    if (this.changes.outlives(cell)) return this.rows.changed(cell, CELL_BYTES);
    this.release(cell);
    this.rows.dropped(cell);
  }

  protected refused(error: unknown, key: Key | undefined): unknown {
    return refused(error, this.what, key);
  }
}

/** The value of an entry in the store, and how many bytes it has there. */
export function readValue<T>(
  codec: Codec<unknown>,
  found: Found,
  accept: (value: unknown) => T,
): { readonly value: T; readonly bytes: number } {
  const { scan, bytes } = found;
  try {
    if (scan.flags !== 0) throw new BytesDamaged('an entry with a stamp', scan.identityEnd);
    const from = new ByteReader(bytes, scan.valueAt, scan.end);
    const value = accept(codec.read(from));
    if (from.remaining > 0) throw new BytesDamaged(`${from.remaining} bytes too many`, from.position);
    return { value, bytes: scan.end - scan.valueAt };
  } catch (error) {
    throw error instanceof BytesDamaged ? found.damaged(error) : error;
  }
}

/**
 * A column: what one declared state keeps, a cell or many cells per row. The columns are at the same time the
 * handles that user code holds; `rows` says which row they act on.
 */
import { BytesDamaged, type Codec } from '../../codec/codec.js';
import type { Key } from '../../codec/key.js';
import { ByteReader } from '../../codec/reader.js';
import type { Entry, EntryWriter } from '../../format/entry.js';
import type { StateTable, StepTime } from '../backend.js';
import { decode, type Place } from '../memory/column.js';
import { refused } from '../refused.js';
import { Census, NEVER } from './census.js';
import type { Changes } from './changes.js';
import type { Probe } from './probe.js';
import { CELL_BYTES, Cell, LIFE_BYTES, Life, type Part, type Row, SLOT_BYTES } from './row.js';
import type { Rows } from './rows.js';
import type { Found } from './segment-store.js';
import { sizeOf } from './size.js';

const MAX_STAMP = BigInt(Number.MAX_SAFE_INTEGER);

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
  readonly time: StepTime;
  readonly ttl: StateTable['ttl'];
  readonly census: Census;

  constructor(rows: Rows, { table, offset, what }: Place, ttl?: StateTable['ttl']) {
    this.rows = rows;
    this.changes = rows.changes;
    this.table = table;
    this.slot = offset;
    this.what = what;
    this.time = rows.options.time;
    this.ttl = ttl;
    this.census = new Census(this.time, ttl?.after);
  }

  /** Puts what the store has of a key into its new row, and counts the cells and their size there. */
  abstract load(row: Row, probe: Probe): void;

  /** Puts one entry into the current key. */
  abstract restore(entry: Entry): void;

  /** Writes what follows the key of an entry; a tombstone where the value is undefined. `until`: when it expires. */
  abstract write(out: EntryWriter, key: Key, part: Part | undefined, value: unknown, until: number): void;

  /** Takes a cell without a value out of its slot; false when it is not there. */
  abstract release(cell: Cell): boolean;

  /** When what is set, or read, now expires. */
  protected until(): number {
    return this.ttl === undefined ? NEVER : this.time.now + this.ttl.after;
  }

  /** Whether a cell is to be seen, if it has a value. */
  protected lives({ life }: Cell): boolean {
    return life === undefined || life.until > this.time.now;
  }

  /** Gives a cell that was just made, without a value, a life that ends then, in tables that have a TTL. */
  protected enliven(cell: Cell, until: number): void {
    if (this.ttl !== undefined) cell.life = new Life(until);
  }

  /**
   * Tells a cell that was just made what the store has. What has a stamp where the table has no TTL any more loses it, and
   * is a change for that reason: merges would drop the entry by its stamp. The other way round one is as if set now.
   */
  protected loaded(cell: Cell, until: number): void {
    if (this.ttl === undefined) {
      if (until !== NEVER) this.rows.restamped(cell, until, NEVER);
      return;
    }
    cell.life = new Life(until === NEVER ? this.until() : until);
    cell.life.stored = until;
    if (until === NEVER) this.rows.restamped(cell, until, cell.life.until);
  }

  /** When an entry that is restored expires, in this table; undefined: it has. */
  protected restoredUntil({ stamp }: Entry): number | undefined {
    const until = untilOf(stamp);
    if (until <= this.time.now) return undefined;
    return this.ttl === undefined || until === NEVER ? this.until() : until;
  }

  /** Makes a cell live on for as long as if it were set now, if reading does that. */
  protected refresh(cell: Cell): void {
    const { life, row } = cell;
    if (life === undefined || this.ttl?.refresh !== 'read' || row !== this.rows.row) return;
    const until = this.until();
    if (until === life.until) return;
    this.changes.secure(cell);
    this.census.move(life.until, until);
    life.until = until;
    this.rows.changed(cell, cell.size);
  }

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
  readonly cellBytes: number;

  constructor(rows: Rows, place: Place, codec: Codec<unknown>, ttl?: StateTable['ttl']) {
    super(rows, place, ttl);
    this.codec = codec;
    this.cellBytes = ttl === undefined ? CELL_BYTES : CELL_BYTES + LIFE_BYTES;
  }

  load(row: Row, probe: Probe): void {
    const found = this.rows.store.find(this.table, probe);
    if (found === undefined) return;
    const until = stampOf(found);
    if (until <= this.time.now) return;
    const { value, bytes } = readValue(this.codec, found, (decoded) => this.accept(decoded));
    const cell = new Cell(row, this, undefined, true, this.cellBytes + Math.max(bytes, sizeOf(value)));
    cell.value = value;
    this.loaded(cell, until);
    row.setSlot(this.slot, cell);
    row.count++;
    row.size += cell.size;
  }

  restore(entry: Entry): void {
    noNamespace(entry, this.what);
    if (entry.mapKey !== undefined) throw new BytesDamaged('a map key where none belongs', 0);
    if (this.current()?.value !== undefined) throw new BytesDamaged(`${this.what} has this key twice`, 0);
    const value = this.accept(decode(this.codec, entry.value));
    const until = this.restoredUntil(entry);
    if (until !== undefined) this.put(value, this.cellBytes + sizeOf(value), until);
  }

  write(out: EntryWriter, key: Key, _part: Part | undefined, value: unknown, until: number): void {
    if (value === undefined) return out.tombstone();
    try {
      if (until !== NEVER) out.stamp(BigInt(until));
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
  protected put(value: unknown, size = this.cellBytes + sizeOf(value), until = this.until()): void {
    let cell = this.current();
    if (cell === undefined) {
      const row = this.row();
      cell = new Cell(row, this, undefined, false, size);
      this.enliven(cell, until);
      row.setSlot(this.slot, cell);
      this.rows.added(cell);
    } else this.changes.secure(cell);
    const { life } = cell;
    if (cell.value === undefined) this.census.add(until);
    else if (life !== undefined) this.census.move(life.until, until);
    if (life !== undefined) life.until = until;
    cell.value = value;
    this.rows.changed(cell, size);
  }

  /** Removes the current key's value, if it has one. */
  protected remove(): void {
    const cell = this.current();
    if (cell?.value === undefined) return;
    this.changes.secure(cell);
    cell.value = undefined;
    this.census.remove(cell.life?.until ?? NEVER);
    if (this.changes.outlives(cell)) return this.rows.changed(cell, this.cellBytes);
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
    const from = new ByteReader(bytes, scan.valueAt, scan.end);
    const value = accept(codec.read(from));
    if (from.remaining > 0) throw new BytesDamaged(`${from.remaining} bytes too many`, from.position);
    return { value, bytes: scan.end - scan.valueAt };
  } catch (error) {
    throw error instanceof BytesDamaged ? found.damaged(error) : error;
  }
}

/** When an entry in the store expires. Whatever the table says now: merges go by stamps alone. */
export function stampOf({ scan, bytes }: Found): number {
  return scan.flags === 0 ? NEVER : untilOf(scan.stamp(bytes));
}

export function noNamespace({ namespace }: Entry, what: string): void {
  if (namespace.kind !== 'none') throw new BytesDamaged(`${what} holds an entry with a namespace`, 0);
}

/** Stamps beyond what numbers can tell apart are no time that comes. */
function untilOf(stamp: bigint | undefined): number {
  return stamp === undefined || stamp > MAX_STAMP ? NEVER : Number(stamp);
}

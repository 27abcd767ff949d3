/** Maps, one per key, each user key an entry of its own. */
import { present } from '../../base/assert.js';
import { BytesDamaged } from '../../codec/codec.js';
import type { Key, KeyCodec, KeyIdentity } from '../../codec/key.js';
import type { ByteReader } from '../../codec/reader.js';
import { type Entry, type EntryWriter, MAX_KEY_BYTES } from '../../format/entry.js';
import type { MapHandle, StateTable } from '../backend.js';
import { decode, mapKeyOf, type Place } from '../memory/column.js';
import { refused, shownKey } from '../refused.js';
import { CellsColumn, parts } from './cells.js';
import { noNamespace } from './column.js';
import type { Cell } from './row.js';
import type { Rows } from './rows.js';
import { sizeOf } from './size.js';

export class MapColumn extends CellsColumn<Key> implements MapHandle {
  readonly #mapKeys: KeyCodec;

  constructor(rows: Rows, place: Place, state: StateTable) {
    super(rows, place, state);
    this.#mapKeys = present(state.mapKeys, `the codec of the map keys of ${this.what}`);
  }

  get(key: unknown): unknown {
    const cell = this.find(this.#identify(key));
    if (cell === undefined) return undefined;
    this.refresh(cell);
    return this.handOut(cell);
  }

  has(key: unknown): boolean {
    return this.find(this.#identify(key)) !== undefined;
  }

  set(key: unknown, value: unknown): void {
    this.put(this.#identify(key), this.#mapKeys.normalise(key), value, this.until());
  }

  delete(key: unknown): boolean {
    return this.remove(this.#identify(key));
  }

  keys(): Generator<unknown, void> {
    return parts(this.each());
  }

  entries(): Generator<[unknown, unknown], void> {
    return this.#entries(this.each());
  }

  protected identityOf(key: Key): KeyIdentity {
    return this.#mapKeys.identity(key);
  }

  protected entryIdentityOf(key: Key): KeyIdentity {
    return this.#mapKeys.identity(key);
  }

  protected readPart(from: ByteReader): Key {
    if (from.u8() !== 0)
      throw new BytesDamaged(`${this.what} holds an entry with a namespace`, from.position - 1);
    const length = from.varint();
    if (length === 0 || length > MAX_KEY_BYTES)
      throw new BytesDamaged(`a map key of ${length} bytes`, from.position);
    return this.#mapKeys.read(from);
  }

  protected restoredPart(entry: Entry): Key {
    noNamespace(entry, this.what);
    return decode(this.#mapKeys, mapKeyOf(entry));
  }

  protected writePart(out: EntryWriter, key: Key): void {
    out.mapKey(this.#mapKeys, key);
  }

  protected partBytes(key: Key): number {
    return sizeOf(key);
  }

  protected describe(key: Key): string {
    return `${this.what}, map key ${shownKey(key)},`;
  }

  *#entries(cells: Iterable<Cell>): Generator<[unknown, unknown], void> {
    for (const cell of cells) {
      this.refresh(cell);
      yield [cell.part, this.handOut(cell)];
    }
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
}

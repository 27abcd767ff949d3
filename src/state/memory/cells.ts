/**
 * The map of one key. Live iterators of a JavaScript Map carry user code over whatever changes meanwhile. Clearing
 * does not empty it, but puts an empty one in its place: what is pending in it, or needs a tombstone, is left as it is.
 */
import type { Key, KeyIdentity } from '../../codec/key.js';

/** What the value of a cell is that was deleted. */
export const GONE = Symbol('gone');
const NOT_CLEARED = 0;

export class Cell {
  readonly key: Key;
  value: unknown;
  /** See marks.ts. */
  mark: number;
  /** What it was put into. */
  readonly owner: Cells;

  constructor(key: Key, value: unknown, mark: number, owner: Cells) {
    this.key = key;
    this.value = value;
    this.mark = mark;
    this.owner = owner;
  }

  /** A kept drain may hold what was taken out before in this one's place. */
  follows(_before: Cell): void {}
}

export class Cells extends Map<KeyIdentity, Cell> {
  readonly group: number;
  readonly key: Key;
  #next: Cells | undefined = undefined;
  /** The mark of the time it was cleared at. */
  #cleared = NOT_CLEARED;

  constructor(group: number, key: Key) {
    super();
    this.group = group;
    this.key = key;
  }

  /** What takes the place of this, which keeps its cells. `now` is the mark of what changes now. */
  replace(now: number): Cells {
    this.#cleared = now;
    this.#next = new Cells(this.group, this.key);
    return this.#next;
  }

  /** Whether it was cleared before the time of a mark. */
  clearedBefore(mark: number): boolean {
    return this.#cleared !== NOT_CLEARED && this.#cleared < mark;
  }

  /** This, or what took its place by now. */
  latest(): Cells {
    let at: Cells = this;
    while (at.#next !== undefined) at = at.#next;
    return at;
  }
}

/** Goes through a map as user code may: like an iterator of a Map, also when it is cleared on the way. */
export class CellCursor {
  #at: Cells;
  #cells: Iterator<Cell>;

  constructor(cells: Cells) {
    this.#at = cells.latest();
    this.#cells = this.#at.values();
  }

  next(): Cell | undefined {
    const latest = this.#at.latest();
    if (latest !== this.#at) {
      this.#at = latest;
      this.#cells = latest.values();
    }
    const step = this.#cells.next();
    return step.done === true ? undefined : step.value;
  }
}

/** Whether a cell stood for an entry at the time of a mark; or still does. */
export function livedAt(mark: number, { value, owner }: Cell): boolean {
  return value !== GONE && !owner.clearedBefore(mark);
}

export function lives(cell: Cell): boolean {
  return livedAt(Number.POSITIVE_INFINITY, cell);
}

/** Adds one to the other, and gives the one that has both. */
export function joined(a: Cells, b: Cells): Cells {
  const [into, from] = a.size < b.size ? [b, a] : [a, b];
  for (const [identity, cell] of from) into.set(identity, cell);
  return into;
}

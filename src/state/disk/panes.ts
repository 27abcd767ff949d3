/** The panes of keys: one value per window, each an entry of its own with the window as its namespace. */
import { assert } from '../../base/assert.js';
import { BytesDamaged } from '../../codec/codec.js';
import type { KeyIdentity } from '../../codec/key.js';
import type { ByteReader } from '../../codec/reader.js';
import { type Entry, type EntryWriter, NAMESPACE } from '../../format/entry.js';
import type { PanesHandle, PaneWindow } from '../backend.js';
import { CellsColumn, parts } from './cells.js';
import { NEVER } from './census.js';
import { stampOf } from './column.js';
import type { Cell } from './row.js';
import type { Found } from './segment-store.js';

/** What a window takes on the heap. */
const WINDOW_BYTES = 72;
const GLOBAL: PaneWindow = { start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY };

export class PanesColumn extends CellsColumn<PaneWindow> implements PanesHandle {
  get(start: number): unknown {
    const cell = this.#at(start);
    return cell === undefined ? undefined : this.handOut(cell);
  }

  set(window: PaneWindow, value: unknown): boolean {
    const { start, end } = window;
    const cell = this.#at(start);
    // One that ends elsewhere is another entry.
    if (cell !== undefined && windowOf(cell).end === end) {
      this.change(cell, value);
      return false;
    }
    assert(isGlobal(window) || isWindow(window), `a window from ${start} to ${end}`);
    if (cell !== undefined) this.remove(start);
    this.put(start, { start, end }, value, NEVER);
    return true;
  }

  delete(start: number): boolean {
    return this.remove(start);
  }

  windows(): Iterable<PaneWindow> {
    return parts(this.each()) as Iterable<PaneWindow>;
  }

  protected identityOf({ start }: PaneWindow): KeyIdentity {
    return start;
  }

  protected entryIdentityOf({ start, end }: PaneWindow): KeyIdentity {
    return `${start} ${end}`;
  }

  protected readPart(from: ByteReader): PaneWindow {
    const at = from.position;
    const window = this.#readWindow(from.u8(), from);
    if (window === undefined || from.varint() !== 0)
      throw new BytesDamaged(`${this.what} holds an entry without a window, or with a map key`, at);
    return window;
  }

  protected restoredPart({ namespace, mapKey, stamp }: Entry): PaneWindow {
    const { kind } = namespace;
    const window =
      kind === 'window'
        ? this.#window(namespace.start, namespace.end)
        : kind === 'global'
          ? GLOBAL
          : undefined;
    if (window === undefined || mapKey !== undefined || stamp !== undefined)
      throw new BytesDamaged(`${this.what} holds an entry without a window, or with a map key or a stamp`, 0);
    return window;
  }

  protected writePart(out: EntryWriter, window: PaneWindow): void {
    if (isGlobal(window)) out.global();
    else out.window(BigInt(window.start), BigInt(window.end));
  }

  protected partBytes(): number {
    return WINDOW_BYTES;
  }

  protected describe(window: PaneWindow): string {
    const { start, end } = window;
    const shown = isGlobal(window) ? 'the global window' : `window ${start} to ${end}`;
    return `${this.what}, ${shown},`;
  }

  protected override untilOf(found: Found): number {
    const until = stampOf(found);
    if (until === NEVER) return until;
    throw found.damaged(new BytesDamaged(`${this.what} holds an entry with a stamp`, found.scan.identityEnd));
  }

  /** As `find`; elements come to the same pane again and again. */
  #at(start: number): Cell | undefined {
    const cells = this.current();
    if (cells === undefined) return undefined;
    const { last } = cells;
    if (last?.value !== undefined && windowOf(last).start === start) return last;
    cells.last = cells.live.get(start);
    return cells.last;
  }

  #readWindow(tag: number, from: ByteReader): PaneWindow | undefined {
    if (tag === NAMESPACE.global) return GLOBAL;
    return tag === NAMESPACE.window ? this.#window(from.i64(), from.i64()) : undefined;
  }

  #window(from: bigint, to: bigint): PaneWindow {
    const window = { start: Number(from), end: Number(to) };
    if (!isWindow(window)) throw new BytesDamaged(`${this.what} has a window from ${from} to ${to}`, 0);
    return window;
  }
}

function windowOf(cell: Cell): PaneWindow {
  return cell.part as PaneWindow;
}

function isWindow({ start, end }: PaneWindow): boolean {
  return Number.isSafeInteger(start) && Number.isSafeInteger(end) && start < end;
}

function isGlobal({ start, end }: PaneWindow): boolean {
  return start === GLOBAL.start && end === GLOBAL.end;
}

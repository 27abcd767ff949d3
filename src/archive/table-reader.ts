/**
 * Reads one table of a canonical archive: slots of the directory, lists, blocks. Every length was held against the
 * manifest, the slot or a limit before anything is allocated for it.
 */
import { BytesDamaged } from '../codec/codec.js';
import { type BlockItem, decodeList, decodeSlot, SLOT_BYTES, type Slot } from '../format/archive-layout.js';
import type { ArchiveMember } from '../format/archive-manifest.js';
import { EntryScan, varintBytes } from '../format/entry-scan.js';
import type { ManifestTable } from '../format/manifest.js';
import type { Payload } from '../store/sort-buffer.js';
import { type ArchiveFile, Window } from './archive-file.js';
import type { FindingCode } from './finding.js';
import { unfold } from './inflate.js';

/** Blocks unfolding at once, and their bytes unless one is larger. */
const MAX_AHEAD = 8;
const MAX_AHEAD_BYTES = 1024 * 1024;
const SLOTS_AT_ONCE = 4096;

/** A key group with entries. */
export interface Group {
  readonly group: number;
  readonly slot: Slot;
}

export class TableReader {
  readonly table: ManifestTable;
  readonly #file: ArchiveFile;
  readonly #member: ArchiveMember;
  readonly #slots: number;
  /** Where the directory begins in the member. */
  readonly #dataBytes: number;

  /** `slots`: key groups, or 1. */
  constructor(file: ArchiveFile, table: ManifestTable, member: ArchiveMember, slots: number) {
    this.table = table;
    this.#file = file;
    this.#member = member;
    this.#slots = slots;
    this.#dataBytes = member.length - slots * SLOT_BYTES;
  }

  /** @throws ARCHIVE_CORRUPT when the member cannot hold its directory. */
  check(): void {
    if (this.#dataBytes <= 0)
      throw this.#damaged('DIRECTORY', 0, `${this.#member.length} bytes cannot hold ${this.#slots} slots`);
  }

  /** One slot; undefined for a group without entries, or beyond the last. */
  async slot(group: number): Promise<Slot | undefined> {
    if (group >= this.#slots) return undefined;
    const at = this.#dataBytes + group * SLOT_BYTES;
    const bytes = await this.#file.read(this.#member.name, this.#member.offset + at, SLOT_BYTES);
    return this.#decodeSlot(bytes, 0, at);
  }

  /** Groups with entries, ascending, from `start` to `end`, both included. */
  async *groups(start: number, end: number): AsyncGenerator<Group, void> {
    for await (const batch of this.#batches(start, end)) yield* batch;
  }

  async *#batches(start: number, end: number): AsyncGenerator<Group[], void> {
    const last = Math.min(end, this.#slots - 1);
    for (let first = start; first <= last; first += SLOTS_AT_ONCE) {
      const count = Math.min(SLOTS_AT_ONCE, last - first + 1);
      const at = this.#dataBytes + first * SLOT_BYTES;
      const bytes = await this.#file.read(this.#member.name, this.#member.offset + at, count * SLOT_BYTES);
      const batch: Group[] = [];
      for (let i = 0; i < count; i++) {
        const slot = this.#decodeSlot(bytes, i * SLOT_BYTES, at);
        if (slot !== undefined) batch.push({ group: first + i, slot });
      }
      yield batch;
    }
  }

  /**
   * All blocks of these groups, in order, entries with the table's id. Where the groups are all of the table's, they
   * must fill the member up to its directory and add up to what the manifest says.
   */
  async *blocks(start: number, end: number): AsyncGenerator<Payload & { readonly group: number }, void> {
    const whole = start === 0 && end >= this.#slots - 1;
    const totals = { at: 0, entries: 0, bytes: 0 };
    const ahead: Ahead[] = [];
    let aheadBytes = 0;
    const oldest = async (): Promise<Payload & { readonly group: number }> => {
      const next = ahead.shift() as Ahead;
      aheadBytes -= next.item.bytes;
      return { ...(await next.payload), group: next.group };
    };
    try {
      for await (const batch of this.#batches(start, end)) {
        if (whole) for (const { slot } of batch) this.#count(slot, totals);
        for await (const { group, item, stored, at } of this.#storedBlocks(batch)) {
          while (ahead.length >= MAX_AHEAD || (ahead.length > 0 && aheadBytes + item.bytes > MAX_AHEAD_BYTES))
            yield await oldest();
          const payload = this.#open(group, item, stored, at);
          payload.catch(() => undefined);
          ahead.push({ group, item, payload });
          aheadBytes += item.bytes;
        }
      }
      while (ahead.length > 0) yield await oldest();
      if (whole) this.#checkTotals(totals);
    } finally {
      await Promise.allSettled(ahead.map(({ payload }) => payload));
    }
  }

  /** Where entries of one group lie whose identities begin with `prefix`, block by block; entries with table 0. */
  async *find(slot: Slot, group: number, prefix: Buffer): AsyncGenerator<Places, void> {
    const list = await this.#list(slot, undefined, group);
    let at = slot.offset;
    for (const [i, item] of list.entries()) {
      const next = list[i + 1]?.separator;
      const before = next !== undefined && Buffer.compare(next, prefix) <= 0;
      const after = Buffer.compare(item.separator, prefix) > 0 && !startsWith(item.separator, prefix);
      if (!before && !after) {
        const stored = await this.#file.read(this.#member.name, this.#member.offset + at, item.stored);
        const bytes = await this.#unfold(item, stored, at);
        yield { bytes, places: this.#places(bytes, item.entries, group, prefix, at) };
      }
      at += item.stored;
    }
  }

  /** Each block of these groups as it is stored, with its place in its list. Reads ahead, but not past the last. */
  async *#storedBlocks(groups: readonly Group[]): AsyncGenerator<StoredBlock, void> {
    const { name, offset } = this.#member;
    const last = groups.at(-1)?.slot;
    const end = last === undefined ? 0 : last.offset + last.stored + last.listBytes;
    const window = new Window(this.#file, name, offset + end);
    for (const { group, slot } of groups) {
      const small = slot.stored + slot.listBytes <= MAX_AHEAD_BYTES;
      // One read for both: the list lies behind the blocks.
      if (small) await window.read(offset + slot.offset, slot.stored + slot.listBytes);
      let at = slot.offset;
      for (const item of await this.#list(slot, small ? window : undefined, group)) {
        yield { group, item, stored: await window.read(offset + at, item.stored), at };
        at += item.stored;
      }
    }
  }

  async #list(slot: Slot, window: Window | undefined, group: number): Promise<BlockItem[]> {
    const at = slot.offset + slot.stored;
    const offset = this.#member.offset + at;
    const bytes = await (window?.read(offset, slot.listBytes) ??
      this.#file.read(this.#member.name, offset, slot.listBytes));
    try {
      return decodeList(bytes, slot);
    } catch (error) {
      throw this.#translated(error, 'LIST', at, `key group ${group}: `);
    }
  }

  async #open(group: number, item: BlockItem, stored: Buffer, at: number): Promise<Payload> {
    const bytes = await this.#unfold(item, stored, at);
    try {
      const payload = named(bytes, item.entries, group, this.table.id, item.method === 0);
      return { payload, entries: item.entries };
    } catch (error) {
      throw this.#translated(error, 'ENTRY', at, `key group ${group}: `);
    }
  }

  #places(bytes: Buffer, entries: number, group: number, prefix: Buffer, at: number): number[] {
    try {
      return placesOf(bytes, entries, group, prefix);
    } catch (error) {
      throw this.#translated(error, 'ENTRY', at, `key group ${group}: `);
    }
  }

  async #unfold(item: BlockItem, stored: Buffer, at: number): Promise<Buffer> {
    try {
      return await unfold(item, stored);
    } catch (error) {
      throw this.#translated(error, 'BLOCK', at, '');
    }
  }

  #decodeSlot(bytes: Buffer, at: number, start: number): Slot | undefined {
    try {
      return decodeSlot(bytes, at, this.#dataBytes);
    } catch (error) {
      throw this.#translated(error, 'DIRECTORY', start + at, '');
    }
  }

  #count(slot: Slot, totals: { at: number; entries: number; bytes: number }): void {
    if (slot.offset !== totals.at)
      throw this.#damaged('DIRECTORY', slot.offset, `a key group begins where ${totals.at} was expected`);
    totals.at += slot.stored + slot.listBytes;
    totals.entries += slot.entries;
    totals.bytes += slot.bytes;
  }

  #checkTotals({ at, entries, bytes }: { at: number; entries: number; bytes: number }): void {
    if (at !== this.#dataBytes)
      throw this.#damaged(
        'DIRECTORY',
        at,
        `the key groups end here, the directory begins at ${this.#dataBytes}`,
      );
    if (entries !== this.table.entries || bytes !== this.table.bytes) {
      const found = `${entries} entries of ${bytes} bytes`;
      throw this.#damaged(
        'COUNT',
        0,
        `${found}, the manifest says ${this.table.entries} of ${this.table.bytes}`,
      );
    }
  }

  #translated(error: unknown, code: FindingCode, at: number, before: string): unknown {
    return error instanceof BytesDamaged ? this.#damaged(code, at, before + error.message) : error;
  }

  #damaged(code: FindingCode, at: number, message: string): Error {
    return this.#file.damaged(code, this.#member.name, this.#member.offset + at, message);
  }
}

interface StoredBlock {
  readonly group: number;
  readonly item: BlockItem;
  readonly stored: Buffer;
  /** Within the member. */
  readonly at: number;
}

/** Where entries begin in a block. */
export interface Places {
  readonly bytes: Buffer;
  readonly places: readonly number[];
}

interface Ahead {
  readonly group: number;
  readonly item: BlockItem;
  readonly payload: Promise<Payload>;
}

/**
 * Checks that a block holds whole entries of this group, as many as it should, and gives them the table's id in
 * place of 0; in a new buffer where `shared`, or where the id is longer. Throws {@link BytesDamaged}.
 */
function named(bytes: Buffer, entries: number, group: number, table: number, shared: boolean): Buffer {
  const inPlace = table < 0x80 && !shared;
  const out = inPlace ? bytes : Buffer.allocUnsafeSlow(bytes.length + entries * 2);
  const scan = new EntryScan();
  const tableBytes = varintBytes(table);
  let found = 0;
  let used = 0;
  for (let at = 0; at < bytes.length; at = scan.end, found++) {
    scan.scan(bytes, at, bytes.length);
    checkPlace(scan, group, at);
    if (inPlace) {
      bytes[at] = table;
      continue;
    }
    writeVarint(out, used, table);
    bytes.copy(out, used + tableBytes, scan.groupAt, scan.end);
    used += tableBytes + scan.end - scan.groupAt;
  }
  checkCount(entries, found);
  return inPlace ? bytes : out.subarray(0, used);
}

/** Where the entries whose identity begins with `prefix` lie; the whole block is checked as `named` does. */
function placesOf(bytes: Buffer, entries: number, group: number, prefix: Buffer): number[] {
  const scan = new EntryScan();
  const places: number[] = [];
  let found = 0;
  for (let at = 0; at < bytes.length; at = scan.end, found++) {
    scan.scan(bytes, at, bytes.length);
    checkPlace(scan, group, at);
    if (beginsWith(bytes, scan.identityAt, scan.identityEnd, prefix)) places.push(at);
  }
  checkCount(entries, found);
  return places;
}

/** Backwards: keys of one length rather differ at their ends. */
function beginsWith(bytes: Buffer, start: number, end: number, prefix: Buffer): boolean {
  if (end - start < prefix.length) return false;
  for (let i = prefix.length - 1; i >= 0; i--) if (bytes[start + i] !== prefix[i]) return false;
  return true;
}

function checkPlace(scan: EntryScan, group: number, at: number): void {
  if (scan.table !== 0) throw new BytesDamaged('an entry does not have table 0', at);
  if (scan.group !== group) throw new BytesDamaged(`an entry of key group ${scan.group}`, at);
  if (scan.tombstone) throw new BytesDamaged('a tombstone', at);
}

function checkCount(expected: number, found: number): void {
  if (found !== expected) throw new BytesDamaged(`${expected} entries expected, ${found} found`, 0);
}

function writeVarint(out: Buffer, at: number, value: number): void {
  let rest = value;
  let position = at;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) out[position++] = (rest % 128) | 0x80;
  out[position] = rest;
}

export function startsWith(bytes: Buffer, prefix: Buffer): boolean {
  return bytes.length >= prefix.length && bytes.compare(prefix, 0, prefix.length, 0, prefix.length) === 0;
}

/** Verifies one data member of a canonical archive: everything in it, going on past what is damaged. */

import { TidemarkError } from '../base/errors.js';
import { BytesDamaged } from '../codec/codec.js';
import { ByteReader } from '../codec/reader.js';
import { type BlockItem, decodeList, decodeSlot, SLOT_BYTES, type Slot } from '../format/archive-layout.js';
import type { ArchiveMember } from '../format/archive-manifest.js';
import { type GroupLeaf, isMultiset, type LeafHash, leafHash, tableDigest } from '../format/digest.js';
import { readEntry } from '../format/entry.js';
import { EntryScan } from '../format/entry-scan.js';
import type { ManifestOperator, ManifestTable } from '../format/manifest.js';
import { readWatermark, type Watermark } from '../format/watermark.js';
import type { ArchiveFile } from './archive-file.js';
import { EntryCheck } from './check-entry.js';
import type { FindingCode } from './finding.js';
import { unfoldNow } from './inflate.js';
import { startsWith } from './table-reader.js';

export type Report = (code: FindingCode, offset: number, message: string) => void;

const SLOTS_AT_ONCE = 4096;

export class TableVerifier {
  /** The least of its watermarks, for tables of them. */
  watermark: Watermark | undefined;
  readonly #file: ArchiveFile;
  readonly #table: ManifestTable;
  readonly #member: ArchiveMember;
  readonly #slots: number;
  readonly #dataBytes: number;
  readonly #report: Report;
  readonly #onEntries: (entries: number, bytes: number) => void;
  readonly #check: EntryCheck | undefined;
  readonly #leaves: GroupLeaf[] = [];
  #expectedAt = 0;
  #entries = 0;
  #bytes = 0;

  constructor(
    file: ArchiveFile,
    table: ManifestTable,
    operator: ManifestOperator,
    member: ArchiveMember,
    slots: number,
    report: Report,
    onEntries: (entries: number, bytes: number) => void,
  ) {
    this.#file = file;
    this.#table = table;
    this.#member = member;
    this.#slots = slots;
    this.#dataBytes = member.length - slots * SLOT_BYTES;
    this.#report = (code, at, message) => report(code, member.offset + at, message);
    this.#onEntries = onEntries;
    this.#check = this.#entryCheck(operator);
  }

  /** The table's digest as its entries give it. */
  async run(): Promise<Buffer> {
    if (this.#dataBytes <= 0)
      this.#report('DIRECTORY', 0, `${this.#member.length} bytes cannot hold ${this.#slots} slots`);
    else await this.#directory();
    return tableDigest(this.#table, this.#leaves);
  }

  async #directory(): Promise<void> {
    for (let first = 0; first < this.#slots; first += SLOTS_AT_ONCE) {
      const count = Math.min(SLOTS_AT_ONCE, this.#slots - first);
      const at = this.#dataBytes + first * SLOT_BYTES;
      const bytes = await this.#read(at, count * SLOT_BYTES);
      for (let i = 0; i < count; i++) {
        const slotAt = at + i * SLOT_BYTES;
        const slot = this.#guarded('DIRECTORY', slotAt, () =>
          decodeSlot(bytes, i * SLOT_BYTES, this.#dataBytes),
        );
        if (slot !== undefined) await this.#group(first + i, slot, slotAt);
      }
    }
    const { entries, bytes } = this.#table;
    if (this.#expectedAt !== this.#dataBytes)
      this.#report('DIRECTORY', this.#expectedAt, `the key groups end here, not at ${this.#dataBytes}`);
    if (this.#entries !== entries || this.#bytes !== bytes) {
      const found = `${this.#entries} entries of ${this.#bytes} bytes`;
      this.#report('COUNT', 0, `${found}, the manifest says ${entries} of ${bytes}`);
    }
  }

  async #group(group: number, slot: Slot, slotAt: number): Promise<void> {
    if (slot.offset !== this.#expectedAt)
      this.#report(
        'DIRECTORY',
        slotAt,
        `key group ${group} begins at ${slot.offset}, not at ${this.#expectedAt}`,
      );
    const listAt = slot.offset + slot.stored;
    this.#expectedAt = listAt + slot.listBytes;
    const list = await this.#read(listAt, slot.listBytes);
    const items = this.#guarded('LIST', listAt, () => decodeList(list, slot));
    if (items === undefined) return;
    const walk = new GroupWalk(this.#table, group, this.#check, this.#report);
    let at = slot.offset;
    for (const item of items) {
      const stored = await this.#read(at, item.stored);
      const block = this.#guarded('BLOCK', at, () => unfoldNow(item, stored));
      if (block !== undefined) this.#guarded('ENTRY', at, () => walk.block(block, item, at));
      at += item.stored;
    }
    this.#entries += slot.entries;
    this.#bytes += slot.bytes;
    this.#onEntries(slot.entries, slot.stored);
    const leaf = walk.leaf();
    if (walk.watermark !== undefined) this.watermark = walk.watermark;
    if (!leaf.equals(slot.leaf))
      this.#report('LEAF', slotAt, `the entries of key group ${group} do not have the hash of its slot`);
    this.#leaves.push({ group, entries: walk.entries, leaf });
  }

  #entryCheck(operator: ManifestOperator): EntryCheck | undefined {
    try {
      return new EntryCheck(this.#table, operator);
    } catch (error) {
      if (!(error instanceof TidemarkError)) throw error;
      this.#report('KEY', 0, error.message);
      return undefined;
    }
  }

  #read(at: number, length: number): Promise<Buffer> {
    return this.#file.read(this.#member.name, this.#member.offset + at, length);
  }

  /** What `act` gives; undefined, and a finding, where it meets damage. */
  #guarded<T>(code: FindingCode, at: number, act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof BytesDamaged)) throw error;
      this.#report(code, at, error.message);
      return undefined;
    }
  }
}

/** Goes through the entries of one key group, block by block. */
class GroupWalk {
  entries = 0;
  watermark: Watermark | undefined;
  readonly #table: ManifestTable;
  readonly #group: number;
  readonly #check: EntryCheck | undefined;
  readonly #report: Report;
  readonly #leaf: LeafHash;
  readonly #scan = new EntryScan();
  #last: Buffer | undefined;

  constructor(table: ManifestTable, group: number, check: EntryCheck | undefined, report: Report) {
    this.#table = table;
    this.#group = group;
    this.#check = check;
    this.#report = report;
    this.#leaf = leafHash(table.kind);
  }

  leaf(): Buffer {
    return this.#leaf.digest();
  }

  /** Throws {@link BytesDamaged} where entries cannot be told apart any more. */
  block(bytes: Buffer, item: BlockItem, at: number): void {
    const scan = this.#scan;
    this.#leaf.add(bytes);
    let found = 0;
    for (let from = 0; from < bytes.length; from = scan.end, found++) {
      scan.scan(bytes, from, bytes.length);
      const identity = bytes.subarray(scan.identityAt, scan.identityEnd);
      this.#order(identity, found === 0 ? item.separator : undefined, at);
      this.#last = identity;
      this.#entry(bytes, from, at);
    }
    this.entries += found;
    if (found !== item.entries) this.#report('COUNT', at, `${item.entries} entries expected, ${found} found`);
    // The block is let go, the next one is compared with its last entry.
    this.#last = this.#last === undefined ? undefined : Buffer.from(this.#last);
  }

  #entry(bytes: Buffer, from: number, at: number): void {
    const { table, group, tombstone } = this.#scan;
    if (table !== 0 || group !== this.#group || tombstone)
      return this.#report('ENTRY', at, `at ${from} in the block: table ${table}, key group ${group}`);
    const entry = readEntry(new ByteReader(bytes, from));
    const { kind } = this.#table;
    if (isMultiset(kind)) this.#leaf.element(entry.value, entry.mapKey);
    const problem = this.#check?.problem(entry);
    if (problem !== undefined) this.#report(problem.code, at, `at ${from} in the block: ${problem.message}`);
    else if (kind === 'watermark') this.#least(readWatermark(entry.value));
  }

  #order(identity: Buffer, separator: Buffer | undefined, at: number): void {
    const last = this.#last;
    if (last !== undefined && Buffer.compare(last, identity) >= 0)
      this.#report('ORDER', at, `entries of key group ${this.#group} are out of order`);
    if (separator === undefined) return;
    if (!startsWith(identity, separator) || (last !== undefined && Buffer.compare(last, separator) >= 0))
      this.#report('ORDER', at, 'a separator does not lie between two blocks');
  }

  #least(time: Watermark): void {
    const known = this.watermark;
    if (known === undefined || known === 'end') this.watermark = time;
    else if (time !== 'end') this.watermark = Math.min(known, time);
  }
}

/**
 * Writes the data members of a canonical archive to a spool file: takes entries in canonical order, cuts them into
 * blocks, hashes, compresses and indexes them. format/archive-layout.ts has the bytes.
 *
 * Call order: for each table with entries, in order: `beginTable`, then for each group with entries, in order:
 * `beginGroup`, `entry`…, `endGroup`; then `endTable`. `finish` at the end. After an error, nothing more.
 */
import { createHash, type Hash } from 'node:crypto';
import { assert, present } from '../base/assert.js';
import { ByteWriter } from '../codec/writer.js';
import {
  BLOCK_BYTES,
  emptyDirectory,
  encodeItem,
  encodeListEnd,
  encodeSlot,
  MAX_LIST_BYTES,
} from '../format/archive-layout.js';
import type { ArchiveMember } from '../format/archive-manifest.js';
import { tableMember } from '../format/archive-manifest.js';
import { type GroupLeaf, isMultiset, type LeafHash, leafHash, tableDigest } from '../format/digest.js';
import { EntryScan, varintBytes } from '../format/entry-scan.js';
import { readWatermark, type Watermark } from '../format/watermark.js';
import { copyBytes } from '../store/copy.js';
import type { EntryPlace } from '../store/sort-buffer.js';
import { BlockQueue } from './block-queue.js';
import type { Spool } from './spool.js';
import { type CanonicalTable, snapshotCorrupt, tableLabel } from './table-list.js';

/** What became of one table. */
export interface WrittenTable {
  readonly entries: number;
  readonly bytes: number;
  readonly digest: Buffer;
  /** Undefined for a table without entries. Its offset is that in the spool file. */
  readonly member: ArchiveMember | undefined;
}

/** The member being written; changed only in the order of the queue. */
interface OpenMember {
  readonly table: CanonicalTable;
  readonly start: number;
  readonly hash: Hash;
  readonly directory: Buffer;
  readonly leaves: GroupLeaf[];
  entries: number;
  bytes: number;
}

interface OpenGroup {
  readonly group: number;
  readonly offset: number;
  readonly leaf: LeafHash;
  readonly list: ByteWriter;
  stored: number;
  blocks: number;
  entries: number;
  bytes: number;
}

export class MemberWriter {
  /** The least watermark of each operator that has one, as far as its table was written. */
  readonly watermarks = new Map<string, Watermark>();
  readonly #spool: Spool;
  readonly #queue = new BlockQueue();
  readonly #written: WrittenTable[] = [];
  readonly #free: Buffer[] = [];
  #member: OpenMember | undefined;
  #group: OpenGroup | undefined;
  readonly #scan = new EntryScan();
  /** Whether values are looked at, beside being kept. */
  #looks = false;
  #block: Buffer;
  #used = 0;
  #entries = 0;
  /** Where the identity of the block's last entry lies, or of the block before's in `#last`. */
  #identityAt = 0;
  #identityEnd = 0;
  #last: Buffer = Buffer.alloc(0);
  #separator: Buffer = Buffer.alloc(0);

  constructor(spool: Spool) {
    this.#spool = spool;
    this.#block = this.#take();
  }

  /** Whether the caller should wait for `room`. */
  get crowded(): boolean {
    return this.#queue.crowded;
  }

  room(): Promise<void> {
    return this.#queue.room();
  }

  /** Resolves when nothing is under way any more. */
  settle(): Promise<void> {
    return this.#queue.settle();
  }

  beginTable(table: CanonicalTable): void {
    assert(this.#member === undefined, 'a table is open');
    this.#looks = isMultiset(table.kind) || table.kind === 'watermark';
    const member: OpenMember = {
      table,
      start: -1,
      hash: createHash('sha256'),
      directory: emptyDirectory(table.slots),
      leaves: [],
      entries: 0,
      bytes: 0,
    };
    this.#member = member;
    this.#queue.inTurn(async () => {
      Object.assign(member, { start: this.#spool.bytes });
    });
  }

  beginGroup(group: number): void {
    const { table } = present(this.#member, 'a table');
    assert(this.#group === undefined, 'a group is open');
    const open: OpenGroup = {
      group,
      offset: -1,
      leaf: leafHash(table.kind),
      list: new ByteWriter(64),
      stored: 0,
      blocks: 0,
      entries: 0,
      bytes: 0,
    };
    this.#group = open;
    this.#last = Buffer.alloc(0);
    this.#separator = Buffer.alloc(0);
    this.#identityAt = 0;
    this.#identityEnd = 0;
  }

  /** Takes the entry that lies there. It is copied. */
  entry(bytes: Buffer, place: EntryPlace): void {
    const { groupAt, end } = place;
    const length = 1 + end - groupAt;
    const fresh = this.#entries === 0 || this.#used + length > BLOCK_BYTES;
    if (fresh) this.#freshBlock(bytes, place, length);
    else if (sameIdentity(bytes, place, this.#block, this.#identityAt, this.#identityEnd)) this.#twice();
    const at = this.#used;
    const shift = at + 1 - groupAt;
    this.#block[at] = 0;
    this.#used = copyBytes(bytes, groupAt, end, this.#block, at + 1);
    this.#entries++;
    this.#identityAt = place.identityAt + shift;
    this.#identityEnd = place.identityEnd + shift;
    if (this.#looks) this.#look();
  }

  endGroup(): void {
    const group = present(this.#group, 'a group');
    const member = present(this.#member, 'a table');
    if (this.#entries > 0) this.#cut(group, member);
    this.#group = undefined;
    const leaf = group.leaf.digest();
    this.#queue.inTurn(async () => {
      encodeListEnd(group.list);
      if (group.list.position > MAX_LIST_BYTES)
        throw snapshotCorrupt(`key group ${group.group} of ${tableLabel(member.table)} has too many blocks`);
      await this.#append(member, group.list.view());
      const { stored, blocks, entries, bytes, offset } = group;
      const slot = { offset, stored, blocks, listBytes: group.list.position, entries, bytes, leaf };
      encodeSlot(slot, member.directory, group.group * (member.directory.length / member.table.slots));
      member.leaves.push({ group: group.group, entries, leaf });
      member.entries += entries;
      member.bytes += bytes;
    });
  }

  endTable(): void {
    const member = present(this.#member, 'a table');
    this.#member = undefined;
    this.#queue.inTurn(async () => {
      await this.#append(member, member.directory);
      const { table, start, entries, bytes } = member;
      this.#written[table.id] = {
        entries,
        bytes,
        digest: tableDigest(table, member.leaves),
        member: {
          name: tableMember(table.id),
          offset: start,
          length: this.#spool.bytes - start,
          sha256: member.hash.digest('hex'),
        },
      };
    });
  }

  /** What became of every table of the list, those that were never begun included. */
  async finish(tables: readonly CanonicalTable[]): Promise<WrittenTable[]> {
    await this.#queue.settle();
    await this.#spool.flush();
    return tables.map(
      (table) =>
        this.#written[table.id] ?? {
          entries: 0,
          bytes: 0,
          digest: tableDigest(table, []),
          member: undefined,
        },
    );
  }

  /** Takes note of the value of the entry added last. */
  #look(): void {
    const { kind, operator } = present(this.#member, 'a table').table;
    this.#scan.scan(this.#block, this.#identityAt - 1 - varintBytes(this.#group?.group ?? 0), this.#used);
    const value = this.#block.subarray(this.#scan.valueAt, this.#used);
    if (kind === 'watermark') this.watermarks.set(operator, least(this.watermarks.get(operator), value));
    else this.#group?.leaf.element(value, this.#scan.mapKey(this.#block));
  }

  /** Cuts the block before, if there is one, and opens one for this entry. */
  #freshBlock(bytes: Buffer, place: EntryPlace, length: number): void {
    const group = present(this.#group, 'a group');
    if (this.#entries > 0) this.#cut(group, present(this.#member, 'a table'));
    if (group.blocks > 0) {
      if (sameIdentity(bytes, place, this.#last, 0, this.#last.length)) this.#twice();
      this.#separator = separatorOf(this.#last, bytes, place);
    }
    group.blocks++;
    if (length > this.#block.length) this.#block = Buffer.allocUnsafeSlow(length);
  }

  #cut(group: OpenGroup, member: OpenMember): void {
    const block = this.#block;
    const payload = block.subarray(0, this.#used);
    const [entries, separator] = [this.#entries, this.#separator];
    this.#last = Buffer.from(block.subarray(this.#identityAt, this.#identityEnd));
    group.entries += entries;
    group.bytes += payload.length;
    group.leaf.add(payload);
    this.#queue.add(payload, async ({ stored, method, crc }) => {
      if (group.offset < 0) Object.assign(group, { offset: this.#spool.bytes - member.start });
      await this.#append(member, stored);
      group.stored += stored.length;
      encodeItem(
        { stored: stored.length, bytes: payload.length, entries, crc, method, separator },
        group.list,
      );
      if (block.length === BLOCK_BYTES) this.#free.push(block);
    });
    this.#block = this.#take();
    this.#used = 0;
    this.#entries = 0;
  }

  #take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
  }

  async #append(member: OpenMember, bytes: Uint8Array): Promise<void> {
    member.hash.update(bytes);
    await this.#spool.append(bytes);
  }

  #twice(): never {
    const { table } = present(this.#member, 'a table');
    throw snapshotCorrupt(
      `an entry of ${tableLabel(table)}, key group ${this.#group?.group}, is there twice`,
    );
  }
}

function least(known: Watermark | undefined, value: Buffer): Watermark {
  const read = readWatermark(value);
  if (known === undefined || known === 'end') return read;
  return read === 'end' ? known : Math.min(known, read);
}

/** Most identities of one length differ in their last bytes. */
function sameIdentity(a: Buffer, place: EntryPlace, b: Buffer, start: number, end: number): boolean {
  const length = place.identityEnd - place.identityAt;
  if (length !== end - start) return false;
  for (let i = 1; i <= length; i++) if (a[place.identityEnd - i] !== b[end - i]) return false;
  return true;
}

/** The shortest beginning of the entry's identity that lies above `last`. */
function separatorOf(last: Buffer, bytes: Buffer, place: EntryPlace): Buffer {
  let at = place.identityAt;
  for (let i = 0; i < last.length && last[i] === bytes[at]; i++) at++;
  return Buffer.from(bytes.subarray(place.identityAt, Math.min(at + 1, place.identityEnd)));
}

/**
 * Reads an archive. Opening checks its outside (outline.ts); data is checked as it is read, by checksums, and against
 * the manifest. Reading everything with `blocks()` therefore finds every damaged byte of what it reads; `verify`
 * looks at more.
 *
 * Invariants: what is read does not grow with the archive for `openArchive`, nor for `find` in a canonical one; of runs
 * `find` reads the indexes once, about a hundredth of them, then a block or two each; `blocks` of a range of key groups
 * reads only theirs. Of an unsorted native archive everything is read, whatever is wanted.
 */
import { createHash } from 'node:crypto';
import type { Disk } from '../base/disk.js';
import type { KeyGroupRange } from '../base/key-groups.js';
import { ByteReader } from '../codec/reader.js';
import { ByteWriter } from '../codec/writer.js';
import { type ArchiveManifest, type ArchiveMember, tableMember } from '../format/archive-manifest.js';
import { type Entry, readEntry } from '../format/entry.js';
import { isKeyed, type ManifestTable } from '../format/manifest.js';
import type { Provenance } from '../format/provenance.js';
import { entriesOf, readSegment, type SegmentBlock } from '../format/segment-read.js';
import type { Signature } from '../format/signature.js';
import { RunReader } from '../store/run-reader.js';
import type { Payload } from '../store/sort-buffer.js';
import { ArchiveFile, MemberSource } from './archive-file.js';
import { ArchiveDamaged } from './finding.js';
import { readOutline } from './outline.js';
import { isUnsorted, RunChain } from './run-chain.js';
import { slotsOf } from './table-list.js';
import { TableReader } from './table-reader.js';

const HASH_BYTES = 1024 * 1024;
const ALL_GROUPS: KeyGroupRange = { start: 0, end: Number.MAX_SAFE_INTEGER };

/**
 * What to read. Of a native archive that is not ordered, all is read whatever is asked for, and the caller leaves out
 * the rest.
 */
export interface ArchiveRange {
  /** Ids of tables; all when absent. */
  readonly tables?: readonly number[];
  /** Of keyed tables; others are read whole. */
  readonly groups?: KeyGroupRange;
}

/**
 * @throws ARCHIVE_CORRUPT with the member and the offset, FORMAT_NEWER, FILE_NOT_FOUND and the disk's other errors.
 */
export async function openArchive(disk: Disk, path: string): Promise<Archive> {
  const file = await ArchiveFile.open(disk, path);
  try {
    const { manifest, provenance, signature, findings } = await readOutline(file);
    const [first] = findings;
    if (first !== undefined) throw new ArchiveDamaged(path, first);
    if (manifest === undefined || provenance === undefined)
      throw file.damaged('MEMBER_MISSING', '', 0, 'it has no manifest');
    const archive = new Archive(file, manifest, provenance, signature);
    for (const table of manifest.tables) archive.reader(table)?.check();
    return archive;
  } catch (error) {
    await file.close();
    throw error;
  }
}

export class Archive {
  readonly manifest: ArchiveManifest;
  readonly provenance: Provenance;
  /** Of a signed archive; it is good, but of whom is another question. */
  readonly signature: Signature | undefined;
  readonly #file: ArchiveFile;
  readonly #slots: ReadonlyMap<string, number>;
  readonly #members: ReadonlyMap<string, ArchiveMember>;
  #chain: Promise<RunChain | undefined> | undefined;

  constructor(
    file: ArchiveFile,
    manifest: ArchiveManifest,
    provenance: Provenance,
    signature: Signature | undefined,
  ) {
    this.manifest = manifest;
    this.provenance = provenance;
    this.signature = signature;
    this.#file = file;
    this.#slots = new Map(manifest.operators.map(({ uid, maxParallelism }) => [uid, maxParallelism]));
    this.#members = new Map(manifest.members.map((member) => [member.name, member]));
  }

  get path(): string {
    return this.#file.path;
  }

  /** Length of the file. */
  get bytes(): number {
    return this.#file.size;
  }

  /** How many bytes of the file were read so far. */
  get bytesRead(): number {
    return this.#file.bytesRead;
  }

  /** Key groups of a table, or 1 where it has none. */
  slots(table: ManifestTable): number {
    return slotsOf(table, this.#slots);
  }

  /** The inside of a table of a canonical archive; undefined where it has no entries. */
  reader(table: ManifestTable): TableReader | undefined {
    const member = this.#members.get(tableMember(table.id));
    if (this.manifest.layout !== 'canonical' || member === undefined) return undefined;
    return new TableReader(this.#file, table, member, this.slots(table));
  }

  /**
   * Whole entries, `table` being the place in `manifest.tables`; of sorted runs, the live ones. In order but for a
   * native archive that has none; canonical: each block of one key group. The payload belongs to the caller.
   */
  async *blocks(range: ArchiveRange = {}): AsyncGenerator<Payload, void> {
    const chain = await this.chain();
    if (chain === undefined && this.manifest.layout === 'native') return yield* this.#segments();
    for (const table of this.manifest.tables) {
      if (range.tables?.includes(table.id) === false) continue;
      const groups = isKeyed(table.kind) ? range.groups : undefined;
      if (chain !== undefined) yield* chain.blocks(table, groups);
      const { start, end } = groups ?? ALL_GROUPS;
      const reader = this.reader(table);
      if (reader !== undefined) yield* reader.blocks(start, end);
    }
  }

  /** Whether entries come in order: of all archives but those of one unsorted segment, or several. */
  async isOrdered(): Promise<boolean> {
    return this.manifest.layout === 'canonical' || (await this.chain()) !== undefined;
  }

  /**
   * The sorted runs of an archive that is made of them: of an incremental one, and of a full one where its segment is
   * sorted. They are good until the archive is closed.
   */
  chain(): Promise<RunChain | undefined> {
    this.#chain ??= this.#findChain();
    return this.#chain;
  }

  /**
   * All entries of one key, of any namespace and map key, in canonical order. `key` is encoded (codec/keys.ts); tables
   * that are not keyed are asked with group 0.
   */
  async find(table: number, group: number, key: Buffer): Promise<Entry[]> {
    const wanted = this.manifest.tables[table];
    if (wanted === undefined) return [];
    const chain = await this.chain();
    if (chain !== undefined) return await chain.find(wanted, group, key);
    if (this.manifest.layout === 'native') return await this.#findUnordered(table, group, key);
    const reader = this.reader(wanted);
    const slot = await reader?.slot(group);
    if (reader === undefined || slot === undefined) return [];
    const prefix = identityPrefix(key);
    const found: Entry[] = [];
    for await (const { bytes, places } of reader.find(slot, group, prefix))
      for (const at of places) found.push({ ...readEntry(new ByteReader(bytes, at)), table });
    return found;
  }

  /**
   * Holds every data member against its hash in the manifest: what a restore does before it starts anything.
   * `onBytes` is told of each piece, and may throw to stop.
   */
  async checkMembers(onBytes?: (bytes: number) => void): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(HASH_BYTES);
    for (const member of this.manifest.members) {
      const { length, sha256 } = member;
      const source = this.source(member);
      const hash = createHash('sha256');
      for (let at = 0; at < length; ) {
        const piece = buffer.subarray(0, Math.min(buffer.length, length - at));
        const count = await source.read(piece, at);
        if (count === 0) break;
        hash.update(piece.subarray(0, count));
        at += count;
        onBytes?.(count);
      }
      if (hash.digest('hex') !== sha256) throw this.notItsHash(member);
    }
  }

  /** A data member as a file of its own, unchecked; good until the archive is closed. */
  source(member: ArchiveMember): MemberSource {
    return new MemberSource(this.#file, member);
  }

  /** The error for a member that is not what the manifest says. */
  notItsHash({ name, offset }: ArchiveMember): ArchiveDamaged {
    return this.#file.damaged('MEMBER_HASH', name, offset, 'its SHA-256 is not the one in the manifest');
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #findChain(): Promise<RunChain | undefined> {
    const { layout, mode, members } = this.manifest;
    if (layout === 'canonical') return undefined;
    const sources = members.map((member) => this.source(member));
    const [only] = sources;
    if (mode === 'full' && (sources.length !== 1 || only === undefined || (await isUnsorted(only))))
      return undefined;
    const open = sources.map((source) => () => RunReader.open(source));
    return new RunChain(open, this.provenance.barrierTime);
  }

  async *#segments(): AsyncGenerator<SegmentBlock, void> {
    for (const member of this.manifest.members) {
      const source = this.source(member);
      const hash = createHash('sha256');
      const read = async (into: Uint8Array, at: number) => {
        const count = await source.read(into, at);
        hash.update(into.subarray(0, count));
        return count;
      };
      yield* readSegment(read, source.bytes, source.label);
      if (hash.digest('hex') !== member.sha256) throw this.notItsHash(member);
    }
  }

  async #findUnordered(table: number, group: number, key: Buffer): Promise<Entry[]> {
    const found: Entry[] = [];
    for await (const block of this.#segments()) {
      for (const entry of entriesOf(block, this.path))
        if (entry.table === table && entry.group === group && entry.key.equals(key)) found.push(entry);
    }
    return found;
  }
}

/** How the identity of every entry of a key begins. */
export function identityPrefix(key: Buffer): Buffer {
  const out = new ByteWriter(key.length + 8);
  out.varint(key.length);
  out.raw(key);
  return out.copy();
}

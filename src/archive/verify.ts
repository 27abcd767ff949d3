/**
 * Verifies an archive: reads every byte, decodes every entry, and lists all that is wrong. Needs no home, writes
 * nothing, never throws for damage; only a file that is not there, or cannot be read, is an error.
 */
import { createHash } from 'node:crypto';
import type { Disk } from '../base/disk.js';
import { TidemarkError } from '../base/errors.js';
import { type ArchiveManifest, type ArchiveMember, tableMember } from '../format/archive-manifest.js';
import { nativeDigest, snapshotDigest, tableDigest } from '../format/digest.js';
import { varintBytes } from '../format/entry-scan.js';
import { entriesOf, readSegment } from '../format/segment-read.js';
import type { Watermark } from '../format/watermark.js';
import { ArchiveFile } from './archive-file.js';
import { EntryCheck } from './check-entry.js';
import { ArchiveDamaged, type Finding, type FindingCode } from './finding.js';
import { type Outline, readOutline } from './outline.js';
import { slotsOf } from './table-list.js';
import { TableVerifier } from './verify-table.js';

/** More are not listed. */
export const MAX_FINDINGS = 1000;
const HASH_BYTES = 1024 * 1024;

export interface Verification {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

export interface VerifyOptions {
  /** Told now and then how much was checked. */
  readonly onProgress?: (done: { readonly entries: number; readonly bytes: number }) => void;
}

/** @throws FILE_NOT_FOUND, PERMISSION and the disk's other errors. */
export async function verifyArchive(
  disk: Disk,
  path: string,
  options: VerifyOptions = {},
): Promise<Verification> {
  const file = await ArchiveFile.open(disk, path);
  try {
    const outline = await readOutline(file);
    const verifier = new Verifier(file, outline, options);
    await verifier.run();
    return { ok: verifier.findings.length === 0, findings: verifier.findings };
  } finally {
    await file.close();
  }
}

class Verifier {
  readonly findings: Finding[];
  readonly #file: ArchiveFile;
  readonly #outline: Outline;
  readonly #options: VerifyOptions;
  #entries = 0;
  #bytes = 0;

  constructor(file: ArchiveFile, outline: Outline, options: VerifyOptions) {
    this.#file = file;
    this.#outline = outline;
    this.#options = options;
    this.findings = outline.findings.slice(0, MAX_FINDINGS);
  }

  async run(): Promise<void> {
    const { manifest, placed } = this.#outline;
    if (manifest === undefined) return;
    for (const member of manifest.members) {
      if (placed.has(member.name)) await this.#guarded(member.name, () => this.#hash(member));
    }
    if (manifest.layout === 'canonical') await this.#canonical(manifest, placed);
    else await this.#native(manifest, placed);
  }

  readonly #find = (code: FindingCode, member: string, offset: number, message: string): void => {
    if (this.findings.length < MAX_FINDINGS) this.findings.push({ code, member, offset, message });
  };

  readonly #progress = (entries: number, bytes: number): void => {
    this.#entries += entries;
    this.#bytes += bytes;
    this.#options.onProgress?.({ entries: this.#entries, bytes: this.#bytes });
  };

  async #hash({ name, offset, length, sha256 }: ArchiveMember): Promise<void> {
    const hash = createHash('sha256');
    for (let at = 0; at < length; at += HASH_BYTES) {
      const piece = await this.#file.read(name, offset + at, Math.min(HASH_BYTES, length - at));
      hash.update(piece);
      this.#progress(0, piece.length);
    }
    if (hash.digest('hex') !== sha256)
      this.#find('MEMBER_HASH', name, offset, 'its SHA-256 is not the one in the manifest');
  }

  async #canonical(manifest: ArchiveManifest, placed: ReadonlySet<string>): Promise<void> {
    const digests: Buffer[] = [];
    const watermarks = new Map<string, Watermark>();
    const operators = new Map(manifest.operators.map((operator) => [operator.uid, operator]));
    const members = new Map(manifest.members.map((member) => [member.name, member]));
    const slots = new Map(manifest.operators.map(({ uid, maxParallelism }) => [uid, maxParallelism]));
    for (const table of manifest.tables) {
      const operator = operators.get(table.operator);
      const member = members.get(tableMember(table.id));
      if (operator === undefined) continue;
      if (member === undefined) digests.push(tableDigest(table, []));
      else if (placed.has(member.name)) {
        const report = (code: FindingCode, offset: number, message: string) =>
          this.#find(code, member.name, offset, message);
        const verifier = new TableVerifier(
          this.#file,
          table,
          operator,
          member,
          slotsOf(table, slots),
          report,
          this.#progress,
        );
        await this.#guarded(member.name, async () => {
          digests.push(await verifier.run());
        });
        if (verifier.watermark !== undefined) watermarks.set(operator.uid, verifier.watermark);
      }
    }
    // With a member missing, nothing can be said of the whole.
    if (digests.length !== manifest.tables.length) return;
    if (snapshotDigest(manifest.operators, manifest.tables, digests) !== manifest.digest)
      this.#find('DIGEST', 'manifest.json', 0, 'the entries do not have the digest that the manifest gives');
    for (const { uid, watermark } of manifest.operators)
      if (watermark !== (watermarks.get(uid) ?? null))
        this.#find('MANIFEST', 'manifest.json', 0, `the watermark of ${uid} is not ${watermark}`);
  }

  async #native(manifest: ArchiveManifest, placed: ReadonlySet<string>): Promise<void> {
    const checks = new NativeTables(manifest);
    for (const [table, message] of checks.unknown)
      this.#find('KEY', 'manifest.json', 0, `table ${table}: ${message}`);
    for (const member of manifest.members) {
      if (placed.has(member.name)) await this.#guarded(member.name, () => this.#segment(member, checks));
    }
    if (nativeDigest(manifest.members.map(({ sha256 }) => sha256)) !== manifest.digest)
      this.#find('DIGEST', 'manifest.json', 0, 'the segments do not have the digest that the manifest gives');
    if (manifest.mode === 'incremental' || placed.size < manifest.members.length) return;
    for (const { id, entries, bytes } of manifest.tables) {
      const found = checks.counted(id);
      if (found.entries !== entries || found.bytes !== bytes)
        this.#find(
          'COUNT',
          'manifest.json',
          0,
          `table ${id} has ${found.entries} entries, it says ${entries}`,
        );
    }
  }

  async #segment({ name, offset, length }: ArchiveMember, checks: NativeTables): Promise<void> {
    const read = (into: Uint8Array, at: number) =>
      this.#file.readInto(into.subarray(0, Math.min(into.length, length - at)), offset + at);
    for await (const block of readSegment(read, length, name)) {
      this.#progress(block.entries, 0);
      for (const entry of entriesOf(block, name)) {
        const problem = checks.problem(entry);
        if (problem !== undefined) this.#find(problem.code, name, offset + block.offset, problem.message);
      }
    }
  }

  /** What stops the reading of a member is a finding of it. */
  async #guarded(member: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (error instanceof ArchiveDamaged)
        this.#find(error.finding.code, member, error.finding.offset, error.finding.message);
      else if (isOfSegment(error)) this.#find('SEGMENT', member, 0, error.message);
      else throw error;
    }
  }
}

function isOfSegment(error: unknown): error is TidemarkError {
  return (
    error instanceof TidemarkError && (error.code === 'SEGMENT_CORRUPT' || error.code === 'FORMAT_NEWER')
  );
}

/** The tables of a native archive, whose entries come in any order. */
class NativeTables {
  /** Tables whose keys cannot be read, and why. */
  readonly unknown: [table: number, message: string][] = [];
  readonly #incremental: boolean;
  readonly #checks: (EntryCheck | undefined)[] = [];
  readonly #slots: number[] = [];
  readonly #entries: number[] = [];
  readonly #bytes: number[] = [];

  constructor(manifest: ArchiveManifest) {
    this.#incremental = manifest.mode === 'incremental';
    const slots = new Map(manifest.operators.map(({ uid, maxParallelism }) => [uid, maxParallelism]));
    const operators = new Map(manifest.operators.map((operator) => [operator.uid, operator]));
    for (const table of manifest.tables) {
      const operator = operators.get(table.operator);
      this.#slots.push(slotsOf(table, slots));
      try {
        this.#checks.push(operator === undefined ? undefined : new EntryCheck(table, operator));
      } catch (error) {
        if (!(error instanceof TidemarkError)) throw error;
        this.unknown.push([table.id, error.message]);
        this.#checks.push(undefined);
      }
    }
  }

  counted(table: number): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#entries[table] ?? 0, bytes: this.#bytes[table] ?? 0 };
  }

  problem(entry: Parameters<EntryCheck['problem']>[0]): { code: FindingCode; message: string } | undefined {
    const { table, group, tombstone } = entry;
    const slots = this.#slots[table];
    if (slots === undefined)
      return { code: 'ENTRY', message: `an entry of table ${table}, which is not listed` };
    this.#entries[table] = (this.#entries[table] ?? 0) + 1;
    this.#bytes[table] = (this.#bytes[table] ?? 0) + entryBytes(entry);
    if (group >= slots) return { code: 'ENTRY', message: `an entry of key group ${group} of ${slots}` };
    if (tombstone && !this.#incremental)
      return { code: 'ENTRY', message: 'a tombstone in a full checkpoint' };
    return this.#checks[table]?.problem(entry);
  }
}

/** An entry's length as written: its last field ends it, its first begins before its key by two varints. */
function entryBytes({ table, group, key, value }: Parameters<EntryCheck['problem']>[0]): number {
  const start = key.byteOffset - varintBytes(key.length) - varintBytes(group) - varintBytes(table);
  return value.byteOffset + value.length - start;
}

/**
 * Verifies an archive: reads every byte, decodes every entry, and lists all that is wrong. Needs no home, writes
 * nothing, never throws for damage; only a file that is not there, or cannot be read, is an error.
 */
import { createHash } from 'node:crypto';
import type { Disk } from '../base/disk.js';
import { TidemarkError } from '../base/errors.js';
import { type ArchiveManifest, type ArchiveMember, tableMember } from '../format/archive-manifest.js';
import { nativeDigest, snapshotDigest, tableDigest } from '../format/digest.js';
import type { Signature } from '../format/signature.js';
import type { Watermark } from '../format/watermark.js';
import type { RunSource } from '../store/run-source.js';
import { ArchiveFile, MemberSource } from './archive-file.js';
import { ArchiveDamaged, type Finding, type FindingCode } from './finding.js';
import { type Outline, readOutline } from './outline.js';
import { slotsOf } from './table-list.js';
import { NativeVerifier } from './verify-native.js';
import { TableVerifier } from './verify-table.js';

/** More are not listed. */
export const MAX_FINDINGS = 1000;
const HASH_BYTES = 1024 * 1024;

export interface Verification {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  /** Of a signed archive whose signature is good. */
  readonly signature?: Signature;
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
    const { findings } = verifier;
    const { signature } = outline;
    return { ok: findings.length === 0, findings, ...(signature === undefined ? {} : { signature }) };
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
    const verifier = new NativeVerifier(manifest, this.#find, (entries) => this.#progress(entries, 0));
    const sources: RunSource[] = [];
    for (const member of manifest.members) {
      if (!placed.has(member.name)) continue;
      const source = new MemberSource(this.#file, member);
      sources.push(source);
      await this.#guarded(member.name, () => verifier.segment(member, source));
    }
    if (nativeDigest(manifest.members.map(({ sha256 }) => sha256)) !== manifest.digest)
      this.#find('DIGEST', 'manifest.json', 0, 'the segments do not have the digest that the manifest gives');
    const { provenance } = this.#outline;
    if (provenance === undefined || placed.size < manifest.members.length) return;
    await this.#guarded('manifest.json', () => verifier.whole(sources, provenance));
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

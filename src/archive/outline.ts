/**
 * The outside of an archive: its members as the tar headers tell them, the manifest, provenance and sums, each held
 * against the others. Nothing of the data members is read. All findings are collected; where there are none, the file
 * is what its writer made of these members, byte for byte, as far as it was read.
 */
import { createHash } from 'node:crypto';
import {
  ARCHIVE_VERSION,
  type ArchiveManifest,
  dataEnd,
  MANIFEST_MEMBER,
  MAX_MANIFEST_BYTES,
  MAX_MEMBERS,
  PROVENANCE_MEMBER,
  readManifest,
  SUMS_MEMBER,
} from '../format/archive-manifest.js';
import { MAX_PROVENANCE_BYTES, type Provenance, readProvenance } from '../format/provenance.js';
import { MAX_SIGNATURE_BYTES, readSignature, SIGNATURE_MEMBER, type Signature } from '../format/signature.js';
import {
  decodeTarHeader,
  isExactHeader,
  isZero,
  MAX_MEMBER_NAME,
  shownName,
  TAR_BLOCK,
  TAR_END_BYTES,
  type TarHeader,
  tarMemberBytes,
  tarPadding,
} from '../format/tar.js';
import type { ArchiveFile } from './archive-file.js';
import { ArchiveDamaged, type Finding, type FindingCode } from './finding.js';
import { encodeSums } from './pack.js';
import { isSignedBy } from './sign.js';

/** A line is a hash, two spaces, a name, an end. */
const MAX_SUMS_BYTES = (MAX_MEMBERS + 2) * (64 + 2 + MAX_MEMBER_NAME + 1);

export interface Outline {
  readonly manifest: ArchiveManifest | undefined;
  readonly provenance: Provenance | undefined;
  /** Where the archive is signed, and the signature is what it says. */
  readonly signature: Signature | undefined;
  readonly findings: readonly Finding[];
  /** Names of data members that lie where the manifest says, whole. */
  readonly placed: ReadonlySet<string>;
}

/** Members in the order of the file; `at` is where the header lies. */
interface Seen extends TarHeader {
  readonly at: number;
  readonly exact: boolean;
}

export async function readOutline(file: ArchiveFile): Promise<Outline> {
  const reading = new Reading(file);
  try {
    await reading.all();
  } catch (error) {
    if (!(error instanceof ArchiveDamaged)) throw error;
    reading.findings.push(error.finding);
  }
  const { manifest, provenance, signature, findings } = reading;
  return { manifest, provenance, signature, findings, placed: reading.placed() };
}

class Reading {
  readonly findings: Finding[] = [];
  manifest: ArchiveManifest | undefined;
  provenance: Provenance | undefined;
  signature: Signature | undefined;
  readonly #file: ArchiveFile;
  #manifestBytes: Buffer | undefined;
  readonly #seen: Seen[] = [];

  constructor(file: ArchiveFile) {
    this.#file = file;
  }

  async all(): Promise<void> {
    const ended = await this.#walk();
    if (ended && this.#compareNames()) this.#compareHeaders();
    await this.#readTail();
  }

  placed(): ReadonlySet<string> {
    const seen = new Map(this.#seen.map((member) => [member.name, member]));
    const members = this.manifest?.members ?? [];
    const isPlaced = ({ name, offset, length }: ArchiveManifest['members'][number]) => {
      const found = seen.get(name);
      return found !== undefined && found.at + TAR_BLOCK === offset && found.size === length;
    };
    return new Set(members.filter(isPlaced).map(({ name }) => name));
  }

  #find(code: FindingCode, member: string, offset: number, message: string): void {
    this.findings.push({ code, member, offset, message });
  }

  /** Goes from header to header; past one that is broken by what the manifest says. True when it came to the end. */
  async #walk(): Promise<boolean> {
    const { size } = this.#file;
    let at = 0;
    for (let count = 0; count <= MAX_MEMBERS + 4; count++) {
      const expected = this.#expected(this.#seen.length);
      const member = expected?.name ?? (at === 0 ? MANIFEST_MEMBER : '');
      const block = await this.#file.read(member, at, TAR_BLOCK);
      const found = decodeTarHeader(block);
      if (found.kind === 'end') {
        await this.#end(at, block);
        return true;
      }
      if (found.kind === 'damaged') {
        if (expected === undefined && this.manifest !== undefined) {
          this.#find('TRAILING', '', at, 'the end of the archive is not zero');
          return true;
        }
        this.#find('TAR_HEADER', member, at, found.what);
        if (expected?.size === undefined) return false;
        this.#seen.push({ name: expected.name, size: expected.size, at, exact: true });
        at += tarMemberBytes(expected.size);
        continue;
      }
      if (found.kind === 'refused') {
        this.#find('MEMBER_NAME', found.name, at, found.what);
        if (found.size === undefined || at + tarMemberBytes(found.size) > size) return false;
        at += tarMemberBytes(found.size);
        continue;
      }
      const { header } = found;
      if (at + tarMemberBytes(header.size) > size)
        throw this.#file.damaged(
          'TRUNCATED',
          shownName(header.name),
          at,
          `${header.size} bytes of content go past the end`,
        );
      this.#seen.push({ ...header, at, exact: isExact(block, header) });
      if (this.#seen.length === 1) await this.#readManifest(header);
      await this.#padding(header, at);
      at += tarMemberBytes(header.size);
    }
    this.#find('MEMBER_EXTRA', '', at, `more than ${MAX_MEMBERS} members`);
    return false;
  }

  /** What the manifest says stands at a place: sizes are known for data members. */
  #expected(index: number): { readonly name: string; readonly size: number | undefined } | undefined {
    const { manifest } = this;
    if (manifest === undefined) return undefined;
    const member = manifest.members[index - 1];
    if (member !== undefined) return { name: member.name, size: member.length };
    const name = [PROVENANCE_MEMBER, SUMS_MEMBER][index - 1 - manifest.members.length];
    return name === undefined ? undefined : { name, size: undefined };
  }

  async #readManifest(header: TarHeader): Promise<void> {
    const { name, size } = header;
    if (name !== MANIFEST_MEMBER)
      return this.#find('MEMBER_ORDER', shownName(name), 0, `the first member is not ${MANIFEST_MEMBER}`);
    if (size > MAX_MANIFEST_BYTES)
      return this.#find('MEMBER_SIZE', name, 0, `${size} bytes are over the limit of ${MAX_MANIFEST_BYTES}`);
    this.#manifestBytes = await this.#file.read(name, TAR_BLOCK, size);
    const found = readManifest(this.#manifestBytes);
    if ('manifest' in found) this.manifest = found.manifest;
    else if ('wrong' in found) this.#find('MANIFEST', name, TAR_BLOCK, found.wrong.slice(0, 500));
    else {
      const message = `it has format version ${found.newer}, this tidemark reads up to ${ARCHIVE_VERSION}`;
      throw this.#file.damaged('FORMAT_NEWER', name, TAR_BLOCK, message);
    }
  }

  async #padding({ name, size }: TarHeader, at: number): Promise<void> {
    const offset = at + TAR_BLOCK + size;
    const padding = await this.#file.read(shownName(name), offset, tarPadding(size));
    if (!isZero(padding))
      this.#find('TAR_PADDING', shownName(name), offset, 'what fills up its last block is not zero');
  }

  async #end(at: number, first: Buffer): Promise<void> {
    const member = this.#seen.length === 0 ? MANIFEST_MEMBER : '';
    if (at + TAR_END_BYTES > this.#file.size)
      return this.#find('TRUNCATED', member, this.#file.size, 'the end of the archive is missing');
    const second = await this.#file.read('', at + TAR_BLOCK, TAR_BLOCK);
    if (!isZero(first) || !isZero(second))
      this.#find('TRAILING', member, at, 'the end of the archive is not zero');
    else if (at + TAR_END_BYTES !== this.#file.size)
      this.#find('TRAILING', member, at + TAR_END_BYTES, 'bytes follow the end of the archive');
  }

  /** Which members there are, and in which order. True when they are as they should be. */
  #compareNames(): boolean {
    const { manifest } = this;
    if (manifest === undefined) return false;
    const before = this.findings.length;
    const expected = [
      MANIFEST_MEMBER,
      ...manifest.members.map(({ name }) => name),
      PROVENANCE_MEMBER,
      SUMS_MEMBER,
      ...(this.#seen.some(({ name }) => name === SIGNATURE_MEMBER) ? [SIGNATURE_MEMBER] : []),
    ];
    const known = new Set(expected);
    const found = new Set<string>();
    for (const { name, at } of this.#seen) {
      if (!known.has(name))
        this.#find('MEMBER_EXTRA', shownName(name), at, 'no such member is in the manifest');
      else if (found.has(name)) this.#find('MEMBER_EXTRA', name, at, 'it is there twice');
      found.add(name);
    }
    for (const name of expected)
      if (!found.has(name))
        this.#find('MEMBER_MISSING', name, this.#file.size, 'it is in the manifest, but not there');
    if (this.findings.length > before) return false;
    const moved = this.#seen.findIndex(({ name }, i) => name !== expected[i]);
    const { name = '', at = 0 } = this.#seen[moved] ?? {};
    if (moved >= 0) this.#find('MEMBER_ORDER', name, at, `${expected[moved]} was expected here`);
    return moved < 0;
  }

  #compareHeaders(): void {
    for (const [i, { name, size, at, exact }] of this.#seen.entries()) {
      const expected = this.#expected(i)?.size;
      if (expected !== undefined && expected !== size)
        this.#find('MEMBER_SIZE', name, at, `${size} bytes, the manifest says ${expected}`);
      else if (!exact)
        this.#find('TAR_HEADER', name, at, 'its tar header is not the one that tidemark writes');
    }
  }

  /** Provenance and sums, as far as they are where they should be. */
  async #readTail(): Promise<void> {
    const { manifest } = this;
    const manifestBytes = this.#manifestBytes;
    if (manifest === undefined || manifestBytes === undefined) return;
    const at = dataEnd(manifest, manifestBytes.length);
    const provenance = this.#seen.find((seen) => seen.name === PROVENANCE_MEMBER && seen.at === at);
    if (provenance === undefined) return;
    const bytes = await this.#content(provenance, MAX_PROVENANCE_BYTES);
    if (bytes === undefined) return;
    const found = readProvenance(bytes);
    if ('provenance' in found) this.provenance = found.provenance;
    else this.#find('PROVENANCE', PROVENANCE_MEMBER, at + TAR_BLOCK, found.wrong.slice(0, 500));
    const sums = this.#seen.find(({ name }) => name === SUMS_MEMBER);
    const lines = sums === undefined ? undefined : await this.#content(sums, MAX_SUMS_BYTES);
    if (sums === undefined || lines === undefined) return;
    this.#compareSums(sums, lines, manifest, manifestBytes, bytes);
    await this.#readSignature(lines);
  }

  /** Of the sums as they stand there: whether those are right is another finding. */
  async #readSignature(sums: Buffer): Promise<void> {
    const member = this.#seen.find(({ name }) => name === SIGNATURE_MEMBER);
    const bytes = member === undefined ? undefined : await this.#content(member, MAX_SIGNATURE_BYTES);
    if (member === undefined || bytes === undefined) return;
    const found = readSignature(bytes);
    const at = member.at + TAR_BLOCK;
    if ('wrong' in found) this.#find('SIGNATURE', SIGNATURE_MEMBER, at, found.wrong.slice(0, 500));
    else if (isSignedBy(found.signature, sums)) this.signature = found.signature;
    else this.#find('SIGNATURE', SIGNATURE_MEMBER, at, `it is not one of ${SUMS_MEMBER} by the key it names`);
  }

  async #content({ name, size, at }: Seen, limit: number): Promise<Buffer | undefined> {
    if (size <= limit) return await this.#file.read(name, at + TAR_BLOCK, size);
    this.#find('MEMBER_SIZE', name, at, `${size} bytes are over the limit of ${limit}`);
    return undefined;
  }

  #compareSums(
    sums: Seen,
    lines: Buffer,
    manifest: ArchiveManifest,
    manifestBytes: Buffer,
    provenance: Buffer,
  ): void {
    const expected = encodeSums(manifest, manifestBytes, provenance);
    if (expected.equals(lines)) return;
    const different = firstDifference(expected, lines);
    this.#find('SUMS', SUMS_MEMBER, sums.at + TAR_BLOCK + different, 'it does not say what the members are');
    // Its own damage, or theirs: both are named, since nothing else says which it is.
    for (const [name, bytes, at] of [
      [MANIFEST_MEMBER, manifestBytes, TAR_BLOCK],
      [PROVENANCE_MEMBER, provenance, dataEnd(manifest, manifestBytes.length) + TAR_BLOCK],
    ] as const) {
      const hash = createHash('sha256').update(bytes).digest('hex');
      if (!lines.includes(`${hash}  ${name}\n`))
        this.#find('MEMBER_HASH', name, at, `its SHA-256 ${hash} is not the one in ${SUMS_MEMBER}`);
    }
  }
}

function firstDifference(a: Buffer, b: Buffer): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}

/** Names beyond what a header of ours holds are no reason for an assertion. */
function isExact(block: Buffer, header: TarHeader): boolean {
  const ours = /^[\x21-\x7e]+$/.test(header.name) && header.name.length <= MAX_MEMBER_NAME;
  return ours && isExactHeader(block, header);
}

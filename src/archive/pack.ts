/**
 * The tar file, front to back: manifest, data members, provenance, sums, a signature if there is one, two zero blocks. Everything about the
 * members is known before the first byte is given out, so that a stream can be written too.
 */
import { createHash } from 'node:crypto';
import {
  type ArchiveManifest,
  layOut,
  MANIFEST_MEMBER,
  PROVENANCE_MEMBER,
  SUMS_MEMBER,
} from '../format/archive-manifest.js';
import { encodeProvenance, type Provenance } from '../format/provenance.js';
import { encodeSignature, SIGNATURE_MEMBER } from '../format/signature.js';
import { encodeTarHeader, TAR_END_BYTES, tarMemberBytes, tarPadding } from '../format/tar.js';
import type { Signer } from './sign.js';

/** The content of the data members, in the order of the manifest, in pieces of bounded size. */
export type DataSource = (member: number) => AsyncIterable<Uint8Array>;

export interface Packing {
  readonly manifest: ArchiveManifest;
  /** Of the whole file. */
  readonly bytes: number;
  /** The file in pieces. A piece is valid until the next one is asked for. */
  pieces(): AsyncGenerator<Uint8Array, void>;
}

/** `sign` makes the last member, where the archive is signed. */
export function packing(
  draft: ArchiveManifest,
  provenance: Provenance,
  data: DataSource,
  sign?: Signer,
): Packing {
  const { manifest, bytes: manifestBytes } = layOut(draft);
  const provenanceBytes = encodeProvenance(provenance);
  const sums = encodeSums(manifest, manifestBytes, provenanceBytes);
  const signature = sign === undefined ? [] : [encodeSignature(sign(sums))];
  const sizes = [manifestBytes, ...manifest.members, provenanceBytes, sums, ...signature].map(
    ({ length }) => length,
  );
  return {
    manifest,
    bytes: sizes.reduce((sum, size) => sum + tarMemberBytes(size), TAR_END_BYTES),
    async *pieces() {
      yield whole(MANIFEST_MEMBER, manifestBytes);
      for (const [i, { name, length }] of manifest.members.entries()) {
        yield encodeTarHeader({ name, size: length });
        yield* data(i);
        yield Buffer.alloc(tarPadding(length));
      }
      yield whole(PROVENANCE_MEMBER, provenanceBytes);
      yield whole(SUMS_MEMBER, sums);
      for (const bytes of signature) yield whole(SIGNATURE_MEMBER, bytes);
      yield Buffer.alloc(TAR_END_BYTES);
    },
  };
}

/** `SHA256SUMS`, as `sha256sum -c` reads it: every other member, in order. */
export function encodeSums(manifest: ArchiveManifest, manifestBytes: Buffer, provenance: Buffer): Buffer {
  const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  const lines = [
    [hash(manifestBytes), MANIFEST_MEMBER],
    ...manifest.members.map(({ name, sha256 }) => [sha256, name]),
    [hash(provenance), PROVENANCE_MEMBER],
  ];
  return Buffer.from(lines.map(([sum, name]) => `${sum}  ${name}\n`).join(''));
}

function whole(name: string, content: Buffer): Buffer {
  const header = encodeTarHeader({ name, size: content.length });
  return Buffer.concat([header, content, Buffer.alloc(tarPadding(content.length))]);
}

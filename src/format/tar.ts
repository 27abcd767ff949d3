/**
 * The outside of an archive: a plain ustar file, so that `tar tf` lists it. FORMAT.md has the fields.
 *
 * Invariants: a header depends on name and size alone, so equal content is an equal file; a reader takes a header
 * only when it is, byte for byte, the one that would be written for its name and size, so that no byte of an
 * archive can change unseen; what fills a member up to 512 bytes, and the two blocks at the end, are zero.
 */
import { Header } from 'tar';
import { assert } from '../base/assert.js';

export const TAR_BLOCK = 512;
/** The two zero blocks that end a tar file. */
export const TAR_END_BYTES = 2 * TAR_BLOCK;
/** The longest name of a member; longer ones would need another kind of header. */
export const MAX_MEMBER_NAME = 99;

export interface TarHeader {
  readonly name: string;
  readonly size: number;
}

export function encodeTarHeader({ name, size }: TarHeader): Buffer {
  assert(/^[\x21-\x7e]+$/.test(name) && name.length <= MAX_MEMBER_NAME, `a member named '${name}'`);
  const header = new Header({
    path: name,
    mode: 0o644,
    uid: 0,
    gid: 0,
    size,
    mtime: new Date(0),
    uname: '',
    gname: '',
    devmaj: 0,
    devmin: 0,
  });
  header.type = 'File';
  const block = Buffer.alloc(TAR_BLOCK);
  header.encode(block);
  return block;
}

/** How many zero bytes follow a member of this size. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}

/** How many bytes a member takes with its header and padding. */
export function tarMemberBytes(size: number): number {
  return TAR_BLOCK + size + tarPadding(size);
}

/**
 * What a header says: a member, the end (a zero block), something else than a plain file under a plain name
 * (`refused`), or nothing that can be believed (`damaged`).
 */
export type TarFound =
  | { readonly kind: 'member'; readonly header: TarHeader }
  | { readonly kind: 'end' }
  | {
      readonly kind: 'refused';
      readonly name: string;
      readonly what: string;
      readonly size: number | undefined;
    }
  | { readonly kind: 'damaged'; readonly what: string };

/** Reads a header. That a member's name is allowed is for the caller to say, and {@link isExactHeader} for the rest. */
export function decodeTarHeader(block: Buffer): TarFound {
  if (isZero(block)) return { kind: 'end' };
  const { path: name = '', size, type, cksumValid } = decoded(block);
  if (!cksumValid) return { kind: 'damaged', what: 'the checksum of its tar header is wrong' };
  const refused = (what: string): TarFound => ({
    kind: 'refused',
    name: shownName(name),
    what,
    size: kept(size),
  });
  if (type !== 'File') return refused(`it is a ${type}, not a plain file`);
  if (kept(size) === undefined) return refused(`its size of ${size ?? 'unknown'} bytes is beyond all limits`);
  if (name.startsWith('/')) return refused('its name is absolute');
  if (name.split('/').includes('..')) return refused("its name leads out with '..'");
  return { kind: 'member', header: { name, size: kept(size) ?? 0 } };
}

/** Whether these are the very bytes that are written for this member. */
export function isExactHeader(block: Buffer, header: TarHeader): boolean {
  return encodeTarHeader(header).equals(block);
}

export function isZero(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte !== 0) return false;
  return true;
}

/** A name from a file, fit for a message: short, and of printable ASCII. */
export function shownName(name: string): string {
  const shown = name.replaceAll(/[^\x20-\x7e]/g, '?');
  return shown.length > 80 ? `${shown.slice(0, 77)}...` : shown;
}

interface Decoded {
  readonly path?: string | undefined;
  readonly size?: number | undefined;
  readonly type: string;
  readonly cksumValid: boolean;
}

/** `Header` throws for a number that JavaScript cannot hold. */
function decoded(block: Buffer): Decoded {
  try {
    return new Header(block, 0);
  } catch {
    return { path: nameField(block), type: 'File', cksumValid: true, size: Number.POSITIVE_INFINITY };
  }
}

function nameField(block: Buffer): string {
  const end = block.indexOf(0);
  return block.toString('latin1', 0, end < 0 || end > 100 ? 100 : end);
}

function kept(size: number | undefined): number | undefined {
  return size !== undefined && Number.isSafeInteger(size) && size >= 0 ? size : undefined;
}

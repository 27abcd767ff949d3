/**
 * The member `signature.json` of a signed archive, the only one that need not be there: who vouches for the others. It
 * signs SHA256SUMS, which names every other member by its hash.
 *
 *     {"algorithm":"ed25519","publicKey":"<base64 of 44 bytes>","signature":"<base64 of 64 bytes>"}\n
 *
 * Invariants: a signature has one encoding, and the reader takes no other, so that no byte of it can change unseen.
 */
import { issueOf, v } from './checks.js';

export const SIGNATURE_MEMBER = 'signature.json';
/** What is signed: this line, then the bytes of SHA256SUMS. A key that signs other things, too, signs none like it. */
export const SIGNATURE_CONTEXT = 'tidemark archive signature v1\n';
/** The longest such member, in bytes. */
export const MAX_SIGNATURE_BYTES = 1024;
const PUBLIC_KEY_BYTES = 44;
const SIGNED_BYTES = 64;

export interface Signature {
  readonly algorithm: 'ed25519';
  /** SubjectPublicKeyInfo as DER (RFC 8410), in base64. */
  readonly publicKey: string;
  /** In base64 (RFC 8032). */
  readonly signature: string;
}

const base64 = (bytes: number) =>
  v.pipe(
    v.string(),
    v.maxLength(4 * Math.ceil(bytes / 3)),
    v.check(
      (text) => Buffer.from(text, 'base64').length === bytes && isCanonical(text),
      `expected ${bytes} bytes in base64`,
    ),
  );

const schema = v.strictObject({
  algorithm: v.literal('ed25519'),
  publicKey: base64(PUBLIC_KEY_BYTES),
  signature: base64(SIGNED_BYTES),
});

export function encodeSignature({ algorithm, publicKey, signature }: Signature): Buffer {
  return Buffer.from(`${JSON.stringify({ algorithm, publicKey, signature })}\n`);
}

export function readSignature(bytes: Buffer): { readonly signature: Signature } | { readonly wrong: string } {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch {
    return { wrong: 'it is no JSON' };
  }
  const checked = v.safeParse(schema, json, { abortEarly: true });
  if (!checked.success) return { wrong: issueOf(checked.issues) };
  if (!encodeSignature(checked.output).equals(bytes)) return { wrong: 'it is not as tidemark writes it' };
  return { signature: checked.output };
}

function isCanonical(text: string): boolean {
  return Buffer.from(text, 'base64').toString('base64') === text;
}

/**
 * Signatures of archives: ed25519 (RFC 8032) over the sums of all members, by keys as `openssl genpkey -algorithm ed25519`
 * writes them. A key is named by its fingerprint, the SHA-256 of its public half, as ssh shows keys.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto';
import { TidemarkError } from '../base/errors.js';
import { SIGNATURE_CONTEXT, type Signature } from '../format/signature.js';

/** Signs the bytes of SHA256SUMS. */
export type Signer = (sums: Buffer) => Signature;

/** A public key that signatures are held against. */
export interface TrustedKey {
  /** SubjectPublicKeyInfo as DER, in base64. */
  readonly publicKey: string;
  readonly fingerprint: string;
}

/**
 * A signer from a private key as PEM (PKCS #8); `label` is what messages call it.
 * @throws USAGE for what is no ed25519 key, or is encrypted
 */
export function signerOf(pem: Buffer | string, label: string): Signer {
  if (pem.includes('ENCRYPTED')) throw wrongKey(label, 'a private key', 'one that is encrypted');
  const key = parsed(() => createPrivateKey(pem), label, 'a private key');
  const publicKey = spkiOf(createPublicKey(key));
  return (sums) => ({
    algorithm: 'ed25519',
    publicKey,
    signature: signBytes(null, signed(sums), key).toString('base64'),
  });
}

/**
 * A key to hold signatures against, from a public key as PEM.
 * @throws USAGE for what is no ed25519 key, or a private one
 */
export function trustedKeyOf(pem: Buffer | string, label: string): TrustedKey {
  if (pem.includes('PRIVATE KEY'))
    throw wrongKey(label, 'a public key', 'a private key, which belongs elsewhere');
  const publicKey = spkiOf(parsed(() => createPublicKey(pem), label, 'a public key'));
  return { publicKey, fingerprint: fingerprintOf(publicKey) };
}

/** Whether it was made of these sums, by the key that it names. */
export function isSignedBy({ publicKey, signature }: Signature, sums: Buffer): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' });
    if (key.asymmetricKeyType !== 'ed25519') return false;
    return verifyBytes(null, signed(sums), key, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}

/** `SHA256:` and the hash of the public key, as `ssh-keygen -l` writes hashes. */
export function fingerprintOf(publicKey: string): string {
  const hash = createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest('base64');
  return `SHA256:${hash.replace(/=+$/, '')}`;
}

/** @throws SIGNATURE_REFUSED unless one of the keys has signed it; no keys require nothing */
export function requireSignature(
  { path, signature }: { readonly path: string; readonly signature?: Signature | undefined },
  keys: readonly TrustedKey[],
): void {
  if (keys.length === 0 || keys.some(({ publicKey }) => publicKey === signature?.publicKey)) return;
  const wanted = keys.map(({ fingerprint }) => fingerprint).join(' or ');
  const found = signature === undefined ? 'not signed' : `signed by ${fingerprintOf(signature.publicKey)}`;
  throw new TidemarkError('SIGNATURE_REFUSED', `${path} is ${found}; expected a signature by ${wanted}`, {
    hint: 'ask whoever made it; whoever has the private key signs with --sign KEY.pem',
  });
}

function signed(sums: Buffer): Buffer {
  return Buffer.concat([Buffer.from(SIGNATURE_CONTEXT), sums]);
}

function spkiOf(key: KeyObject): string {
  return key.export({ format: 'der', type: 'spki' }).toString('base64');
}

function parsed(parse: () => KeyObject, label: string, what: string): KeyObject {
  let key: KeyObject;
  try {
    key = parse();
  } catch (error) {
    throw wrongKey(label, what, 'none', error);
  }
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw wrongKey(label, what, `one of type ${key.asymmetricKeyType ?? 'unknown'}`);
}

function wrongKey(label: string, what: string, found: string, cause?: unknown): TidemarkError {
  return new TidemarkError('USAGE', `${label}: expected ${what} of ed25519 in PEM, found ${found}`, {
    hint: 'make a pair: openssl genpkey -algorithm ed25519 -out KEY.pem && openssl pkey -in KEY.pem -pubout -out PUB.pem',
    cause,
  });
}

/** Signed archives: whoever changes a byte is found, and whose the signature is can be asked for. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { openArchive } from '../../src/archive/read.js';
import { fingerprintOf, requireSignature, signerOf, trustedKeyOf } from '../../src/archive/sign.js';
import { verifyArchive } from '../../src/archive/verify.js';
import { present } from '../../src/base/assert.js';
import { TidemarkError } from '../../src/base/errors.js';
import { encodeSignature, readSignature, SIGNATURE_MEMBER } from '../../src/format/signature.js';
import { encodeTarHeader } from '../../src/format/tar.js';
import { archiveOf, diskWith, PATH } from './archives.js';
import { Blocks, operator, table } from './blocks.js';

const PEM = { type: 'pkcs8', format: 'pem' } as const;
const PUB = { type: 'spki', format: 'pem' } as const;
const END_BYTES = 1024;

function pair() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { sign: signerOf(privateKey.export(PEM), 'KEY.pem'), pem: publicKey.export(PUB), privateKey };
}

function small(value = 1) {
  const blocks = new Blocks();
  blocks.value(0, 'a', value);
  return { blocks, tables: [table(0, 'a', 'one')], operators: [operator('a')] };
}

/** The signature's own member, header and padding, and where it begins. */
function memberOf(archive: Buffer): { readonly at: number; readonly bytes: Buffer } {
  const at = archive.indexOf(SIGNATURE_MEMBER);
  return { at, bytes: archive.subarray(at, archive.length - END_BYTES) };
}

const open = (bytes: Uint8Array) => openArchive(diskWith(bytes), PATH);

describe('a signed archive', () => {
  const ours = pair();
  const theirs = pair();

  test('says by whom, and is otherwise the archive it would be', async () => {
    const [signed, plain] = [await archiveOf({ ...small(), sign: ours.sign }), await archiveOf(small())];
    const archive = await open(signed);
    const key = trustedKeyOf(ours.pem, 'PUB.pem');
    assert.equal(archive.signature?.publicKey, key.publicKey);
    assert.match(key.fingerprint, /^SHA256:[A-Za-z0-9+/]{43}$/);
    assert.equal(fingerprintOf(key.publicKey), key.fingerprint);
    await archive.close();
    const { ok, findings, signature } = await verifyArchive(diskWith(signed), PATH);
    assert.deepEqual([ok, findings, signature?.publicKey], [true, [], key.publicKey]);
    const { at } = memberOf(signed);
    assert.deepEqual(signed.subarray(0, at), plain.subarray(0, plain.length - END_BYTES));
    assert.deepEqual(await archiveOf({ ...small(), sign: ours.sign }), signed);
  });

  test('is taken where one of the keys asked for has signed it, and refused otherwise', async () => {
    const signed = await open(await archiveOf({ ...small(), sign: ours.sign }));
    const plain = await open(await archiveOf(small()));
    const [one, other] = [ours, theirs].map(({ pem }) => trustedKeyOf(pem, 'PUB.pem'));
    const both = [present(one, 'a key'), present(other, 'a key')];
    requireSignature(signed, both);
    requireSignature(plain, []);
    const refused = { name: 'TidemarkError', code: 'SIGNATURE_REFUSED', exitCode: 6 };
    assert.throws(() => requireSignature(plain, both), { ...refused, message: /is not signed; expected/ });
    const wrong = both.slice(1);
    assert.throws(() => requireSignature(signed, wrong), {
      ...refused,
      message: /is signed by SHA256:.*expected/,
    });
  });

  test('with a signature of another archive, of another key, or none of ours is refused', async () => {
    const signed = await archiveOf({ ...small(), sign: ours.sign });
    const { at } = memberOf(signed);
    const others = [
      memberOf(await archiveOf({ ...small(2), sign: ours.sign })).bytes,
      Buffer.concat([
        signed.subarray(at, at + 512),
        padded(
          encodeSignature({
            ...ours.sign(Buffer.alloc(0)),
            publicKey: theirs.sign(Buffer.alloc(0)).publicKey,
          }),
        ),
      ]),
    ];
    for (const other of others) {
      const forged = Buffer.concat([signed.subarray(0, at), other, Buffer.alloc(END_BYTES)]);
      await assert.rejects(open(forged), {
        code: 'SIGNATURE_REFUSED',
        exitCode: 6,
        message: /bad signature/,
      });
      const { ok, findings } = await verifyArchive(diskWith(forged), PATH);
      assert.equal(ok, false);
      assert.deepEqual(
        findings.map(({ code, member }) => [code, member]),
        [['SIGNATURE', SIGNATURE_MEMBER]],
      );
    }
  });

  test('changed in any byte of the signature, cut anywhere in it, or with it moved or doubled, is found', async () => {
    const signed = await archiveOf({ ...small(), sign: ours.sign });
    const { at, bytes } = memberOf(signed);
    const damaged = [
      ...Array.from({ length: bytes.length }, (_, i) => {
        const copy = Buffer.from(signed);
        copy[at + i] = (copy[at + i] ?? 0) ^ (1 << (i % 8));
        return copy;
      }),
      ...Array.from({ length: 64 }, (_, i) =>
        signed.subarray(0, at + Math.floor((i * bytes.length) / 64) + 1),
      ),
      Buffer.concat([signed.subarray(0, at), bytes, bytes, Buffer.alloc(END_BYTES)]),
      Buffer.concat([bytes, signed.subarray(0, at), Buffer.alloc(END_BYTES)]),
      Buffer.concat([
        signed.subarray(0, at),
        encodeTarHeader({ name: SIGNATURE_MEMBER, size: 2048 }),
        Buffer.alloc(2048 + END_BYTES),
      ]),
    ];
    for (const copy of damaged) {
      await assert.rejects(
        open(copy),
        (error) =>
          error instanceof TidemarkError && ['ARCHIVE_CORRUPT', 'SIGNATURE_REFUSED'].includes(error.code),
      );
      assert.equal((await verifyArchive(diskWith(copy), PATH)).ok, false);
    }
  });
});

test('what is no key of ed25519 is told from one that is', () => {
  const { pem, privateKey } = pair();
  const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const usage = (message: RegExp) => ({ name: 'TidemarkError', code: 'USAGE', message });
  assert.throws(
    () => signerOf('nonsense', 'k'),
    usage(/^k: expected a private key of ed25519 in PEM, found none/),
  );
  assert.throws(() => signerOf(pem, 'k'), usage(/private key.*found none/));
  assert.throws(() => signerOf(rsa.privateKey.export(PEM), 'k'), usage(/one of type rsa/));
  const encrypted = privateKey.export({ ...PEM, cipher: 'aes-256-cbc', passphrase: 'secret' });
  assert.throws(() => signerOf(encrypted, 'k'), usage(/one that is encrypted/));
  assert.throws(
    () => trustedKeyOf(privateKey.export(PEM), 'p'),
    usage(/a private key, which belongs elsewhere/),
  );
  assert.throws(() => trustedKeyOf(rsa.publicKey.export(PUB), 'p'), usage(/one of type rsa/));
  assert.throws(() => trustedKeyOf('', 'p'), usage(/found none/));
});

test('a signature has one encoding', () => {
  const signature = pair().sign(Buffer.from('x'));
  const bytes = encodeSignature(signature);
  assert.deepEqual(readSignature(bytes), { signature });
  const text = bytes.toString();
  for (const other of [
    '',
    '[]',
    text.trimEnd(),
    text.replace(':', ': '),
    text.replace('}', ',"more":1}'),
    text.replace('=', ''),
  ])
    assert.ok('wrong' in readSignature(Buffer.from(other)), other);
});

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** Signed archives on the command line: who signs, who asks for it, and what is said where it is another. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { errorOf, Place, refused } from './place.js';

const SIGNER = /^SHA256:[A-Za-z0-9+/]{43}$/;

describe('signed archives', () => {
  const place = new Place();
  before(async () => {
    await place.make();
    for (const name of ['ours', 'theirs']) {
      const { privateKey, publicKey } = generateKeyPairSync('ed25519');
      await writeFile(place.path(`${name}.pem`), privateKey.export({ type: 'pkcs8', format: 'pem' }));
      await writeFile(place.path(`${name}.pub.pem`), publicKey.export({ type: 'spki', format: 'pem' }));
    }
    await place.count('counter');
    await place.json('savepoint', 'counter', '-o', 'plain.tar');
    await place.json('stop', 'counter', '-o', 'signed.tar', '--sign', 'ours.pem', '--reason', 'release 2');
  });
  after(() => place.remove());

  it('say by whom, and are taken by who trusts that key', async () => {
    const { signedBy, ok } = await place.json<{ ok: boolean; signedBy: string }>(
      ...[
        'verify',
        'signed.tar',
        '--require-signature',
        'theirs.pub.pem',
        '--require-signature',
        'ours.pub.pem',
      ],
    );
    assert.ok(ok);
    assert.match(signedBy, SIGNER);
    const { archive } = await place.json<{ archive: { signedBy: string | null } }>('inspect', 'signed.tar');
    assert.equal(archive.signedBy, signedBy);
    const plan = ['restore', 'signed.tar', '--require-signature', 'ours.pub.pem', '--dry-run'];
    assert.equal((await place.run(...plan)).code, 0);
  });

  it('are refused by who trusts another, and so are those that nobody signed', async () => {
    const wrong = ['--require-signature', 'theirs.pub.pem'];
    const found = await refused(place, 6, 'SIGNATURE_REFUSED', 'restore', 'signed.tar', '-d', ...wrong);
    assert.match(found, /is signed by SHA256:.*expected a signature by SHA256:/);
    await refused(place, 6, 'SIGNATURE_REFUSED', 'verify', 'plain.tar', ...wrong);
    assert.deepEqual(await place.json('list'), []);
  });

  it('changed by anybody are damaged, before it is asked by whom', async () => {
    const bytes = await readFile(place.path('signed.tar'));
    const at = bytes.indexOf('release 2');
    bytes.write('release 3', at);
    await writeFile(place.path('changed.tar'), bytes);
    await refused(
      place,
      7,
      'ARCHIVE_CORRUPT',
      'verify',
      'changed.tar',
      '--require-signature',
      'ours.pub.pem',
    );
  });

  it('changed with their sums have a bad signature, whoever asks', async () => {
    const bytes = await readFile(place.path('signed.tar'));
    const plain = await readFile(place.path('plain.tar'));
    // The signature of the one, put behind the other.
    const signature = bytes.subarray(bytes.indexOf('signature.json'));
    await writeFile(place.path('forged.tar'), Buffer.concat([plain.subarray(0, -1024), signature]));
    await refused(place, 6, 'SIGNATURE_REFUSED', 'verify', 'forged.tar');
    const dry = ['forged.tar', '--dry-run', '--require-signature', 'ours.pub.pem'];
    const found = await refused(place, 6, 'SIGNATURE_REFUSED', 'restore', ...dry);
    assert.match(found, /forged\.tar has a bad signature: /);
  });

  it('lose their signature when they are rewritten, unless somebody signs again', async () => {
    const rename = ['rewrite', 'signed.tar', '--rename', 'count=tally'];
    await place.json(...rename, '-o', 'renamed.tar');
    await place.json(...rename, '-o', 'again.tar', '--sign', 'theirs.pem');
    const signer = async (file: string) =>
      (await place.json<{ archive: { signedBy: string | null } }>('inspect', file)).archive.signedBy;
    assert.equal(await signer('renamed.tar'), null);
    assert.match((await signer('again.tar')) ?? '', SIGNER);
  });

  it('are not made with a file that is no private key', async () => {
    for (const key of ['ours.pub.pem', 'plain.tar', 'nothing.pem']) {
      const { code, stderr } = await place.run('externalize', 'counter', '--sign', key, '--json');
      assert.equal(code, key === 'nothing.pem' ? 4 : 2, stderr);
      assert.match(errorOf({ stderr }).message, new RegExp(key.replaceAll('.', '\\.')));
    }
  });
});

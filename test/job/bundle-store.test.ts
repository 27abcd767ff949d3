import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { homePaths } from '../../src/base/home.js';
import { storeBundle, verifyBundle } from '../../src/job/bundle-store.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';

const home = homePaths('/home');
const code = 'export default 1; // ü\n';
const hash = createHash('sha256').update(code).digest('hex');

test('a stored bundle verifies, and storing it again writes nothing', async () => {
  const disk = new FaultyDisk();
  assert.equal(await storeBundle(disk, home, code, hash), home.bundle(hash));
  assert.equal(await verifyBundle(disk, home, hash), home.bundle(hash));
  assert.equal(disk.peek(home.bundle(hash))?.toString(), code);
  const before = disk.operations.length;
  await storeBundle(disk, home, code, hash);
  const again = disk.operations.slice(before);
  assert.deepEqual(
    again.filter((operation) => /^(create|append|rename)/.test(operation)),
    [],
  );
});

test('once stored it survives a loss of power; whatever fails before, nothing half is found', async () => {
  const whole = new FaultyDisk();
  await storeBundle(whole, home, code, hash, 'a');
  for (let nth = 1; nth <= whole.operations.length; nth++) {
    const disk = new FaultyDisk();
    disk.failAt(nth, 'ENOSPC');
    await assert.rejects(storeBundle(disk, home, code, hash, 'a'), { code: 'ENOSPC' });
    disk.crash();
    const found = disk.peek(home.bundle(hash));
    assert.ok(found === undefined || found.toString() === code, `after failing operation ${nth}`);
    await storeBundle(disk, home, code, hash, 'b');
    disk.crash();
    assert.equal(disk.peek(home.bundle(hash))?.toString(), code);
  }
});

test('a torn write leaves no temporary file', async () => {
  const disk = new FaultyDisk();
  disk.tearAppend(1);
  await assert.rejects(storeBundle(disk, home, code, hash));
  disk.heal();
  assert.deepEqual(await disk.list(home.bundles), []);
});

test('a damaged bundle is reported, and replaced when stored again', async () => {
  for (const damaged of ['', code.slice(0, -1), `${code} `, code.replace('1', '2')]) {
    const disk = new FaultyDisk();
    disk.plant(home.bundle(hash), Buffer.from(damaged));
    await assert.rejects(verifyBundle(disk, home, hash), { code: 'BUNDLE_CORRUPT', exitCode: 7 });
    await storeBundle(disk, home, code, hash);
    assert.equal(await verifyBundle(disk, home, hash), home.bundle(hash));
  }
});

test('an absent bundle, and a hash that is none, are refused', async () => {
  const disk = new FaultyDisk();
  await assert.rejects(verifyBundle(disk, home, hash), { code: 'FILE_NOT_FOUND', exitCode: 4 });
  await assert.rejects(verifyBundle(disk, home, '../../etc/passwd'), { code: 'BUNDLE_CORRUPT' });
});

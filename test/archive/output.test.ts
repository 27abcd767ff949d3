/** Disks that fail while an archive is written: nothing under its name but a whole one, and nothing left behind. */
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { describe, test } from 'node:test';
import { openArchive } from '../../src/archive/read.js';
import { verifyArchive } from '../../src/archive/verify.js';
import { writeArchive } from '../../src/archive/write.js';
import { archiveOf, entriesOfArchive, memoryDisk, optionsFor, PATH } from './archives.js';

const limits = { bytes: 2000, entries: 50 };

test('a name is given by commit alone, and is durable then', async () => {
  const disk = await memoryDisk();
  const archive = await writeArchive(optionsFor(disk));
  assert.equal(await disk.stat(PATH), undefined);
  await archive.commit();
  assert.deepEqual(disk.paths(), [PATH]);
  disk.crash();
  assert.deepEqual(disk.peek(PATH), await archiveOf());
  assert.equal(archive.bytes, disk.peek(PATH)?.length);
  const read = await openArchive(disk, PATH);
  assert.equal(read.manifest.digest, archive.digest);
  assert.equal((await entriesOfArchive(read)).length, archive.entries);
});

test('given up, nothing stays', async () => {
  const disk = await memoryDisk();
  const archive = await writeArchive(optionsFor(disk));
  await archive.discard();
  assert.deepEqual(disk.paths(), []);
});

describe('a file that is there', () => {
  test('is refused before any work, and again when the name is given', async () => {
    const disk = await memoryDisk();
    disk.plant(PATH, Buffer.from('mine'));
    await assert.rejects(writeArchive(optionsFor(disk)), { code: 'FILE_EXISTS', exitCode: 5 });
    await disk.remove(PATH);
    const archive = await writeArchive(optionsFor(disk));
    disk.plant(PATH, Buffer.from('mine'));
    await assert.rejects(archive.commit(), { code: 'FILE_EXISTS' });
    await archive.discard();
    assert.deepEqual(disk.paths(), [PATH]);
    assert.equal(String(disk.peek(PATH)), 'mine');
  });

  test('is replaced by force', async () => {
    const disk = await memoryDisk();
    disk.plant(PATH, Buffer.from('mine'));
    const archive = await writeArchive(optionsFor(disk, { output: { path: PATH, force: true } }));
    assert.equal(String(disk.peek(PATH)), 'mine');
    await archive.commit();
    assert.deepEqual(disk.peek(PATH), await archiveOf());
  });

  test('is not replaced by force where it is a folder, or a device', async () => {
    const disk = await memoryDisk();
    const output = { path: dirname(PATH), force: true };
    await assert.rejects(writeArchive(optionsFor(disk, { output })), { code: 'FILE_EXISTS', exitCode: 5 });
    assert.deepEqual(disk.paths(), []);
  });

  test('is kept also where links are not possible', async () => {
    const disk = await memoryDisk();
    const archive = await writeArchive(optionsFor(disk));
    disk.failAt(1, 'EPERM');
    await archive.commit();
    assert.deepEqual(disk.paths(), [PATH]);
    const second = await writeArchive(optionsFor(disk, { output: { path: '/out/b.tar' } }));
    disk.plant('/out/b.tar', Buffer.from('mine'));
    disk.failAt(1, 'ENOTSUP');
    await assert.rejects(second.commit(), { code: 'FILE_EXISTS' });
  });
});

test('a disk that is full at any operation leaves no file, and says so', async () => {
  const whole = await memoryDisk();
  await (await writeArchive(optionsFor(whole, { limits }))).commit();
  const count = whole.operations.length;
  assert.ok(count > 40);
  for (let nth = 1; nth <= count; nth++) {
    const disk = await memoryDisk();
    disk.failAt(nth, 'ENOSPC');
    try {
      const archive = await writeArchive(optionsFor(disk, { limits }));
      await archive.commit().catch(async (error: unknown) => {
        await archive.discard();
        throw error;
      });
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'DISK_FULL', `operation ${nth}: ${error}`);
    }
    const left = disk.paths();
    // Spool files that could not be removed are for a sweep; an archive is whole or not there.
    assert.ok(
      left.every((path) => path === PATH || path.endsWith('.tmp')),
      left.join(),
    );
    assert.ok(left.filter((path) => path !== PATH).length <= 1, `operation ${nth}: ${left}`);
    disk.heal();
    if (left.includes(PATH)) assert.ok((await verifyArchive(disk, PATH)).ok);
  }
});

describe('a stream', () => {
  test('gets the same bytes, only at commit, and nothing is left', async () => {
    const disk = await memoryDisk();
    const pieces: Buffer[] = [];
    const stream = async (bytes: Uint8Array) => {
      pieces.push(Buffer.from(bytes));
    };
    const archive = await writeArchive(optionsFor(disk, { output: { stream } }));
    assert.equal(pieces.length, 0);
    await archive.commit();
    assert.deepEqual(Buffer.concat(pieces), await archiveOf());
    assert.deepEqual(disk.paths(), []);
  });

  test('that breaks is an error, and nothing is left', async () => {
    const disk = await memoryDisk();
    const stream = () => Promise.reject(Object.assign(new Error('EPIPE'), { code: 'EPIPE' }));
    const archive = await writeArchive(optionsFor(disk, { output: { stream } }));
    await assert.rejects(archive.commit(), /EPIPE/);
    await archive.discard();
    assert.deepEqual(disk.paths(), []);
  });
});

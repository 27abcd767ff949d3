/** The real disk and the faulty one keep the same contract; the faulty one also fails as it is told. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Disk } from '../../src/base/disk.js';
import { realDisk } from '../../src/base/real-disk.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';

async function write(disk: Disk, path: string, text: string): Promise<void> {
  const file = await disk.create(path);
  await file.append(Buffer.from(text));
  await file.sync();
  await file.close();
}

async function read(disk: Disk, path: string): Promise<string> {
  const file = await disk.open(path);
  const { size } = await file.stat();
  const into = Buffer.alloc(size + 10);
  const count = await file.read(into, 0);
  await file.close();
  return into.toString('utf8', 0, count);
}

async function contract(disk: Disk, root: string): Promise<void> {
  const folder = join(root, 'a', 'b');
  await disk.mkdir(folder);
  await disk.mkdir(folder);
  await write(disk, join(folder, 'one'), 'hello');
  await write(disk, join(folder, 'one'), ' world');
  assert.equal(await read(disk, join(folder, 'one')), 'hello world');

  const file = await disk.open(join(folder, 'one'));
  const into = Buffer.alloc(5);
  assert.equal(await file.read(into, 6), 5);
  assert.equal(into.toString(), 'world');
  assert.equal(await file.read(into, 11), 0);
  assert.equal(await file.read(into, 100), 0);
  await file.close();

  await assert.rejects(disk.create(join(folder, 'one'), { exclusive: true }), { code: 'EEXIST' });
  await assert.rejects(disk.open(join(folder, 'none')), { code: 'ENOENT' });
  await assert.rejects(disk.create(join(root, 'none', 'x')), { code: 'ENOENT' });
  assert.equal(await disk.stat(join(folder, 'none')), undefined);
  assert.deepEqual(await disk.list(join(root, 'none')), []);

  await write(disk, join(folder, 'two'), '2');
  const inode = (await disk.stat(join(folder, 'two')))?.inode;
  await disk.rename(join(folder, 'two'), join(folder, 'one'));
  assert.deepEqual(await disk.list(folder), ['one']);
  assert.equal(await read(disk, join(folder, 'one')), '2');
  const found = await disk.stat(join(folder, 'one'));
  assert.deepEqual([found?.inode, found?.size, found?.isFile], [inode, 1, true]);
  assert.equal((await disk.stat(folder))?.isFile, false);
  await disk.syncFolder(folder);
  await disk.remove(join(folder, 'one'));
  await disk.remove(join(folder, 'one'));
  assert.deepEqual(await disk.list(folder), []);
  assert.deepEqual(await disk.list(join(root, 'a')), ['b']);
}

test('the real disk keeps the contract', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'tidemark-disk-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  await contract(realDisk, root);
});

test('the real disk passes on what the system refuses', { skip: process.getuid?.() === 0 }, async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'tidemark-disk-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  await chmod(root, 0o500);
  await assert.rejects(realDisk.create(join(root, 'x')), { code: 'EACCES' });
});

describe('the faulty disk', () => {
  test('keeps the contract', () => contract(new FaultyDisk(), '/home'));

  test('forgets bytes that were not synced, and names whose folder was not', async () => {
    const disk = new FaultyDisk();
    await disk.mkdir('/d');
    await write(disk, '/d/kept', 'kept');
    await disk.syncFolder('/d');
    const file = await disk.create('/d/kept');
    await file.append(Buffer.from(' and lost'));
    await write(disk, '/d/nameless', 'synced, but in no folder');
    disk.crash();
    assert.deepEqual(disk.paths(), ['/d/kept']);
    assert.equal(await read(disk, '/d/kept'), 'kept');
    await assert.rejects(file.append(Buffer.from('x')), { code: 'EBADF' });
  });

  test('undoes a rename and a removal that were not synced', async () => {
    const disk = new FaultyDisk();
    disk.plant('/d/old', Buffer.from('1'));
    disk.plant('/d/gone', Buffer.from('2'));
    await disk.rename('/d/old', '/d/new');
    await disk.remove('/d/gone');
    disk.crash();
    assert.deepEqual(disk.paths(), ['/d/gone', '/d/old']);
  });

  test('fails the nth operation, once or from then on, and tears an append', async () => {
    const disk = new FaultyDisk();
    await disk.mkdir('/d');
    disk.failAt(2, 'ENOSPC');
    const file = await disk.create('/d/x');
    await assert.rejects(file.append(Buffer.from('abcd')), { code: 'ENOSPC' });
    await file.append(Buffer.from('abcd'));
    disk.tearAppend(1);
    await assert.rejects(file.append(Buffer.from('efgh')), { code: 'EIO' });
    assert.equal(disk.peek('/d/x')?.toString(), 'abcdef');
    disk.failFrom(1, 'EIO');
    for (let i = 0; i < 3; i++) await assert.rejects(file.sync(), { code: 'EIO' });
    disk.heal();
    await file.sync();
    assert.deepEqual(disk.operations.slice(0, 3), ['mkdir /d', 'create /d/x', 'append /d/x']);
  });
});

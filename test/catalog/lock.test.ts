import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { acquireLock, holdsLock, isLocked, lockInfo } from '../../src/catalog/lock.js';
import { tempFolder } from './fixture.js';
import { startPeer } from './peer.js';

test('a lock is held once, told, and free after its release', (t) => {
  const path = join(tempFolder(t), 'lock.db');
  assert.equal(isLocked(path), false);
  assert.equal(existsSync(path), false, 'asking makes no file');
  const lock = acquireLock(path, { job: 'a', pid: 7 });
  assert.ok(lock);
  assert.equal(acquireLock(path, {}), undefined);
  assert.equal(isLocked(path), true);
  assert.equal(holdsLock(path), true);
  assert.deepEqual(lockInfo(path), { job: 'a', pid: 7 });
  lock.release();
  lock.release();
  assert.equal(isLocked(path), false);
  assert.equal(holdsLock(path), false);
  assert.equal(lockInfo(path), undefined);
  const again = acquireLock(path, {});
  lock.release();
  assert.equal(isLocked(path), true, 'a release long past frees nothing');
  again?.release();
});

test('a lock file stays empty and leaves no journal', (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'lock.db');
  const lock = acquireLock(path, {});
  assert.deepEqual(readdirSync(folder), ['lock.db', 'lock.json']);
  lock?.release();
  assert.deepEqual(readdirSync(folder), ['lock.db']);
  assert.equal(statSync(path).size, 0);
});

test('two names of one file are one lock in one process', (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'lock.db');
  const lock = acquireLock(path, {});
  symlinkSync(path, join(folder, 'other.db'));
  assert.equal(isLocked(join(folder, 'other.db')), true);
  assert.equal(acquireLock(join(folder, 'other.db'), {}), undefined);
  assert.equal(isLocked(path), true, 'a failed try in the same process frees nothing');
  lock?.release();
});

test('another thread of the process sees it held, and does not free it by looking', async (t) => {
  const path = join(tempFolder(t), 'lock.db');
  const lock = acquireLock(path, {});
  const module = new URL('../../src/catalog/lock.js', import.meta.url).href;
  const code = `import(${JSON.stringify(module)}).then(({ acquireLock, isLocked }) => {
    const path = ${JSON.stringify(path)};
    require('node:worker_threads').parentPort.postMessage([isLocked(path), acquireLock(path, {}) === undefined]);
  })`;
  const worker = new Worker(code, { eval: true });
  assert.deepEqual(await once(worker, 'message'), [[true, true]]);
  await worker.terminate();
  const peer = await startPeer(t);
  assert.equal(await peer.tell({ do: 'is-locked', path }), true);
  lock?.release();
  assert.equal(await peer.tell({ do: 'acquire', path }), true);
});

test('another process sees it held, and kill -9 of its holder frees it', async (t) => {
  const path = join(tempFolder(t), 'lock.db');
  const peer = await startPeer(t);
  assert.equal(await peer.tell({ do: 'acquire', path }), true);
  assert.equal(isLocked(path), true);
  assert.equal(acquireLock(path, {}), undefined);
  assert.deepEqual(lockInfo(path), { pid: peer.pid });
  await peer.kill();
  assert.equal(isLocked(path), false);
  const lock = acquireLock(path, {});
  assert.ok(lock);
  lock.release();
});

test('of many processes one gets it', async (t) => {
  const path = join(tempFolder(t), 'lock.db');
  const peers = await Promise.all([0, 1, 2, 3].map(() => startPeer(t)));
  for (let round = 0; round < 5; round++) {
    const got = await Promise.all(peers.map((peer) => peer.tell({ do: 'acquire', path })));
    assert.equal(got.filter(Boolean).length, 1, `${got}`);
    await Promise.all(peers.map((peer, i) => (got[i] ? peer.tell({ do: 'release', path }) : undefined)));
    assert.equal(isLocked(path), false);
  }
});

test('probes do not keep a runner from its lock', async (t) => {
  const path = join(tempFolder(t), 'lock.db');
  acquireLock(path, {})?.release();
  const runner = await startPeer(t);
  const probers = await Promise.all([0, 1].map(() => startPeer(t)));
  const probing = probers.map((peer) => peer.tell({ do: 'hammer-probe', path, count: 300 }));
  assert.equal(await runner.tell({ do: 'hammer-acquire', path, count: 40 }), 40);
  await Promise.all(probing);
  assert.equal(isLocked(path), false);
});

test('what is no lock file is free, and refused with a code', (t) => {
  const path = join(tempFolder(t), 'lock.db');
  writeFileSync(path, 'not a database, and longer than a header of one hundred bytes. '.repeat(20));
  assert.equal(isLocked(path), false);
  assert.throws(() => acquireLock(path, {}), { code: 'CATALOG_CORRUPT' });
  assert.throws(() => acquireLock('/nowhere/at/all/lock.db', {}), { code: 'FILE_NOT_FOUND' });
});

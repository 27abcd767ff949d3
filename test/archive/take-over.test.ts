/** Segments of a native archive taken over into a home. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { openArchive } from '../../src/archive/read.js';
import { type TakenSegment, takeOver } from '../../src/archive/take-over.js';
import { present } from '../../src/base/assert.js';
import type { FaultyDisk } from '../helpers/faulty-disk.js';
import { PATH } from './archives.js';
import { chainOnDisk } from './natives.js';

const HOME = '/home/segments';

async function prepared(): Promise<{ disk: FaultyDisk; members: readonly string[] }> {
  const { disk, names } = await chainOnDisk(300, 3);
  await disk.mkdir(HOME);
  return { disk, members: names };
}

const pathOf = (name: string) => `${HOME}/${name}.seg`;
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const inHome = (disk: FaultyDisk) => disk.paths().filter((path) => path.startsWith(HOME));

async function taken(disk: FaultyDisk, lease: Parameters<typeof takeOver>[3] = () => undefined) {
  const archive = await openArchive(disk, PATH);
  try {
    return await takeOver(disk, archive, HOME, lease);
  } finally {
    await archive.close();
  }
}

describe('taking a native archive over', () => {
  test('gives its segments in their order, whole and durable, and leaves nothing else', async () => {
    const { disk, members } = await prepared();
    const found = await taken(disk);
    assert.deepEqual(
      found.map(({ name }) => name),
      members,
    );
    disk.crash();
    assert.deepEqual(inHome(disk), members.map(pathOf).sort());
    for (const { name, bytes } of found) {
      const file = present(disk.peek(pathOf(name)), 'a segment');
      assert.equal(sha256(file), name);
      assert.equal(file.length, bytes);
    }
  });

  test('leases all before any gets its name', async () => {
    const { disk, members } = await prepared();
    let leased: readonly TakenSegment[] = [];
    const found = await taken(disk, (segments) => {
      assert.ok(!inHome(disk).some((path) => path.endsWith('.seg')));
      leased = segments;
    });
    assert.deepEqual(leased, found);
    assert.equal(leased.length, members.length);
  });

  test('replaces a file that only has the name', async () => {
    const { disk, members } = await prepared();
    const [first = ''] = members;
    disk.plant(pathOf(first), Buffer.from('not what its name says'));
    await taken(disk);
    assert.equal(sha256(present(disk.peek(pathOf(first)), 'a segment')), first);
  });

  test('refuses a member that is not what the manifest says, and leaves nothing', async () => {
    const { disk } = await prepared();
    const bytes = Buffer.from(present(disk.peek(PATH), 'the archive'));
    const { manifest } = await openArchive(disk, PATH);
    const last = present(manifest.members.at(-1), 'a member');
    const at = last.offset + 30;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    disk.plant(PATH, bytes);
    let leased = false;
    const lease = () => {
      leased = true;
    };
    await assert.rejects(taken(disk, lease), { code: 'ARCHIVE_CORRUPT', message: /SHA-256/ });
    assert.equal(leased, false);
    assert.deepEqual(inHome(disk), []);
  });

  test('a lease that is refused leaves nothing', async () => {
    const { disk } = await prepared();
    const refusal = new Error('stale');
    await assert.rejects(
      taken(disk, () => {
        throw refusal;
      }),
      refusal,
    );
    assert.deepEqual(inHome(disk), []);
  });

  test('a disk that fails at any operation leaves no temporary file, and no name without a lease', async () => {
    const dry = await prepared();
    const before = dry.disk.operations.length;
    await taken(dry.disk);
    const steps = dry.disk.operations.length - before;
    for (let step = 1; step <= steps; step++) {
      const { disk } = await prepared();
      let leased: readonly TakenSegment[] = [];
      disk.failAt(step, 'ENOSPC');
      await assert.rejects(
        taken(disk, (segments) => {
          leased = segments;
        }),
        { code: 'DISK_FULL' },
      );
      const left = inHome(disk).filter((path) => !leased.some(({ name }) => path === pathOf(name)));
      assert.deepEqual(left, [], `operation ${step}`);
    }
  });
});

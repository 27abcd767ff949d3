/** The golden archives: still the same bytes, still readable, still what would be written. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { inflateRawSync } from 'node:zlib';
import { diffArchives } from '../../src/archive/diff.js';
import { type Archive, openArchive } from '../../src/archive/read.js';
import { verifyArchive } from '../../src/archive/verify.js';
import { realDisk } from '../../src/base/real-disk.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import { diskWith, PATH } from './archives.js';
import { GOLDEN, GOLDEN_FOLDER, goldenPath, REFUSED } from './golden.js';

/** They were made with this one; another may compress to other bytes. */
const MADE_WITH_ZLIB = '1.3.1-e00f703';

const sums = readFileSync(join(GOLDEN_FOLDER, 'SHA256SUMS'), 'utf8').trim().split('\n');

test('there are those of the list, and no others', () => {
  const listed = sums.map((line) => line.slice(66));
  assert.deepEqual([...listed].sort(), Object.keys(GOLDEN).sort());
  const found = readdirSync(GOLDEN_FOLDER).filter((name) => name !== 'SHA256SUMS');
  assert.deepEqual(found.sort(), [...listed].sort());
});

/** What does not depend on how well zlib compresses. */
async function content(archive: Archive): Promise<unknown> {
  const { members: _, ...manifest } = archive.manifest;
  const hash = createHash('sha256');
  for await (const { payload } of archive.blocks()) hash.update(payload);
  return { manifest, provenance: archive.provenance, blocks: hash.digest('hex') };
}

for (const [name, make] of Object.entries(GOLDEN)) {
  describe(name, () => {
    test('has not changed', () => {
      const hash = createHash('sha256')
        .update(readFileSync(goldenPath(name)))
        .digest('hex');
      assert.ok(sums.includes(`${hash}  ${name}`), `${name} was made anew: take it back from the history`);
    });

    if (REFUSED.has(name)) {
      test('is refused as what it is', async () => {
        const { findings } = await verifyArchive(realDisk, goldenPath(name));
        assert.deepEqual([...new Set(findings.map(({ code }) => code))], ['SEGMENT']);
        const archive = await openArchive(realDisk, goldenPath(name));
        await assert.rejects(content(archive), { code: 'SEGMENT_CORRUPT', message: /not sorted/ });
        await archive.close();
      });
      return;
    }

    test('is whole', async () => {
      assert.deepEqual(await verifyArchive(realDisk, goldenPath(name)), { ok: true, findings: [] });
    });

    test('is what is written today', async () => {
      const disk = new FaultyDisk();
      await disk.mkdir('/tmp');
      await make(disk, '/tmp', PATH.replace('/out', '/tmp'));
      const today = disk.peek(PATH.replace('/out', '/tmp')) ?? Buffer.alloc(0);
      const golden = await openArchive(realDisk, goldenPath(name));
      assert.deepEqual(await content(await openArchive(diskWith(today), PATH)), await content(golden));
      await golden.close();
      const alike = process.versions.zlib === MADE_WITH_ZLIB && process.arch === 'x64';
      if (alike) assert.ok(today.equals(readFileSync(goldenPath(name))));
    });
  });
}

test('one holds compressed and stored blocks', async () => {
  const archive = await openArchive(realDisk, goldenPath('counts.tar'));
  const [member] = archive.manifest.members;
  const file = readFileSync(goldenPath('counts.tar'));
  const first = file.subarray(member?.offset ?? 0);
  assert.ok(inflateRawSync(first.subarray(0, 65_536), { finishFlush: 2 }).length > 0);
  await archive.close();
});

test('those of one state are equal in any layout', async () => {
  const names = ['everything.tar', 'native-chain.tar', 'native-sorted.tar'];
  const archives = await Promise.all(names.map((name) => openArchive(realDisk, goldenPath(name))));
  for (const a of archives)
    for (const b of archives)
      assert.deepEqual(await diffArchives(a, b), { equal: true, operators: [] }, `${a.path} ${b.path}`);
  for (const archive of archives) await archive.close();
});

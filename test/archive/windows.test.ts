/** Of which windows panes are, from a checkpoint's manifest to a savepoint's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { convertArchive } from '../../src/archive/convert.js';
import { openArchive } from '../../src/archive/read.js';
import { verifyArchive } from '../../src/archive/verify.js';
import type { ManifestWindow } from '../../src/format/manifest.js';
import { memoryDisk, PATH } from './archives.js';
import { packChain, userChain } from './natives.js';

const OUT = '/out/converted.tar';
const WINDOW: ManifestWindow = {
  assign: { kind: 'sliding', size: 10, slide: 4, offset: 0 },
  slice: 2,
  lateness: 7,
};

/** The digest of the savepoint, and what it and the archive that it is made of say. */
async function converted(window: ManifestWindow | undefined) {
  const disk = await memoryDisk();
  const chain = userChain(20, 2);
  await packChain(disk, { ...chain, tables: chain.tables.map((table) => ({ ...table, window })) });
  const done = await convertArchive({ disk, input: PATH, output: { path: OUT }, spoolFolder: '/spool' });
  await done.commit();
  assert.deepEqual((await verifyArchive(disk, OUT)).findings, []);
  const said = [];
  for (const path of [PATH, OUT]) {
    const archive = await openArchive(disk, path);
    said.push(archive.manifest.tables[0]?.window);
    await archive.close();
  }
  return { digest: done.digest, said };
}

test('a conversion keeps what is said of windows, and has the digest of the state alone', async () => {
  const [told, untold] = [await converted(WINDOW), await converted(undefined)];
  assert.deepEqual(told.said, [WINDOW, WINDOW]);
  assert.deepEqual(untold.said, [undefined, undefined]);
  assert.equal(told.digest, untold.digest);
});

/** A rotation that happens in the middle of a look at the folder: between any two of its operations. */
import assert from 'node:assert/strict';
import { existsSync, renameSync } from 'node:fs';
import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Disk } from '../../src/base/disk.js';
import { realDisk } from '../../src/base/real-disk.js';
import { files } from '../../src/connectors/files.js';
import { Follower } from './following.js';
import { contextOf } from './reading.js';

/** More than one look at four names takes. */
const OPERATIONS = 24;

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-race-'));
});
after(() => rm(folder, { recursive: true }));

/** The real disk; `act` runs after the nth `list` or `stat` from the time it is armed. */
function interrupted(act: () => void): { readonly disk: Disk; arm(nth: number): void } {
  let left = Number.POSITIVE_INFINITY;
  const count = <T>(result: T): T => {
    if (--left === 0) act();
    return result;
  };
  const disk: Disk = {
    ...realDisk,
    list: async (path) => count(await realDisk.list(path)),
    stat: async (path) => count(await realDisk.stat(path)),
  };
  return {
    disk,
    arm: (nth) => {
      left = nth;
    },
  };
}

for (let nth = 1; nth <= OPERATIONS; nth++) {
  test(`loses and doubles nothing, rotated after operation ${nth} of a look`, async () => {
    const log = join(folder, `app-${nth}.log`);
    const rotate = () => {
      for (let n = 8; n > 0; n--) if (existsSync(`${log}.${n}`)) renameSync(`${log}.${n}`, `${log}.${n + 1}`);
      renameSync(log, `${log}.1`);
    };
    const { disk, arm } = interrupted(rotate);
    const source = files(`app-${nth}.log`, { follow: true });
    const [split] = await source.splits(contextOf(realDisk, folder));
    assert.ok(split !== undefined);
    await writeFile(log, 'a\n');
    const follower = new Follower(
      source,
      folder,
      { split: split.id, position: split.start, batch: 1000 },
      disk,
    );
    await follower.settle();
    // Two rotations while it sleeps, the third one while it looks.
    for (const line of ['b\n', 'c\n']) {
      rotate();
      await writeFile(log, line);
    }
    arm(nth);
    for (let looks = 0; looks < 6; looks++) await follower.look();
    arm(Number.POSITIVE_INFINITY);
    if (!existsSync(log)) await writeFile(log, 'd\n');
    else await appendFile(log, 'd\n');
    for (let looks = 0; looks < 4; looks++) await follower.look();
    await follower.stop();
    assert.deepEqual(follower.lines, ['a', 'b', 'c', 'd']);
    await rename(log, `${log}.end`);
  });
}

/** An archive read in another language, from FORMAT.md alone: Python with a MessagePack library. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, test } from 'node:test';
import { openArchive } from '../../src/archive/read.js';
import { realDisk } from '../../src/base/real-disk.js';
import { goldenPath } from './golden.js';

const SCRIPT = resolve(import.meta.dirname, '../../../test/archive/read-archive.py');
const packages = mkdtempSync(join(tmpdir(), 'tidemark-python-'));
after(() => rmSync(packages, { recursive: true, force: true }));

/** Why it cannot be done here, or false. */
function prepare(): string | false {
  if (spawnSync('python3', ['--version']).status !== 0) return 'there is no python3';
  const known = spawnSync('python3', ['-c', 'import msgpack']);
  if (known.status === 0) return false;
  const install = ['-m', 'pip', 'install', '--quiet', '--target', packages, 'msgpack'];
  const { status } = spawnSync('python3', install, { timeout: 60_000 });
  return status === 0 ? false : 'no MessagePack library for Python can be installed';
}

interface Found {
  readonly digest: string;
  readonly tables: readonly {
    readonly state: string;
    readonly entries: number;
    readonly first: readonly (readonly [unknown, unknown])[];
  }[];
}

function read(name: string): Found {
  const { status, stdout, stderr } = spawnSync('python3', [SCRIPT, goldenPath(name)], {
    encoding: 'utf8',
    env: { ...process.env, PYTHONPATH: packages },
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Found;
}

describe('Python', { skip: prepare() }, () => {
  for (const name of ['everything.tar', 'counts.tar', 'empty.tar', 'drained.tar']) {
    test(`reads ${name}, its hashes, order and digest`, async () => {
      const found = read(name);
      const archive = await openArchive(realDisk, goldenPath(name));
      const { manifest } = archive;
      await archive.close();
      assert.equal(found.digest, manifest.digest);
      assert.deepEqual(
        found.tables.map(({ entries }) => entries),
        manifest.tables.map(({ entries }) => entries),
      );
    });
  }

  test('decodes keys and values', () => {
    const [seen] = read('counts.tar').tables;
    assert.equal(seen?.state, 'count.seen');
    for (const [key, value] of seen?.first ?? [])
      assert.equal(value, (Number(/^user-(\d+)$/.exec(String(key))?.[1]) * 7919) % 1000);
    const splits = read('everything.tar').tables.find(({ state }) => state === 'zulu.');
    assert.deepEqual(splits?.first[0], ['a.txt', { position: { offset: 17 }, done: false, timestamp: 99 }]);
  });
});

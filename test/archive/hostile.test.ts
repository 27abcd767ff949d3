/** Archives made by other tools, or by someone who means harm: refused, and what is wrong is named. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { openArchive } from '../../src/archive/read.js';
import { verifyArchive } from '../../src/archive/verify.js';
import { realDisk } from '../../src/base/real-disk.js';
import { BytesDamaged } from '../../src/codec/codec.js';
import { ByteWriter } from '../../src/codec/writer.js';
import {
  type BlockItem,
  decodeList,
  decodeSlot,
  emptyDirectory,
  encodeItem,
  encodeListEnd,
  encodeSlot,
  METHOD,
} from '../../src/format/archive-layout.js';
import { encodeTarHeader, tarPadding } from '../../src/format/tar.js';
import { archiveOf, diskWith, PATH } from './archives.js';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const original = join(folder, 'original.tar');
const members = join(folder, 'members');
writeFileSync(original, await archiveOf());
mkdirSync(members);
execFileSync('tar', ['xf', original, '-C', members]);
const names = execFileSync('tar', ['tf', original], { encoding: 'utf8' }).trim().split('\n');

/** An archive by the system's tar, of these arguments, in the folder of the members. */
function made(label: string, ...options: readonly string[]): string {
  const path = join(folder, `${label}.tar`);
  execFileSync('tar', ['cf', path, '--format=ustar', '-C', members, ...options], { stdio: 'pipe' });
  return path;
}

async function isRefused(path: string, member: string, code: string): Promise<void> {
  const { ok, findings } = await verifyArchive(realDisk, path);
  assert.ok(!ok);
  assert.ok(
    findings.some((finding) => finding.member === member && finding.code === code),
    JSON.stringify(findings),
  );
  await assert.rejects(openArchive(realDisk, path), (error: { code?: string; message?: string }) => {
    assert.equal(error.code, 'ARCHIVE_CORRUPT');
    return true;
  });
}

describe('read by other tools', () => {
  test('tar lists the members in their order', () => {
    assert.equal(names[0], 'manifest.json');
    assert.deepEqual(names.slice(-2), ['provenance.json', 'SHA256SUMS']);
    assert.match(names[1] ?? '', /^data\/\d{5}\.blocks$/);
  });

  test('sha256sum agrees with all sums', () => {
    const { status, stdout } = spawnSync('sha256sum', ['-c', 'SHA256SUMS'], {
      cwd: members,
      encoding: 'utf8',
    });
    assert.equal(status, 0);
    assert.equal(stdout.match(/: OK$/gm)?.length, names.length - 1);
  });

  test('manifest and provenance are JSON; members lie where the manifest says', () => {
    const manifest = JSON.parse(readFileSync(join(members, 'manifest.json'), 'utf8'));
    const archive = readFileSync(original);
    for (const { name, offset, length } of manifest.members)
      assert.ok(archive.subarray(offset, offset + length).equals(readFileSync(join(members, name))));
    assert.equal(JSON.parse(readFileSync(join(members, 'provenance.json'), 'utf8')).attempt, 1);
  });
});

describe('made by tar', () => {
  test('in another order', async () => {
    await isRefused(made('reversed', ...[...names].reverse()), 'SHA256SUMS', 'MEMBER_ORDER');
    const swapped = [names[0], names[2], names[1], ...names.slice(3)].map((name) => name ?? '');
    await isRefused(made('swapped', ...swapped), names[2] ?? '', 'MEMBER_ORDER');
  });

  test('with a member more, in the middle or at the end, or one twice', async () => {
    writeFileSync(join(members, 'more.txt'), 'hello');
    await isRefused(
      made('more', ...names.slice(0, 3), 'more.txt', ...names.slice(3)),
      'more.txt',
      'MEMBER_EXTRA',
    );
    await isRefused(made('last', ...names, 'more.txt'), 'more.txt', 'MEMBER_EXTRA');
    await isRefused(
      made('twice', '--hard-dereference', ...names, 'provenance.json'),
      'provenance.json',
      'MEMBER_EXTRA',
    );
  });

  test('with a member less', async () => {
    for (const name of names.slice(1))
      await isRefused(made('less', ...names.filter((each) => each !== name)), name, 'MEMBER_MISSING');
  });

  test('with links, folders and other names', async () => {
    symlinkSync('/etc/passwd', join(members, 'link'));
    await isRefused(made('link', ...names, 'link'), 'link', 'MEMBER_NAME');
    await isRefused(made('hard', ...names, 'manifest.json', 'manifest.json'), 'manifest.json', 'MEMBER_NAME');
    await isRefused(
      made('folder', ...names.slice(0, 1), '--no-recursion', 'data', ...names.slice(1)),
      'data/',
      'MEMBER_NAME',
    );
    await isRefused(
      made('absolute', '-P', ...names, join(members, 'more.txt')),
      join(members, 'more.txt').slice(0, 80),
      'MEMBER_NAME',
    );
    await isRefused(
      made('upwards', '-P', ...names, '../members/more.txt'),
      '../members/more.txt',
      'MEMBER_NAME',
    );
  });

  test('from the same members in the same order: the headers are not ours', async () => {
    await isRefused(made('same', ...names), 'manifest.json', 'TAR_HEADER');
  });

  test('a size of 2^53, or beyond all numbers, is refused before anything is made for it', async () => {
    for (const size of [
      Buffer.from([0x80, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0]),
      Buffer.alloc(12, 0xff),
      Buffer.alloc(12, 0x7f),
    ]) {
      const bytes = Buffer.from(readFileSync(original));
      const at = bytes.indexOf(`${names[1]}\0`, 512);
      size.copy(bytes, at + 124);
      mendHeader(bytes, at);
      const { ok, findings } = await verifyArchive(diskWith(bytes), PATH);
      assert.ok(!ok && findings.some(({ member }) => member === names[1]), JSON.stringify(findings));
    }
  });
});

test('a manifest that nests without end is no crash', async () => {
  for (const text of [
    '['.repeat(4_000_000),
    `{"formatVersion":1,"kind":${'[{"a":'.repeat(1_000_000)}`,
    '"'.repeat(100),
  ]) {
    const bytes = Buffer.concat([whole('manifest.json', Buffer.from(text)), Buffer.alloc(1024)]);
    const { findings } = await verifyArchive(diskWith(bytes), PATH);
    assert.equal(findings[0]?.code, 'MANIFEST');
  }
});

test('a folder or a pipe is no archive, and nobody waits for it', async () => {
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  for (const path of [folder, pipe])
    await assert.rejects(openArchive(realDisk, path), { code: 'FILE_NOT_FOUND' });
});

function whole(name: string, content: Buffer): Buffer {
  const header = encodeTarHeader({ name, size: content.length });
  return Buffer.concat([header, content, Buffer.alloc(tarPadding(content.length))]);
}

/** Gives a tar header the checksum that its other bytes ask for. */
function mendHeader(bytes: Buffer, at: number): void {
  bytes.fill(' ', at + 148, at + 156);
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += bytes[at + i] ?? 0;
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148);
}

describe('an index that lies, with a right checksum', () => {
  const slot = {
    offset: 0,
    stored: 100,
    blocks: 1,
    listBytes: 30,
    entries: 5,
    bytes: 200,
    leaf: Buffer.alloc(32),
  };
  const slots: Readonly<Record<string, Partial<typeof slot>>> = {
    'beyond the member': { offset: 9900 },
    'a huge offset': { offset: Number.MAX_SAFE_INTEGER },
    'a huge list': { listBytes: 4_000_000_000 },
    'more blocks than its list holds': { blocks: 5 },
    'more blocks than entries': { blocks: 6, listBytes: 500 },
    'no blocks': { blocks: 0 },
    'no bytes': { bytes: 1 },
  };
  for (const [label, changed] of Object.entries(slots)) {
    test(`a slot: ${label}`, () => {
      const directory = emptyDirectory(1);
      encodeSlot({ ...slot, ...changed }, directory, 0);
      assert.throws(() => decodeSlot(directory, 0, 10_000), BytesDamaged);
    });
  }

  const item = {
    stored: 100,
    bytes: 200,
    entries: 5,
    crc: 0,
    method: METHOD.deflate,
    separator: Buffer.alloc(0),
  };
  const items: Readonly<Record<string, Partial<BlockItem>>> = {
    'unfolding to more than deflate can': { bytes: 103_201, entries: 1 },
    'a block of many entries over the limit': { stored: 65_530, bytes: 65_537 },
    'a length of 2^32': { bytes: 2 ** 32 - 1, entries: 1 },
    'longer than unfolded': { stored: 200 },
    'no entries': { entries: 0 },
    'an unknown method': { method: 2 },
    'a separator before the first block': { separator: Buffer.from('a') },
    'other sums than its slot': { entries: 4 },
  };
  for (const [label, changed] of Object.entries(items)) {
    test(`a list: ${label}`, () => {
      const out = new ByteWriter();
      encodeItem({ ...item, ...changed }, out);
      encodeListEnd(out);
      const listBytes = out.position;
      assert.throws(() => decodeList(out.copy(), { ...slot, listBytes }), BytesDamaged);
    });
  }
});

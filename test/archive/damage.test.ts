/** Every changed byte of an archive is found, and by reading it, too. `TIDEMARK_TEST_SEED` damages it elsewhere. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { openArchive } from '../../src/archive/read.js';
import { type Verification, verifyArchive } from '../../src/archive/verify.js';
import { packSegments } from '../../src/archive/write.js';
import { TidemarkError } from '../../src/base/errors.js';
import { seededRandom } from '../../src/base/random.js';
import { SegmentWriter } from '../../src/format/segment.js';
import { SEED } from '../helpers/seed.js';
import { archiveOf, diskWith, memoryDisk, PATH } from './archives.js';
import { Blocks, operator, PROVENANCE, table } from './blocks.js';
import { everything, OPERATORS, TABLES } from './everything.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';

/** Which member's header, content or padding lies at each offset; '' for the end of the file. */
function memberAt(archive: Buffer, offset: number): string {
  for (let at = 0; archive[at] !== 0; ) {
    const name = archive.toString('latin1', at, archive.indexOf(0, at));
    const size = Number.parseInt(archive.toString('latin1', at + 124, at + 135), 8);
    at += 512 + Math.ceil(size / 512) * 512;
    if (offset < at) return name;
  }
  return '';
}

/** Reads all there is, as a restore does. */
async function readAll(bytes: Buffer): Promise<void> {
  const archive = await openArchive(diskWith(bytes), PATH);
  for await (const { payload } of archive.blocks()) assert.ok(payload.length > 0);
}

function isCoded(error: unknown): boolean {
  return error instanceof TidemarkError && (error.exitCode === 7 || error.code === 'FORMAT_NEWER');
}

function names({ findings }: Verification, member: string): boolean {
  return findings.some((finding) => finding.member === member && finding.message !== '');
}

async function keyedArchive(): Promise<Buffer> {
  const blocks = new Blocks();
  for (let i = 0; i < 3000; i++) blocks.value(i % 2, `user-${i}`, { seen: i, name: 'x'.repeat(i % 90) });
  const tables = [table(0, 'a', 'one'), table(1, 'a', 'two')];
  return await archiveOf({ blocks, tables, operators: [operator('a')] });
}

async function nativeArchive(): Promise<Buffer> {
  const disk = await memoryDisk();
  const blocks = everything();
  const counts = TABLES.map(({ id }) => ({
    entries: blocks.out.entriesOf(id),
    bytes: blocks.out.bytesOf(id),
  }));
  const writer = await SegmentWriter.create(disk, '/spool');
  for await (const { payload, entries } of blocks) await writer.append(payload, entries);
  const archive = await packSegments({
    disk,
    folder: '/spool',
    segments: [await writer.finish()],
    tables: TABLES.map((each, id) => ({
      ...each,
      entries: counts[id]?.entries ?? 0,
      bytes: counts[id]?.bytes ?? 0,
    })),
    operators: OPERATORS,
    kind: 'checkpoint',
    mode: 'full',
    backend: 'memory',
    drained: false,
    provenance: PROVENANCE,
    output: { path: PATH },
  });
  await archive.commit();
  return disk.peek(PATH) ?? Buffer.alloc(0);
}

describe('damage', () => {
  const kinds = { canonical: archiveOf, keyed: keyedArchive, native: nativeArchive };
  for (const [label, make] of Object.entries(kinds)) {
    const rounds = LONG ? 1000 : label === 'canonical' ? 160 : 100;

    test(`no flipped byte of a ${label} archive goes unseen`, async () => {
      const archive = await make();
      const random = seededRandom(SEED);
      assert.deepEqual((await verifyArchive(diskWith(archive), PATH)).findings, []);
      await readAll(archive);
      for (let i = 0; i < rounds; i++) {
        const offset = Math.floor(random.next() * archive.length);
        const bytes = Buffer.from(archive);
        bytes[offset] = (bytes[offset] ?? 0) ^ (1 + Math.floor(random.next() * 255));
        const verification = await verifyArchive(diskWith(bytes), PATH);
        const where = `byte ${offset} of ${label}: ${JSON.stringify(verification.findings.slice(0, 3))}`;
        assert.ok(!verification.ok, where);
        assert.ok(names(verification, memberAt(archive, offset)), where);
        await assert.rejects(readAll(bytes), isCoded, where);
      }
    });

    test(`no truncation of a ${label} archive goes unseen`, async () => {
      const archive = await make();
      const random = seededRandom(SEED);
      for (let i = 0; i < rounds; i++) {
        const length = Math.floor(random.next() * archive.length);
        const bytes = archive.subarray(0, length);
        const verification = await verifyArchive(diskWith(bytes), PATH);
        const where = `cut at ${length} of ${label}: ${JSON.stringify(verification.findings.slice(0, 3))}`;
        assert.ok(!verification.ok, where);
        assert.ok(
          verification.findings.every(({ member }) => member !== '' || length > archive.length - 1024),
          where,
        );
        assert.ok(names(verification, memberAt(archive, length)), where);
        await assert.rejects(readAll(bytes), isCoded, where);
      }
    });
  }

  test('bytes that follow the end are found', async () => {
    const bytes = Buffer.concat([await archiveOf(), Buffer.alloc(512)]);
    const { findings } = await verifyArchive(diskWith(bytes), PATH);
    assert.deepEqual(
      findings.map(({ code }) => code),
      ['TRAILING'],
    );
  });

  test('several findings are all listed', async () => {
    const archive = await keyedArchive();
    const first = archive.indexOf('data/00000.blocks', 512) + 512 + 40;
    const bytes = Buffer.from(archive);
    for (const at of [first, first + 20_000, archive.lastIndexOf('SHA256SUMS') + 520])
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    const { findings } = await verifyArchive(diskWith(bytes), PATH);
    const codes = new Set(findings.map(({ code }) => code));
    assert.ok(codes.has('SUMS') && codes.has('MEMBER_HASH') && codes.has('BLOCK'), [...codes].join());
  });
});

/** What no checksum shows: someone made it so, and the sums with it. */
describe('made wrong on purpose', () => {
  interface Loose {
    [name: string]: unknown;
    operators: Record<string, unknown>[];
    tables: Record<string, unknown>[];
    members: Record<string, unknown>[];
  }

  /** Changes the manifest, keeping its length, and mends the sums. */
  function forge(archive: Buffer, change: (manifest: Loose) => void): Buffer {
    const size = Number.parseInt(archive.toString('latin1', 124, 135), 8);
    const before = archive.toString('utf8', 512, 512 + size);
    const manifest = JSON.parse(before) as Loose;
    change(manifest);
    // A field that `__proto__` would hide, and a number that no double holds.
    const text = JSON.stringify(manifest)
      .replace('"proto"', '"__proto__"')
      .replace('"2^53"', '9007199254740992');
    const after = `${text}\n`.padEnd(size);
    assert.equal(after.length, size, 'the change does not make it longer');
    assert.notEqual(after, before);
    const bytes = Buffer.from(archive);
    bytes.write(after, 512);
    const hash = (content: string) => createHash('sha256').update(content).digest('hex');
    bytes.write(hash(after), archive.indexOf(hash(before), 512 + size));
    return bytes;
  }

  const set = (row: Record<string, unknown> | undefined, changed: Record<string, unknown>) =>
    Object.assign(row ?? {}, changed);
  const named = (manifest: Loose, name: string) => manifest.tables.find((row) => row['name'] === name);
  const add = (row: Record<string, unknown> | undefined, field: string, by: number) =>
    set(row, { [field]: Number(row?.[field]) + by });
  const cases: Readonly<Record<string, readonly [string, (manifest: Loose) => unknown]>> = {
    'a digest of another state': ['DIGEST', (manifest) => set(manifest, { digest: 'a'.repeat(64) })],
    'a watermark': ['MANIFEST', ({ operators }) => set(operators[0], { watermark: 1001 })],
    'other counts': [
      'COUNT',
      (manifest) => [
        add(named(manifest, 'last'), 'entries', -1),
        add(named(manifest, 'recent'), 'entries', 1),
      ],
    ],
    'other bytes': [
      'COUNT',
      (manifest) => [add(named(manifest, 'last'), 'bytes', -1), add(named(manifest, 'recent'), 'bytes', 1)],
    ],
    'a key type': ['KEY', ({ operators }) => set(operators[0], { keyType: 'long' })],
    'an unknown key type': ['KEY', ({ operators }) => set(operators[0], { keyType: 'autx' })],
    'no key type': ['KEY', ({ operators }) => set(operators[0], { keyType: null })],
    'a map key type': ['KEY', (manifest) => set(named(manifest, 'byDay'), { mapKey: 'int' })],
    'a kind of state': ['VALUE', (manifest) => set(named(manifest, 'last'), { kind: 'list' })],
    'a kind of timer': ['KEY', (manifest) => set(named(manifest, 'quiet'), { kind: 'list' })],
    'fewer key groups': ['DIRECTORY', ({ operators }) => set(operators[0], { maxParallelism: 99 })],
    'more key groups': ['DIRECTORY', ({ operators }) => set(operators[2], { maxParallelism: 999 })],
    'an operator id': ['MANIFEST', ({ operators }) => set(operators[0], { operatorId: 'a'.repeat(32) })],
    'an offset': ['MANIFEST', ({ members }) => add(members[0], 'offset', 1)],
    'a length': ['MEMBER_SIZE', ({ members }) => add(members.at(-1), 'length', -1)],
    'a length of 2^53': ['MANIFEST', ({ members }) => set(members[0], { length: '2^53', sha256: '' })],
    'a name that leads out': ['MANIFEST', ({ members }) => set(members[0], { name: 'data/../../x' })],
    'an absolute name': ['MANIFEST', ({ members }) => set(members[0], { name: '/data/x' })],
    'an unknown field': ['MANIFEST', ({ tables }) => set(tables[0], { name: undefined, x: 1 })],
    'a __proto__ field': ['MANIFEST', (manifest) => set(manifest, { backend: undefined, proto: 1 })],
    'a member less': ['MANIFEST', ({ members }) => members.pop()],
  };
  for (const [label, [expected, change]] of Object.entries(cases)) {
    test(label, async () => {
      const bytes = forge(await archiveOf(), change);
      const { findings } = await verifyArchive(diskWith(bytes), PATH);
      const codes = findings.map(({ code }) => code as string);
      assert.ok(codes.includes(expected), JSON.stringify(findings.slice(0, 3)));
      assert.equal(({} as Record<string, unknown>)['1'], undefined);
    });
  }

  test('a newer version is exit 6, and says so', async () => {
    const bytes = forge(await archiveOf(), (manifest) =>
      set(manifest, { formatVersion: 9, unheardOf: 1, backend: undefined }),
    );
    await assert.rejects(openArchive(diskWith(bytes), PATH), {
      code: 'FORMAT_NEWER',
      message: /version 9.*up to 1/,
    });
  });
});

test('a file that is not there, or no archive', async () => {
  await assert.rejects(verifyArchive(diskWith(Buffer.alloc(0)), '/nowhere.tar'), { code: 'FILE_NOT_FOUND' });
  for (const bytes of [Buffer.alloc(0), Buffer.from('hello'), Buffer.alloc(4096), Buffer.alloc(4096, 'x')]) {
    const { ok, findings } = await verifyArchive(diskWith(bytes), PATH);
    assert.ok(!ok && findings.length > 0);
    await assert.rejects(openArchive(diskWith(bytes), PATH), { code: 'ARCHIVE_CORRUPT' });
  }
});

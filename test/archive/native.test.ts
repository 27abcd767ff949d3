/** Native archives in every reader: full ones, and incremental ones, which are chains of sorted runs. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { convertArchive } from '../../src/archive/convert.js';
import { diffArchives } from '../../src/archive/diff.js';
import { parseKey, viewEntry } from '../../src/archive/entries-view.js';
import { packing } from '../../src/archive/pack.js';
import { type Archive, openArchive } from '../../src/archive/read.js';
import { summarize } from '../../src/archive/summary.js';
import { verifyArchive } from '../../src/archive/verify.js';
import { present } from '../../src/base/assert.js';
import { keyGroupOf } from '../../src/base/key-groups.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { valueCodec } from '../../src/codec/value.js';
import type { FaultyDisk } from '../helpers/faulty-disk.js';
import { archiveOf, diskWith, entriesOfArchive, memoryDisk, PATH } from './archives.js';
import { Blocks, PROVENANCE } from './blocks.js';
import { everything, OPERATORS, TABLES } from './everything.js';
import {
  type Chain,
  chainOnDisk,
  entriesIn,
  everythingTwice,
  liveBlocksIn,
  liveIn,
  packChain,
  packInto,
  type Segment,
  userChain,
  writeRun,
  writeUnsorted,
} from './natives.js';

async function opened(chain: Chain, write?: typeof writeRun): Promise<Archive> {
  const disk = await memoryDisk();
  await packChain(disk, chain, write);
  return await openArchive(disk, PATH);
}

describe('an incremental archive', () => {
  test('is whole, and gives what its runs stand for, in order', async () => {
    const chain = everythingTwice();
    const disk = await memoryDisk();
    await packChain(disk, chain);
    assert.deepEqual((await verifyArchive(disk, PATH)).findings, []);
    const archive = await openArchive(disk, PATH);
    const lines = await entriesOfArchive(archive);
    assert.equal(lines.length, archive.manifest.entries);
    assert.ok(!lines.some((line) => line.includes('older') || line.includes('"gone"')));
    // Not in it: what the first run has of tables that are not keyed, and what is expired.
    const expected = (await liveIn(chain)).sort(
      (a, b) => a.table - b.table || a.group - b.group || Buffer.compare(a.identity, b.identity),
    );
    const found = await entriesIn(archive.blocks());
    assert.deepEqual(
      found.map(({ bytes }) => bytes.toString('hex')),
      expected.map(({ bytes }) => bytes.toString('hex')),
    );
  });

  test('has the capabilities of one, and the digest of its bytes', async () => {
    const archive = await opened(userChain(50, 3));
    assert.deepEqual(archive.manifest.capabilities, {
      rescale: false,
      changeGraph: false,
      changeBackend: false,
      fork: true,
    });
    assert.equal(await archive.isOrdered(), true);
    const [{ subtasks, entries } = { subtasks: [], entries: 0 }] = archive.manifest.tables;
    assert.equal(
      subtasks?.reduce((sum, count) => sum + count, 0),
      entries,
    );
  });

  test('gives some tables and key groups without reading the others', async () => {
    const archive = await opened(userChain(40_000, 2));
    const count = archive.manifest.entries;
    await archive.find(0, 0, Buffer.from('x'));
    const before = archive.bytesRead;
    let entries = 0;
    for await (const block of archive.blocks({ tables: [0], groups: { start: 1, end: 1 } }))
      entries += block.entries;
    const read = archive.bytesRead - before;
    assert.ok(entries > count / 8 && entries < count / 2);
    assert.ok(read < archive.bytes / 2, `${read} bytes of ${archive.bytes}`);
    assert.deepEqual(await entriesOfArchive(archive, { tables: [] }), []);
  });

  test('finds one key by about one block of each run, and nothing where it is removed', async () => {
    const runs = 3;
    const archive = await opened(userChain(40_000, runs));
    const { tables, operators } = archive.manifest;
    const key = (name: string) =>
      parseKey(name, present(tables[0], 'a table'), present(operators[0], 'an operator'));
    const find = async (name: string) => await archive.find(0, key(name).group, key(name).bytes);
    await find('user-0');
    const before = archive.bytesRead;
    const live = new Map(
      (await liveIn(userChain(300, runs))).map((entry) => [entry.identity.toString('hex'), entry]),
    );
    let removed = 0;
    for (let i = 0; i < 300; i++) {
      const wanted = key(`user-${i}`);
      const found = await find(`user-${i}`);
      const identity = Buffer.concat([Buffer.from([wanted.bytes.length]), wanted.bytes, Buffer.from([0, 0])]);
      const expected = live.get(identity.toString('hex'));
      if (expected === undefined) removed++;
      assert.deepEqual(
        found.map(({ value }) => value.toString('hex')),
        expected === undefined
          ? []
          : [expected.bytes.subarray(expected.bytes.length - (found[0]?.value.length ?? 0)).toString('hex')],
      );
    }
    assert.ok(removed > 10 && removed < 200);
    const each = (archive.bytesRead - before) / 300;
    assert.ok(each < runs * 3 * 4200, `${each} bytes for a key`);
    assert.deepEqual(await find('nobody'), []);
    assert.deepEqual(await archive.find(7, 0, Buffer.from('x')), []);
  });

  test('is summed up with the positions of its last run, the others unread', async () => {
    const chain = everythingTwice();
    const archive = await opened(chain);
    const before = archive.bytesRead;
    const summary = await summarize(archive);
    assert.equal(summary.archive.mode, 'incremental');
    const source = summary.operators.find(({ uid }) => uid === 'zulu');
    assert.deepEqual(
      source?.splits.map(({ id }) => id),
      ['a.txt', 'b.txt'],
    );
    assert.equal(source?.splitCount, 2);
    assert.equal(summary.totals.entries, archive.manifest.entries);
    assert.ok(archive.bytesRead - before < archive.bytes);
  });

  test('of two runs of one content packs it once, the newer', async () => {
    const chain = userChain(30, 2);
    const [a, b] = chain.runs as [Blocks, Blocks];
    const archive = await opened({ ...chain, runs: [a, b, a] });
    assert.equal(archive.manifest.members.length, 2);
    assert.deepEqual((await verifyArchive(diskWith(await bytesOf(archive)), PATH)).findings, []);
    const disk = await memoryDisk();
    await packChain(disk, { ...chain, runs: [a] });
    const plain = await openArchive(disk, PATH);
    assert.equal((await diffArchives(archive, plain)).equal, true);
  });
});

async function bytesOf(archive: Archive): Promise<Buffer> {
  const all = Buffer.alloc(archive.bytes);
  const source = archive.source({ name: '', offset: 0, length: archive.bytes, sha256: '' });
  assert.equal(await source.read(all, 0), archive.bytes);
  return all;
}

describe('a full archive', () => {
  const chain: Chain = {
    runs: [everything()],
    tables: TABLES,
    operators: OPERATORS,
    mode: 'full',
    backend: 'memory',
  };

  test('of an unsorted segment gives all of it, unordered', async () => {
    const disk = await memoryDisk();
    // Nothing in it expires: what a full checkpoint holds is counted as it is.
    await packChain(disk, { ...userChain(200, 1), mode: 'full', backend: 'memory' }, writeUnsorted);
    assert.deepEqual((await verifyArchive(disk, PATH)).findings, []);
    const archive = await openArchive(disk, PATH);
    assert.equal(await archive.isOrdered(), false);
    assert.equal((await entriesOfArchive(archive)).length, 200);
    assert.deepEqual(Object.values(archive.manifest.capabilities), [true, true, true, true]);
  });

  test('of a sorted run is read by its index', async () => {
    const archive = await opened(chain);
    assert.equal(await archive.isOrdered(), true);
    const lines = await entriesOfArchive(archive, { tables: [5] });
    assert.ok(lines.length > 5 && lines.every((line) => line.includes('"seen"')));
    const wanted = present(archive.manifest.tables[5], 'a table');
    const owner = present(
      archive.manifest.operators.find(({ uid }) => uid === wanted.operator),
      'an operator',
    );
    const key = parseKey('hello', wanted, owner);
    const [entry] = await archive.find(5, key.group, key.bytes);
    assert.equal(viewEntry(present(entry, 'an entry'), wanted, owner).value, 1);
  });
});

describe('what differs', () => {
  const later = () => {
    const chain = userChain(100, 2);
    const more = new Blocks();
    more.value(0, 'user-0', -1, 'string', 4);
    more.value(0, 'new', 5, 'string', 4);
    const codec = keyCodecById('string');
    more.out.begin(0, keyGroupOf(codec.hash('user-1'), 4));
    more.out.key(codec, 'user-1');
    more.out.tombstone();
    return { ...chain, runs: [...chain.runs, more] };
  };
  const savepoint = async (chain: Chain): Promise<Archive> => {
    const disk = diskWith(
      await archiveOf({
        tables: chain.tables,
        operators: chain.operators,
        blocks: liveBlocksIn(chain),
      }),
    );
    return await openArchive(disk, PATH);
  };
  const changes = [{ uid: 'count', states: [{ name: 'seen', added: 1, removed: 1, changed: 1 }] }];

  test('between two native archives, and between one and a savepoint, is found entry by entry', async () => {
    const [before, after] = [userChain(100, 2), later()];
    for (const a of [await opened(before), await savepoint(before)]) {
      for (const b of [await opened(after), await savepoint(after)]) {
        const told: string[] = [];
        const found = await diffArchives(a, b, ({ kind, before: old, after: fresh }) => {
          const side = present(old ?? fresh, 'a side');
          told.push(`${kind} ${viewEntry(side.entry, side.table, side.operator).key}`);
        });
        assert.deepEqual(found, { equal: false, operators: changes });
        assert.deepEqual(told.sort(), ['added new', 'changed user-0', 'removed user-1']);
      }
    }
  });

  test('is nothing between an archive and what it stands for, multisets and transactions included', async () => {
    const chain = everythingTwice();
    const native = await opened(chain);
    const moved = await savepoint({ ...chain, runs: [everything(3)] });
    for (const [a, b] of [
      [native, moved],
      [moved, native],
      [native, native],
      [native, await opened({ ...chain, runs: [everything(4)] })],
    ] as const)
      assert.deepEqual(await diffArchives(a, b), { equal: true, operators: [] });
  });

  test('is refused for entries in no order, with the way out', async () => {
    const full: Chain = { ...userChain(10, 1), mode: 'full', backend: 'memory' };
    const archive = await opened(full, writeUnsorted);
    await assert.rejects(diffArchives(archive, archive), {
      code: 'INCOMPATIBLE',
      message: /in no order/,
    });
  });
});

describe('what is no chain', () => {
  async function packed(segments: (disk: FaultyDisk) => Promise<Segment[]>, chain: Chain) {
    const disk = await memoryDisk();
    await disk.mkdir('/segments');
    await packInto(disk, '/segments', PATH, await segments(disk), chain);
    return disk;
  }

  async function isRefused(disk: FaultyDisk, code: RegExp, finding: string): Promise<void> {
    const { ok, findings } = await verifyArchive(disk, PATH);
    assert.equal(ok, false);
    assert.ok(
      findings.some((found) => found.code === finding),
      JSON.stringify(findings),
    );
    const work = convertArchive({ disk, input: PATH, output: { path: '/out/b.tar' }, spoolFolder: '/spool' });
    const refusal = await work.then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.match(String((refusal as { code?: string }).code), code);
    assert.deepEqual(
      disk.paths().filter((path) => !path.startsWith('/segments')),
      [PATH],
    );
  }

  test('a segment that is not sorted', async () => {
    const chain = userChain(30, 2);
    const [first, second] = chain.runs as [Blocks, Blocks];
    const disk = await packed(
      async (at) => [await writeRun(at, '/segments', first), await writeUnsorted(at, '/segments', second)],
      chain,
    );
    await isRefused(disk, /^SEGMENT_CORRUPT$/, 'SEGMENT');
    const archive = await openArchive(disk, PATH);
    await assert.rejects(entriesOfArchive(archive), { code: 'SEGMENT_CORRUPT', message: /not sorted/ });
    await assert.rejects(archive.find(0, 0, Buffer.from('x')), { code: 'SEGMENT_CORRUPT' });
  });

  test('a segment that only says that it is sorted', async () => {
    const chain = userChain(30, 1);
    const disk = await packed(async (at) => {
      const { name } = await writeUnsorted(at, '/segments', chain.runs[0] as Blocks);
      const path = `/segments/${name}.seg`;
      const bytes = Buffer.from(present(at.peek(path), 'a segment'));
      bytes.writeUInt16LE(1, 10);
      bytes.writeUInt32LE(crc32(bytes.subarray(0, 16)), 16);
      const forged = createHash('sha256').update(bytes).digest('hex');
      at.plant(`/segments/${forged}.seg`, bytes);
      return [{ name: forged, bytes: bytes.length }];
    }, chain);
    await isRefused(disk, /^SEGMENT_CORRUPT$/, 'SEGMENT');
  });

  test('an entry of a table that is not listed, or of a key group that is not there', async () => {
    const unlisted = new Blocks();
    unlisted.value(1, 'k', 1, 'string', 4);
    await isRefused(
      await packed(async (disk) => [await writeRun(disk, '/segments', unlisted)], {
        ...userChain(0, 0),
        runs: [unlisted],
      }),
      /^SEGMENT_CORRUPT$/,
      'ENTRY',
    );
    const outside = new Blocks();
    outside.out.begin(0, 4);
    outside.out.key(keyCodecById('string'), 'k');
    outside.out.value(valueCodec, 1);
    await isRefused(
      await packed(async (disk) => [await writeRun(disk, '/segments', outside)], {
        ...userChain(0, 0),
        runs: [outside],
      }),
      /^SEGMENT_CORRUPT$/,
      'ENTRY',
    );
  });

  test('damage in a member, wherever it is: verify names the member, readers refuse what they read of it', async () => {
    const { disk } = await chainOnDisk(60, 2);
    const whole = present(disk.peek(PATH), 'the archive');
    const { manifest } = await openArchive(disk, PATH);
    for (const { name, offset, length } of manifest.members) {
      for (let at = offset; at < offset + length; at += 7) {
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] ?? 0) ^ 4;
        const damaged = diskWith(bytes);
        const { findings } = await verifyArchive(damaged, PATH);
        assert.ok(
          findings.some((found) => found.code === 'MEMBER_HASH' && found.member === name),
          `byte ${at}`,
        );
        assert.ok(findings.every((found) => found.member === name || found.member === 'manifest.json'));
        const archive = await openArchive(damaged, PATH);
        await assert.rejects(archive.checkMembers(), { code: 'ARCHIVE_CORRUPT' });
      }
    }
  });

  /** The archive with another manifest, its own hash included. */
  async function withManifest(change: (json: Record<string, unknown>) => void): Promise<FaultyDisk> {
    const { disk } = await chainOnDisk(30, 2);
    const archive = await openArchive(disk, PATH);
    const json = structuredClone(archive.manifest) as unknown as Record<string, unknown>;
    change(json);
    const parts: Buffer[] = [];
    const { members } = json as unknown as Archive['manifest'];
    for (const { sha256 } of members) {
      const member = present(
        archive.manifest.members.find((each) => each.sha256 === sha256),
        'a member',
      );
      const bytes = Buffer.alloc(member.length);
      await archive.source(member).read(bytes, 0);
      parts.push(bytes);
    }
    const packed = packing(json as unknown as Archive['manifest'], archive.provenance, async function* (i) {
      yield parts[i] ?? Buffer.alloc(0);
    });
    const pieces: Buffer[] = [];
    for await (const piece of packed.pieces()) pieces.push(Buffer.from(piece));
    return diskWith(Buffer.concat(pieces));
  }

  type Tables = {
    entries: number;
    bytes: number;
    subtasks?: number[];
    expiries?: [number, number, number][][];
  }[];

  test('a manifest that counts what is not there', async () => {
    const more = await withManifest((json) => {
      const [first] = json['tables'] as Tables;
      if (first === undefined) return;
      first.entries++;
      json['entries'] = first.entries;
      first.subtasks = [first.entries, 0];
    });
    assert.deepEqual(
      (await verifyArchive(more, PATH)).findings.map(({ code }) => code),
      ['COUNT'],
    );
    const longer = await withManifest((json) => {
      const [first] = json['tables'] as Tables;
      if (first === undefined) return;
      first.bytes++;
      json['bytes'] = first.bytes;
    });
    assert.deepEqual(
      (await verifyArchive(longer, PATH)).findings.map(({ code }) => code),
      ['COUNT'],
    );
    const others = await withManifest((json) => {
      const [first] = json['tables'] as Tables;
      if (first !== undefined) first.subtasks = [first.entries];
    });
    assert.deepEqual(
      (await verifyArchive(others, PATH)).findings.map(({ code, message }) => [code, message]),
      [['MANIFEST', 'table 0 has entries of 1 subtasks, the job had 2']],
    );
  });

  test('a manifest may count entries that had just expired, and no others', async () => {
    const { barrierTime } = PROVENANCE;
    const findings = async (more: number, after: number) => {
      const disk = await withManifest((json) => {
        const [first] = json['tables'] as Tables;
        if (first === undefined) return;
        first.entries += more;
        json['entries'] = first.entries;
        first.subtasks = [first.entries, 0];
        first.expiries = [[[after, after + 10, 2]], []];
      });
      return (await verifyArchive(disk, PATH)).findings.map(({ code }) => code);
    };
    assert.deepEqual(await findings(0, barrierTime - 1), []);
    assert.deepEqual(await findings(2, barrierTime - 1), []);
    assert.deepEqual(await findings(3, barrierTime - 1), ['COUNT']);
    assert.deepEqual(await findings(1, barrierTime), ['COUNT']);
    assert.deepEqual(await findings(-1, barrierTime - 1), ['COUNT']);
  });

  test('a manifest that contradicts itself is refused when it is opened', async () => {
    for (const [change, message] of [
      [
        (json: Record<string, unknown>) => {
          const [first] = json['tables'] as Tables;
          if (first !== undefined) first.subtasks = [1, 2];
        },
        /3 entries .*subtask/,
      ],
      [
        (json: Record<string, unknown>) => {
          const [first, second] = json['members'] as { name: string; sha256: string }[];
          if (first !== undefined && second !== undefined)
            first.name = second.name.replace(/..\.seg/, '00.seg');
        },
        /not named by its SHA-256/,
      ],
      [
        (json: Record<string, unknown>) => {
          json['backend'] = null;
        },
        /native archive of backend null/,
      ],
    ] as const) {
      const disk = await withManifest(change);
      await assert.rejects(openArchive(disk, PATH), { code: 'ARCHIVE_CORRUPT', message });
      assert.ok((await verifyArchive(disk, PATH)).findings.some(({ code }) => code === 'MANIFEST'));
    }
  });

  test('members in another order are another state, which the digest tells', async () => {
    const disk = await withManifest((json) => {
      json['members'] = [...(json['members'] as unknown[])].reverse();
    });
    const { findings } = await verifyArchive(disk, PATH);
    assert.ok(findings.some(({ code }) => code === 'DIGEST'));
    assert.ok(findings.some(({ code }) => code === 'COUNT'));
  });
});

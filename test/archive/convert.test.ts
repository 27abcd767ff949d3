/** Native archives rewritten as savepoints. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ConvertOptions, convertArchive } from '../../src/archive/convert.js';
import { openArchive } from '../../src/archive/read.js';
import { verifyArchive } from '../../src/archive/verify.js';
import { writeArchive } from '../../src/archive/write.js';
import { present } from '../../src/base/assert.js';
import { keyGroupOf } from '../../src/base/key-groups.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { valueCodec } from '../../src/codec/value.js';
import { emptyValue, timerKey } from '../../src/format/timer-key.js';
import type { FaultyDisk } from '../helpers/faulty-disk.js';
import fc from '../helpers/property.js';
import { archiveOf, memoryDisk, PATH } from './archives.js';
import { Blocks, operator, PROVENANCE, table } from './blocks.js';
import { everything, OPERATORS, TABLES } from './everything.js';
import { type Chain, chainOnDisk, liveBlocksIn, packChain, userChain, writeUnsorted } from './natives.js';

const OUT = '/out/converted.tar';

async function converted(disk: FaultyDisk, changed: Partial<ConvertOptions> = {}) {
  const options = { disk, input: PATH, output: { path: OUT }, spoolFolder: '/spool', ...changed };
  const result = await convertArchive(options);
  await result.commit();
  return result;
}

/** What a savepoint of the state that a chain stands for is, byte for byte, had it this provenance. */
async function savepointOf(chain: Chain, parentDigest: string): Promise<Buffer> {
  const disk = await memoryDisk();
  const archive = await writeArchive({
    disk,
    spoolFolder: '/spool',
    operators: chain.operators,
    tables: chain.tables,
    blocks: liveBlocksIn(chain),
    kind: 'savepoint',
    drained: chain.drained ?? false,
    provenance: { ...(chain.provenance ?? PROVENANCE), parentDigest },
    output: { path: PATH },
  });
  await archive.commit();
  return present(disk.peek(PATH), 'the archive');
}

const left = (disk: FaultyDisk) => disk.paths().filter((path) => !path.startsWith('/segments'));

describe('histories of any kind', () => {
  const tables = [
    table(0, 'zulu', '', 'splits'),
    table(1, 'b', 'map', 'map'),
    table(2, 'a', 'value'),
    table(3, 'a', 'late', 'event-timer'),
    table(4, 'a', '', 'watermark'),
    table(5, 'a', 'mine', 'operator-list'),
    table(6, 'out', '', 'transactions'),
  ];
  const codec = keyCodecById('auto');
  const barrier = BigInt(PROVENANCE.barrierTime);
  const change = fc.record({
    table: fc.constantFrom(1, 2, 3),
    key: fc.oneof(fc.constantFrom('', 'a', 'aa', 'ab', 7), fc.string({ maxLength: 12 }), fc.nat(20)),
    mapKey: fc.nat(2),
    /** Put, put with a stamp that is over or to come, or removed. */
    how: fc.constantFrom('put', 'put', 'put', 'over', 'coming', 'removed'),
    value: fc.oneof(fc.integer(), fc.string({ maxLength: 30 }), fc.constant('x'.repeat(9000))),
  });
  const history = fc.record({
    maxParallelism: fc.constantFrom(1, 3, 128),
    /** Deltas of runs of changes. */
    deltas: fc.array(fc.array(fc.array(change, { maxLength: 25 }), { minLength: 1, maxLength: 2 }), {
      minLength: 1,
      maxLength: 6,
    }),
    drained: fc.boolean(),
  });
  type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

  function writeChange(blocks: Blocks, each: Change, max: number): void {
    const { out } = blocks;
    out.begin(each.table, keyGroupOf(codec.hash(each.key), max));
    out.key(codec, each.key);
    if (each.table === 1) out.mapKey(codec, each.mapKey);
    if (each.table === 3) out.mapKey(timerKey, each.mapKey);
    if (each.how === 'removed') return out.tombstone();
    if (each.table !== 3 && each.how === 'over') out.stamp(barrier);
    if (each.table !== 3 && each.how === 'coming') out.stamp(barrier + 1n);
    if (each.table === 3) out.value(emptyValue, undefined);
    else out.value(valueCodec, each.value);
  }

  /** Whole in the last run of every delta, another each time. */
  function writeUnkeyed({ out }: Blocks, delta: number): void {
    out.begin(0, 0);
    out.key(keyCodecById('string'), `file-${delta}`);
    out.value(valueCodec, { position: delta, done: false });
    out.begin(4, 0);
    out.key(keyCodecById('long'), 0);
    out.value(valueCodec, 1000 + delta);
    for (const element of ['x', delta, 'x']) {
      out.begin(5, 0);
      out.key(keyCodecById('tuple(long,long)'), [0, typeof element === 'number' ? 0 : out.entries]);
      out.value(valueCodec, element);
    }
    out.begin(6, 0);
    out.key(keyCodecById('long'), 0);
    out.value(valueCodec, `prepared ${delta}`);
  }

  function chainOf({
    deltas,
    maxParallelism,
    drained,
  }: typeof history extends fc.Arbitrary<infer T> ? T : never) {
    const runs = deltas.flatMap((parts, delta) => {
      const seen = new Set<string>();
      return parts.map((changes, part) => {
        const blocks = new Blocks(300);
        for (const each of changes) {
          const id = JSON.stringify([each.table, each.key, each.table === 2 ? 0 : each.mapKey]);
          if (!seen.has(id)) writeChange(blocks, each, maxParallelism);
          seen.add(id);
        }
        if (part === parts.length - 1) writeUnkeyed(blocks, delta);
        blocks.out.flush();
        return blocks;
      });
    });
    const operators = [
      operator('zulu', 'source', null, maxParallelism),
      operator('b', 'process', 'auto', maxParallelism),
      operator('a', 'process', 'auto', maxParallelism),
      operator('out', 'sink', null, maxParallelism),
    ];
    return { runs, tables, operators, drained, subtasks: true } satisfies Chain;
  }

  test('become what a savepoint of the same state is, byte for byte', async () => {
    await fc.assert(
      fc.asyncProperty(history, async (given) => {
        const chain = chainOf(given);
        const disk = await memoryDisk();
        await packChain(disk, chain);
        assert.deepEqual((await verifyArchive(disk, PATH)).findings, []);
        const result = await converted(disk);
        const input = (await openArchive(disk, PATH)).manifest.digest;
        const found = present(disk.peek(OUT), 'the savepoint');
        assert.ok(found.equals(await savepointOf(chain, input)));
        assert.equal(result.digest, (await openArchive(disk, OUT)).manifest.digest);
        assert.deepEqual((await verifyArchive(disk, OUT)).findings, []);
        assert.deepEqual(left(disk), [PATH, OUT].sort());
      }),
      { numRuns: 60 },
    );
  });
});

describe('a full checkpoint', () => {
  const everythingChain = (): Chain => ({
    runs: [everything()],
    tables: TABLES,
    operators: OPERATORS,
    mode: 'full',
    backend: 'memory',
  });

  for (const [how, write] of [
    ['in one unsorted segment', writeUnsorted],
    ['in one sorted run', undefined],
  ] as const) {
    test(`${how} becomes the savepoint, whatever it holds`, async () => {
      const disk = await memoryDisk();
      await packChain(disk, everythingChain(), write);
      await converted(disk, { limits: { bytes: 3000, entries: 40 } });
      const { manifest } = await openArchive(disk, PATH);
      assert.deepEqual(
        disk.peek(OUT),
        await archiveOf({ provenance: { ...PROVENANCE, parentDigest: manifest.digest } }),
      );
      assert.deepEqual(left(disk), [PATH, OUT].sort());
    });
  }
});

test('a checkpoint without state, and one without a segment, become empty savepoints', async () => {
  for (const runs of [[new Blocks()], []]) {
    const disk = await memoryDisk();
    const chain = { ...userChain(0, 0), runs };
    await packChain(disk, chain);
    assert.deepEqual((await verifyArchive(disk, PATH)).findings, []);
    const { digest } = await converted(disk);
    const { manifest } = await openArchive(disk, OUT);
    assert.deepEqual([manifest.entries, manifest.members], [0, []]);
    assert.equal(digest, manifest.digest);
  }
});

test('kind, drained and provenance go on, with the input as the parent', async () => {
  const disk = await memoryDisk();
  const provenance = { ...PROVENANCE, reason: 'before the upgrade', parallelism: 2, checkpointId: 12 };
  await packChain(disk, { ...userChain(20, 2), provenance, drained: true });
  const result = await converted(disk);
  const [input, output] = [await openArchive(disk, PATH), await openArchive(disk, OUT)];
  assert.deepEqual(output.provenance, { ...provenance, parentDigest: input.manifest.digest });
  assert.deepEqual(result.provenance, output.provenance);
  const { kind, layout, mode, backend, drained, capabilities } = output.manifest;
  assert.deepEqual([kind, layout, mode, backend, drained], ['savepoint', 'canonical', 'full', null, true]);
  assert.ok(Object.values(capabilities).every((can) => can));
  assert.ok(output.manifest.tables.every(({ subtasks }) => subtasks === undefined));
});

describe('nothing is written', () => {
  test('of what is canonical already', async () => {
    const disk = await memoryDisk();
    disk.plant(PATH, await archiveOf());
    await assert.rejects(converted(disk), { code: 'ALREADY_CANONICAL', message: /savepoint/ });
    assert.deepEqual(left(disk), [PATH]);
  });

  test('over a file that is there, unless it is forced', async () => {
    const { disk } = await chainOnDisk(30, 2);
    disk.plant(OUT, Buffer.from('mine'));
    await assert.rejects(converted(disk), { code: 'FILE_EXISTS' });
    assert.equal(String(disk.peek(OUT)), 'mine');
    await converted(disk, { output: { path: OUT, force: true } });
    assert.deepEqual((await verifyArchive(disk, OUT)).findings, []);
  });

  test('of an archive in which any byte is another', async () => {
    const { disk } = await chainOnDisk(40, 2);
    const whole = present(disk.peek(PATH), 'the archive');
    const { manifest } = await openArchive(disk, PATH);
    const first = present(manifest.members[0], 'a member').offset;
    for (let at = 0; at < whole.length; at += at < first ? 97 : 13) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 0x20;
      disk.plant(PATH, bytes);
      const refusal = await converted(disk).then(
        () => undefined,
        (error: unknown) => error,
      );
      // Text of the provenance is checked by nothing but the sums, which opening holds against it.
      assert.match(
        String((refusal as { code?: string }).code),
        /^(ARCHIVE_CORRUPT|FORMAT_NEWER)$/,
        `byte ${at}`,
      );
      assert.deepEqual(left(disk), [PATH], `byte ${at}`);
    }
  });

  test('of an archive that is cut', async () => {
    const { disk } = await chainOnDisk(40, 2);
    const whole = present(disk.peek(PATH), 'the archive');
    for (let length = 0; length < whole.length; length += 211) {
      disk.plant(PATH, whole.subarray(0, length));
      await assert.rejects(converted(disk), { code: 'ARCHIVE_CORRUPT' });
      assert.deepEqual(left(disk), [PATH]);
    }
  });

  test('when the disk is full at any operation', async () => {
    for (const write of [undefined, writeUnsorted]) {
      const make = async () => {
        const disk = await memoryDisk();
        const chain: Chain = { ...userChain(300, 1), mode: 'full' };
        await packChain(disk, chain, write);
        return disk;
      };
      const limits = { bytes: 2000, entries: 50 };
      const dry = await make();
      const before = dry.operations.length;
      await converted(dry, { limits });
      const steps = dry.operations.length - before;
      for (let step = 1; step <= steps; step++) {
        const disk = await make();
        disk.failAt(step, 'ENOSPC');
        const doing = dry.operations[before + step - 1] ?? '';
        const result = await convertArchive({
          disk,
          input: PATH,
          output: { path: OUT },
          spoolFolder: '/spool',
          limits,
        }).catch((error: unknown) => error);
        if ('commit' in (result as object)) {
          // What is left is to give it its name, or what a sweep removes.
          await (result as Awaited<ReturnType<typeof convertArchive>>).discard().catch(() => undefined);
          assert.match(doing, /^(link|remove|syncFolder|rename)/);
          continue;
        }
        assert.equal((result as { code?: string }).code, 'DISK_FULL', doing);
        if (!doing.startsWith('remove')) assert.deepEqual(left(disk), [PATH], doing);
      }
    }
  });

  test('when it is aborted', async () => {
    const { disk } = await chainOnDisk(400, 3);
    for (const phase of ['check', 'merge', 'pack'] as const) {
      const stop = new AbortController();
      const reason = new Error('enough');
      const work = converted(disk, {
        signal: stop.signal,
        onProgress: (_, at) => {
          if (at === phase) stop.abort(reason);
        },
      });
      await assert.rejects(work, reason);
      assert.deepEqual(left(disk), [PATH], phase);
    }
  });
});

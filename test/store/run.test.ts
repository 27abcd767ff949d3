import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/base/random.js';
import { EntryScan } from '../../src/format/entry-scan.js';
import { SegmentWriter } from '../../src/format/segment.js';
import { BLOCK_HEAD_BYTES, blockCrc, HEADER_BYTES } from '../../src/format/segment-layout.js';
import { encodeTail, TAIL_BYTES } from '../../src/format/sorted-layout.js';
import { RunReader } from '../../src/store/run-reader.js';
import { RunWriter } from '../../src/store/run-writer.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import fc from '../helpers/property.js';
import {
  encodeItem,
  entriesOfCursor,
  hexOf,
  type Item,
  items,
  makeRun,
  sortedItems,
  sourceOf,
  writeItems,
} from './run-fixture.js';

const numbered = (count: number, valueBytes: number, table = 0): Item[] =>
  sortedItems(
    Array.from({ length: count }, (_, i) => ({
      table,
      group: i % 4,
      key: Buffer.from(`key-${i}`),
      value: i % 10 === 9 ? undefined : Buffer.alloc(valueBytes, i),
    })),
  );

async function newDisk(): Promise<FaultyDisk> {
  const disk = new FaultyDisk();
  await disk.mkdir('/s');
  return disk;
}

describe('a run', () => {
  test('is read as it was written, through short reads too, with its stats', async () => {
    await fc.assert(
      fc.asyncProperty(items, fc.integer({ min: 1, max: 5000 }), async (all, most) => {
        const { bytes, written } = await makeRun(all);
        const reader = await RunReader.open(sourceOf(bytes, most));
        const cursor = reader.cursor();
        assert.deepEqual(await entriesOfCursor(cursor), hexOf(all));
        assert.ok(cursor.done && !cursor.advance() && !(await cursor.load()));
        assert.deepEqual(reader.tables, written.tables);
        assert.deepEqual(
          reader.tables,
          [...new Set(all.map(({ table }) => table))].map((table) => {
            const own = all.filter((item) => item.table === table);
            const tombstones = own.filter(({ value }) => value === undefined).length;
            const size = own.reduce((sum, item) => sum + encodeItem(item).length, 0);
            return { table, entries: own.length, tombstones, bytes: size };
          }),
        );
      }),
      { numRuns: 40 },
    );
  });

  test('gives the entries of a table, of some key groups, of a key', async () => {
    const groups = fc.tuple(fc.constantFrom(0, 1, 127), fc.constantFrom(0, 2, 128));
    await fc.assert(
      fc.asyncProperty(items, fc.nat(), groups, async (all, nth, [fromGroup, toGroup]) => {
        const { bytes } = await makeRun(all);
        const reader = await RunReader.open(sourceOf(bytes));
        for (const table of [0, 2, 77]) {
          const own = all.filter((item) => item.table === table);
          assert.deepEqual(await entriesOfCursor(reader.cursor({ table })), hexOf(own));
          const some = own.filter(({ group }) => group >= fromGroup && group <= toGroup);
          const found = await entriesOfCursor(reader.cursor({ table, fromGroup, toGroup }));
          assert.deepEqual(found, hexOf(some));
        }
        const wanted = all[nth % Math.max(1, all.length)];
        if (wanted === undefined) return;
        const { table, group, key } = wanted;
        const range = { table, fromGroup: group, toGroup: group, key };
        const same = all.filter(
          (item) => item.table === table && item.group === group && item.key.equals(key),
        );
        assert.deepEqual(await entriesOfCursor(reader.cursor(range)), hexOf(same));
        const absent = { ...range, key: Buffer.concat([key, Buffer.from('no')]) };
        assert.deepEqual(await entriesOfCursor(reader.cursor(absent)), []);
      }),
      { numRuns: 40 },
    );
  });

  test('one key of a large run costs its block and little more', async () => {
    const { bytes } = await makeRun(numbered(20_000, 50));
    const source = sourceOf(bytes);
    const reader = await RunReader.open(source);
    source.largest = 0;
    const range = { table: 0, fromGroup: 3, toGroup: 3, key: Buffer.from('key-10003') };
    assert.equal((await entriesOfCursor(reader.cursor(range))).length, 1);
    assert.ok(source.largest <= 2 * (4096 + BLOCK_HEAD_BYTES), `${source.largest} bytes read`);
  });

  test('a large run is read and written in few, large pieces', async () => {
    const all = numbered(40_000, 60);
    const { bytes, disk, written } = await makeRun(all);
    assert.ok(bytes.length > 2_000_000);
    const appends = disk.operations.filter((operation) => operation.startsWith('append')).length;
    assert.ok(appends <= bytes.length / (256 * 1024) + 2, `${appends} appends`);
    const before = disk.operations.length;
    const reader = await RunReader.openFile(disk, '/s', written.name);
    assert.deepEqual(await entriesOfCursor(reader.cursor()), hexOf(all));
    await reader.close();
    assert.ok(disk.operations.length - before < 25);
  });

  test('with entries larger than a buffer', async () => {
    const all = sortedItems([...numbered(100, 3000), ...numbered(3, 700_000, 1), ...numbered(100, 20, 2)]);
    const { bytes } = await makeRun(all);
    const reader = await RunReader.open(sourceOf(bytes));
    assert.deepEqual(await entriesOfCursor(reader.cursor()), hexOf(all));
  });
});

describe('writing a run', () => {
  const all = numbered(300, 40);

  test('names it by its hash, makes it known before it has its name, and durable', async () => {
    const disk = await newDisk();
    const known: unknown[] = [];
    const written = await writeItems(disk, all, async (segment) => {
      await Promise.resolve();
      assert.ok(disk.paths().every((path) => path.endsWith('.tmp')));
      known.push(segment);
    });
    assert.deepEqual(known, [{ name: written.name, bytes: written.bytes }]);
    disk.crash();
    assert.deepEqual(disk.paths(), [`/s/${written.name}.seg`]);
    const bytes = disk.peek(`/s/${written.name}.seg`) ?? Buffer.alloc(0);
    assert.equal(written.name, createHash('sha256').update(bytes).digest('hex'));
    assert.equal(written.bytes, bytes.length);
    assert.equal((await writeItems(disk, all)).name, written.name);
    assert.equal(disk.paths().length, 1);
  });

  test('whatever fails, there is no half one, and none that was not made known', async () => {
    const large = numbered(9000, 60);
    const probe = await newDisk();
    const { name } = await writeItems(probe, large);
    const operations = probe.operations.length - 1;
    for (let nth = 1; nth <= operations; nth++) {
      const disk = await newDisk();
      let known = false;
      const register = () => {
        known = true;
      };
      disk.failAt(nth, 'ENOSPC');
      await assert.rejects(writeItems(disk, large, register), { code: 'ENOSPC' }, `operation ${nth}`);
      const last = nth === operations;
      assert.deepEqual(disk.paths(), last ? [`/s/${name}.seg`] : [], `operation ${nth}`);
      assert.equal(known, nth >= operations - 1);
      disk.crash();
      assert.deepEqual(disk.paths(), [], `operation ${nth}, after a crash`);
    }
  });

  test('a torn append, or a lease that is refused, fails it', async () => {
    const disk = await newDisk();
    disk.tearAppend(1);
    await assert.rejects(writeItems(disk, all), { code: 'EIO' });
    disk.heal();
    const refuse = () => {
      throw new Error('no lease');
    };
    await assert.rejects(writeItems(disk, all, refuse), /no lease/);
    assert.deepEqual(disk.paths(), []);
  });

  test('entries that do not ascend are our bug', async () => {
    const orders: readonly (readonly [Item | undefined, Item | undefined])[] = [
      [all[1], all[0]],
      [all[0], all[0]],
      [all[299], all[0]],
      [numbered(1, 1, 1)[0], numbered(1, 1, 0)[0]],
    ];
    for (const [a, b] of orders) {
      assert.ok(a !== undefined && b !== undefined);
      await assert.rejects(writeItems(await newDisk(), [a, b]), /does not come after the one before/);
    }
    // Also across a block and a buffer that was handed over.
    const wide = numbered(9000, 60);
    const again = wide.at(-1);
    assert.ok(again !== undefined);
    await assert.rejects(writeItems(await newDisk(), [...wide, again]), /does not come after/);
  });

  test('a discarded one leaves nothing and takes nothing more; a finished one stays', async () => {
    const disk = await newDisk();
    const writer = await RunWriter.create(disk, '/s', seededRandom(1));
    const [first] = all;
    assert.ok(first !== undefined);
    const bytes = encodeItem(first);
    const scan = new EntryScan();
    scan.scan(bytes, 0, bytes.length);
    const empty = writer.bytes;
    writer.entry(bytes, scan, 0);
    assert.equal(writer.bytes, empty + BLOCK_HEAD_BYTES + bytes.length);
    await writer.discard();
    await writer.discard();
    assert.deepEqual(disk.paths(), []);
    await assert.rejects(
      writer.finish(() => undefined),
      /the run is discarded/,
    );
    const other = await RunWriter.create(disk, '/s');
    const { name } = await other.finish(() => undefined);
    await other.discard();
    assert.deepEqual(disk.paths(), [`/s/${name}.seg`]);
  });
});

describe('reading what is no sound run', () => {
  const corrupt = { code: 'SEGMENT_CORRUPT' };
  const all = numbered(200, 40);

  async function readAll(bytes: Buffer): Promise<string[]> {
    const reader = await RunReader.open(sourceOf(bytes));
    return entriesOfCursor(reader.cursor());
  }

  test('cut or changed anywhere, it is refused or right', async () => {
    const few = numbered(30, 5);
    const { bytes } = await makeRun(few);
    const right = hexOf(few);
    for (let at = 0; at < bytes.length; at++) {
      await assert.rejects(readAll(bytes.subarray(0, at)), corrupt, `cut at ${at}`);
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      const found = await readAll(changed).catch((error: unknown) => {
        assert.equal((error as { code?: string }).code, 'SEGMENT_CORRUPT', `byte ${at}`);
        return right;
      });
      assert.deepEqual(found, right, `byte ${at}`);
    }
  });

  test('entries out of order under right checksums', async () => {
    const ab = sortedItems(
      ['a', 'b'].map((key) => ({ table: 0, group: 0, key: Buffer.from(key), value: Buffer.from('v') })),
    );
    const { bytes: sound } = await makeRun(ab);
    const start = HEADER_BYTES + BLOCK_HEAD_BYTES;
    const length = encodeItem(ab[0] as Item).length;
    const changed = Buffer.from(sound);
    sound.copy(changed, start, start + length, start + 2 * length);
    sound.copy(changed, start + length, start, start + length);
    const head = changed.subarray(HEADER_BYTES, start);
    head.writeUInt32LE(blockCrc(head, changed.subarray(start, start + 2 * length)), 8);
    await assert.rejects(readAll(changed), /does not come after/);
  });

  test('claims are held against the file before anything is made for them', async () => {
    const { bytes } = await makeRun(all);
    const totals = { blocks: 2 ** 30, entries: 2 ** 31, payloadBytes: 2 ** 40 };
    const sizes = { pages: 2 ** 30, filterBytes: 2 ** 36, indexBytes: 2 ** 30, statsBytes: 2 ** 20 };
    const source = sourceOf(Buffer.concat([bytes.subarray(0, -TAIL_BYTES), encodeTail(totals, sizes)]));
    await assert.rejects(RunReader.open(source), corrupt);
    assert.equal(source.largest, TAIL_BYTES);
  });

  test('a segment that is not sorted, a newer one, none, and a name that is none', async () => {
    const disk = await newDisk();
    const writer = await SegmentWriter.create(disk, '/s');
    await writer.append(encodeItem(all[0] as Item), 1);
    const { name } = await writer.finish();
    await assert.rejects(RunReader.openFile(disk, '/s', name), { ...corrupt, message: /not sorted/ });
    const newer = Buffer.from('544d5345470d0a1a02000000000000001a4668de', 'hex');
    await assert.rejects(RunReader.open(sourceOf(newer)), { code: 'FORMAT_NEWER' });
    const missing = RunReader.openFile(disk, '/s', 'ab'.repeat(32));
    await assert.rejects(missing, { ...corrupt, message: /missing/ });
    await assert.rejects(RunReader.openFile(disk, '/s', '../x'), corrupt);
  });
});

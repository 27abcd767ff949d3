import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { seededRandom } from '../../src/base/random.js';
import { BytesDamaged } from '../../src/codec/codec.js';
import { EntryScan } from '../../src/format/entry-scan.js';
import { SegmentReader } from '../../src/format/segment.js';
import { BLOCK_HEAD_BYTES, blockCrc, HEADER_BYTES, TRAILER_BYTES } from '../../src/format/segment-layout.js';
import { entriesOf, readSegment } from '../../src/format/segment-read.js';
import { filterPage, keyHash, mayContain } from '../../src/format/sorted-filter.js';
import { checkBlock, checkPage, keyPrefix, RunIndex } from '../../src/format/sorted-index.js';
import {
  decodeStats,
  decodeTail,
  encodeTail,
  SORTED_BLOCK_BYTES,
  type SortedTail,
  TAIL_BYTES,
} from '../../src/format/sorted-layout.js';
import fc from '../helpers/property.js';
import { hexOf, type Item, items, makeRun, reseal, sortedItems, sourceOf } from '../store/run-fixture.js';

const LABEL = 'segment x';

const corrupt = (error: unknown) =>
  error instanceof TidemarkError &&
  error.code === 'SEGMENT_CORRUPT' &&
  /^segment x is damaged at byte \d+: ./.test(error.message) &&
  error.hint !== undefined;

/** Front to back; the entries as hex. */
async function readAll(bytes: Buffer, most?: number): Promise<string[]> {
  const { read } = sourceOf(bytes, most);
  const found: string[] = [];
  const scan = new EntryScan();
  for await (const block of readSegment(read, bytes.length, LABEL, true)) {
    assert.equal([...entriesOf(block, LABEL)].length, block.entries);
    for (let at = 0; at < block.payload.length; at = scan.end) {
      scan.scan(block.payload, at, block.payload.length);
      found.push(block.payload.toString('hex', at, scan.end));
    }
  }
  return found;
}

interface Opened {
  readonly tail: SortedTail;
  readonly index: RunIndex;
}

function open(bytes: Buffer): Opened {
  const tail = decodeTail(bytes.subarray(Math.max(0, bytes.length - TAIL_BYTES)), bytes.length, LABEL);
  const { indexAt, indexBytes, statsAt, statsBytes } = tail;
  decodeStats(bytes.subarray(statsAt, statsAt + statsBytes), tail, LABEL);
  return { tail, index: new RunIndex(bytes.subarray(indexAt, indexAt + indexBytes), tail, LABEL) };
}

/** Looks a key up as a point reader does; its entries as hex. */
function lookUp(bytes: Buffer, index: RunIndex, table: number, group: number, key: Buffer): string[] {
  const prefix = keyPrefix(key);
  const hash = keyHash(table, group, key, 0, key.length);
  const found: string[] = [];
  let block = index.seek(table, group, prefix, 0, prefix.length);
  for (; index.mayHold(block, table, group, prefix, 0, prefix.length); block++) {
    const page = index.pageOf[block] ?? 0;
    const pageAt = index.pageAt[page] ?? 0;
    const filter = bytes.subarray(pageAt, pageAt + (index.pageBytes[page] ?? 0));
    checkPage(filter, index, page);
    if (!mayContain(filter, hash)) continue;
    checkBlock(bytes, index.blockAt[block] ?? 0, index, block);
    found.push(...entriesIn(bytes, index, block, table, group, prefix));
  }
  return found;
}

function entriesIn(
  bytes: Buffer,
  index: RunIndex,
  block: number,
  table: number,
  group: number,
  prefix: Buffer,
): string[] {
  const start = index.blockAt[block] ?? 0;
  const end = start + (index.blockBytes[block] ?? 0);
  const scan = new EntryScan();
  const found: string[] = [];
  for (let at = start + BLOCK_HEAD_BYTES; at < end; at = scan.end) {
    scan.scan(bytes, at, end);
    const identity = bytes.subarray(scan.identityAt, scan.identityEnd);
    if (scan.table === table && scan.group === group && identity.indexOf(prefix) === 0)
      found.push(bytes.toString('hex', at, scan.end));
  }
  return found;
}

const text = (
  table: number,
  group: number,
  key: string,
  value: string | undefined,
  mapKey?: string,
): Item => ({
  table,
  group,
  key: Buffer.from(key),
  ...(mapKey === undefined ? {} : { mapKey: Buffer.from(mapKey) }),
  value: value === undefined ? undefined : Buffer.from(value),
});

/** Two tables, three blocks; the second begins within a key of a map. */
const small = sortedItems([
  text(1, 0, 'a', 'one'),
  text(1, 3, 'b', undefined),
  text(2, 0, 'm', 'x'.repeat(2000), '1'),
  text(2, 0, 'm', 'y'.repeat(1900), '2'),
  text(2, 0, 'm', 'z'.repeat(300), '3'),
  text(2, 0, 'm', undefined, '4'),
  text(2, 5, 'n', 'last'),
]);

describe('the bytes of a sorted segment', () => {
  test('come back as they went in, front to back and key by key, also through short reads', async () => {
    await fc.assert(
      fc.asyncProperty(items, fc.integer({ min: 1, max: 5000 }), async (all, most) => {
        const { bytes, written } = await makeRun(all);
        assert.deepEqual(await readAll(bytes, most), hexOf(all));
        const { tail, index } = open(bytes);
        assert.deepEqual([written.entries, tail.entries], [all.length, all.length]);
        for (const { table, group, key } of all) {
          const same = all.filter(
            (item) => item.table === table && item.group === group && item.key.equals(key),
          );
          assert.deepEqual(lookUp(bytes, index, table, group, key), hexOf(same));
          const other = Buffer.concat([key, Buffer.from('no')]);
          assert.deepEqual(lookUp(bytes, index, table, group, other), []);
          assert.deepEqual(lookUp(bytes, index, table, group + 1000, key), []);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('golden, as in FORMAT.md', async () => {
    const page = await readFile(new URL('../../../src/format/FORMAT.md', import.meta.url), 'utf8');
    const example = page.slice(page.indexOf('An example, one entry: table 1'));
    const parts = ['header', 'block', 'trailer', 'page', 'index', 'stats', 'tail'];
    const lines = example.slice(0, example.indexOf('## 5.')).matchAll(/^ {4}(\w+)? +([0-9a-f ]+)$/gm);
    const found = [...lines];
    assert.deepEqual(
      found.flatMap(([, name]) => name ?? []),
      parts,
    );
    const hex = found.map(([, , bytes = '']) => bytes.replaceAll(' ', '')).join('');
    const { bytes } = await makeRun([
      { table: 1, group: 2, key: Buffer.from('a161', 'hex'), value: undefined },
    ]);
    assert.equal(bytes.toString('hex'), hex);
  });

  test('are cut into blocks of 4 KiB at most, as full as can be; a larger entry has its own', async () => {
    await fc.assert(
      fc.asyncProperty(items, async (all) => {
        const { bytes } = await makeRun(all);
        let before = 0;
        let last = 0;
        for await (const { payload, entries } of readSegment(sourceOf(bytes).read, bytes.length, LABEL)) {
          assert.ok(payload.length <= SORTED_BLOCK_BYTES || entries === 1);
          const scan = new EntryScan();
          scan.scan(payload, 0, payload.length);
          if (last > 0) assert.ok(before + scan.end > SORTED_BLOCK_BYTES);
          before = payload.length;
          last = entries;
        }
      }),
      { numRuns: 20 },
    );
  });

  test('one without entries, one entry of several MiB, and a key as long as keys may be', async () => {
    assert.deepEqual(await readAll((await makeRun([])).bytes), []);
    const large = text(0, 0, 'k', undefined, 'm');
    const all = sortedItems([
      { ...large, value: Buffer.alloc(3_000_000, 1) },
      text(0, 0, 'a', 'small'),
      { ...large, key: Buffer.alloc(16 * 1024 * 1024, 1), value: Buffer.from('v') },
      text(0, 0, 'z', 'small'),
    ]);
    const { bytes } = await makeRun(all);
    assert.deepEqual(await readAll(bytes), hexOf(all));
    const { index } = open(bytes);
    assert.ok(index.memory < 2000);
    for (const item of all) assert.deepEqual(lookUp(bytes, index, 0, 0, item.key), hexOf([item]));
  });

  test('the index stays small, and finds, where all keys begin with the same 1000 bytes', async () => {
    const all = sortedItems(
      Array.from({ length: 200 }, (_, i) => ({
        ...text(0, 0, 'p'.repeat(1000) + String(i).padStart(4, '0'), 'v'.repeat(100)),
      })),
    );
    const { bytes } = await makeRun(all);
    const { index, tail } = open(bytes);
    assert.ok(index.blocks > 50);
    assert.ok(tail.indexBytes < index.blocks * 280);
    for (const item of all) assert.deepEqual(lookUp(bytes, index, 0, 0, item.key), hexOf([item]));
    assert.deepEqual(lookUp(bytes, index, 0, 0, Buffer.from('p'.repeat(999))), []);
    assert.deepEqual(lookUp(bytes, index, 0, 0, Buffer.from('q')), []);
  });
});

describe('damage to a sorted segment', () => {
  test('cut at any place, it is refused', async () => {
    const { bytes } = await makeRun(small);
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      await assert.rejects(readAll(cut), corrupt, `cut at ${length}`);
      assert.throws(() => open(cut), corrupt, `cut at ${length}`);
    }
    await assert.rejects(readAll(Buffer.concat([bytes, Buffer.from([0])])), corrupt);
  });

  test('changed at any byte, it is refused; a key looked up is found right or refused', async () => {
    const { bytes } = await makeRun(small);
    const random = seededRandom(1);
    const keys = small.map(({ table, group, key }) => ({ table, group, key }));
    const right = keys.map(({ table, group, key }) => lookUp(bytes, open(bytes).index, table, group, key));
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ (at % 2 === 0 ? 1 << Math.floor(random.next() * 8) : 0xff);
      await assert.rejects(readAll(changed), corrupt, `byte ${at} changed`);
      for (const [i, { table, group, key }] of keys.entries()) {
        try {
          assert.deepEqual(lookUp(changed, open(changed).index, table, group, key), right[i]);
        } catch (error) {
          assert.ok(corrupt(error), `byte ${at}: ${error}`);
        }
      }
    }
  });

  test('entries out of order or twice, under right checksums', async () => {
    const same = (key: string) => text(0, 0, key, 'v');
    for (const [a, b] of [
      ['a', 'b'],
      ['c', 'd'],
    ] as const) {
      const { bytes } = await makeRun(['a', 'b', 'c', 'd'].map(same));
      const length = hexOf([same('a')])[0]?.length ?? 0;
      const start = HEADER_BYTES + BLOCK_HEAD_BYTES;
      for (const swap of [true, false]) {
        const changed = Buffer.from(bytes);
        const [i, j] = [a.charCodeAt(0) - 97, b.charCodeAt(0) - 97].map((n) => start + (n * length) / 2) as [
          number,
          number,
        ];
        bytes.copy(changed, j, i, i + length / 2);
        if (swap) bytes.copy(changed, i, j, j + length / 2);
        const head = changed.subarray(HEADER_BYTES, start);
        head.writeUInt32LE(blockCrc(head, changed.subarray(start, start + 2 * length)), 8);
        await assert.rejects(readAll(changed), /does not come after/);
      }
    }
  });

  test('an index, filter or stats that are not those of the entries, under right checksums', async () => {
    const { bytes } = await makeRun(small);
    const { tail } = open(bytes);
    const { filterAt, indexAt, indexBytes, statsAt, statsBytes } = tail;
    const refused = async (what: RegExp, change: (changed: Buffer) => void) => {
      const changed = Buffer.from(bytes);
      change(changed);
      await assert.rejects(readAll(changed), (error) => corrupt(error) && what.test(String(error)));
    };
    await refused(/filter/, (changed) => changed.fill(0xff, filterAt, filterAt + 64));
    await refused(/index/, (changed) => {
      changed.fill(0, indexAt + indexBytes - 8, indexAt + indexBytes - 4);
      reseal(changed, indexAt, statsAt);
    });
    await refused(/stats/, (changed) => {
      changed[statsAt + 2] = 0;
      reseal(changed, statsAt, statsAt + statsBytes);
    });
  });

  test('a tail that claims more than there is, whatever it claims', async () => {
    const { bytes } = await makeRun(small);
    const { tail } = open(bytes);
    const size = fc.oneof(fc.maxSafeNat(), fc.nat({ max: 10_000 }));
    const names = [
      'blocks',
      'entries',
      'payloadBytes',
      'pages',
      'filterBytes',
      'indexBytes',
      'statsBytes',
    ] as const;
    fc.assert(
      fc.property(fc.constantFrom(...names), size, fc.constantFrom(...names), size, (a, x, b, y) => {
        const wrong = { ...tail, [a]: x, [b]: y };
        const changed = Buffer.concat([bytes.subarray(0, -TAIL_BYTES), encodeTail(wrong, wrong)]);
        fc.pre(!changed.equals(bytes));
        assert.throws(() => open(changed), corrupt);
      }),
      { numRuns: 300 },
    );
  });

  test('an index of any bytes at all is refused, or read without harm', async () => {
    const { bytes } = await makeRun(small);
    const { tail } = open(bytes);
    const { indexAt, statsAt } = tail;
    fc.assert(
      fc.property(fc.nat({ max: tail.indexBytes - 5 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(bytes);
        changed[indexAt + at] = (changed[indexAt + at] ?? 0) ^ change;
        reseal(changed, indexAt, statsAt);
        try {
          const { index } = open(changed);
          for (const { table, group, key } of small) lookUp(changed, index, table, group, key);
        } catch (error) {
          assert.ok(corrupt(error) || error instanceof BytesDamaged, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('a segment that is sound in itself under another name', async () => {
    const { bytes, disk, written } = await makeRun(small);
    const name = 'ab'.repeat(32);
    disk.plant(`/s/${name}.seg`, bytes);
    const drain = async (of: string) => {
      const reader = await SegmentReader.open(disk, '/s', of);
      for await (const block of reader.blocks()) assert.ok(block.entries > 0);
    };
    await drain(written.name);
    await assert.rejects(drain(name), { code: 'SEGMENT_CORRUPT', message: /another one/ });
  });

  test('trailer and tail say the same', async () => {
    const { bytes } = await makeRun(small);
    const { tail } = open(bytes);
    assert.equal(tail.filterAt, bytes.indexOf('TEND') - 4 + TRAILER_BYTES);
    assert.equal(tail.statsAt + tail.statsBytes + TAIL_BYTES, bytes.length);
  });
});

describe('the filter', () => {
  test('knows keys by MurmurHash3_x86_32', () => {
    const hash = (seed: number, key: string) =>
      keyHash(seed >>> 15, seed & 0x7fff, Buffer.from(key), 0, key.length);
    assert.equal(hash(0, ''), 0);
    assert.equal(hash(1, ''), 0x514e28b7);
    assert.equal(hash(0, 'hello'), 0x248bfa47);
    assert.equal(hash(0x9747b28c, 'The quick brown fox jumps over the lazy dog'), 0x2fa826cd);
    for (const [i, expected] of [0x7fa09ea6, 0x5d211726, 0x283e0130, 0x5a97808a].entries())
      assert.equal(hash(0x9747b28c, 'aaaa'.slice(0, i + 1)), expected);
  });

  test('has every key, and about one in a hundred that is absent, in pages of any size', () => {
    for (const count of [1, 7, 100, 2692, 3276]) {
      const hashes = new Uint32Array(3276);
      const of = (n: number) => {
        const key = Buffer.from(`key-${n}`);
        return keyHash(3, 17, key, 0, key.length);
      };
      for (let i = 0; i < count; i++) hashes[i] = of(i);
      const page = filterPage(hashes, count);
      assert.equal(page.length, 64 * Math.ceil((count * 10) / 512));
      for (let i = 0; i < count; i++) assert.ok(mayContain(page, of(i)));
      const absent = 20_000;
      let wrong = 0;
      for (let i = count; i < count + absent; i++) if (mayContain(page, of(i))) wrong++;
      assert.ok(wrong < absent * 0.015, `${wrong} of ${absent} with ${count} keys`);
    }
  });

  test('of many keys has several pages, and each key of a block in its page', async () => {
    const all = sortedItems(Array.from({ length: 9000 }, (_, i) => text(0, i % 128, `k${i}`, 'v')));
    const { bytes } = await makeRun(all);
    const { index } = open(bytes);
    assert.ok(index.pages >= 3);
    for (const item of all)
      assert.equal(lookUp(bytes, index, 0, item.group, item.key).length, 1, item.key.toString());
  });
});

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { seededRandom } from '../../src/base/random.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { valueCodec } from '../../src/codec/value.js';
import { EntryWriter } from '../../src/format/entry.js';
import { SegmentReader, SegmentWriter, type WrittenSegment } from '../../src/format/segment.js';
import {
  encodeTrailer,
  HEADER_BYTES,
  SegmentEncoder,
  TRAILER_BYTES,
} from '../../src/format/segment-layout.js';
import { entriesOf, readSegment, type SegmentBlock } from '../../src/format/segment-read.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import fc from '../helpers/property.js';

interface Block {
  readonly payload: Buffer;
  readonly entries: number;
}

/** Blocks of real entries: `sizes` says how many in each. */
function blocksOf(sizes: readonly number[]): Block[] {
  const blocks: Block[] = [];
  const pool = {
    take: (bytes: number) => Buffer.alloc(bytes),
    full: (chunk: Buffer, used: number, entries: number) => {
      blocks.push({ payload: Buffer.from(chunk.subarray(0, used)), entries });
    },
  };
  const out = new EntryWriter(pool, 64 * 1024);
  const keys = keyCodecById('auto');
  for (const [block, size] of sizes.entries()) {
    for (let i = 0; i < size; i++) {
      out.begin(block, i);
      out.key(keys, `key-${i}`);
      out.value(valueCodec, { block, i });
    }
    out.flush();
  }
  return blocks;
}

function segmentOf(blocks: readonly Block[]): Buffer {
  const encoder = new SegmentEncoder();
  const parts = [encoder.header()];
  for (const { payload, entries } of blocks) parts.push(encoder.block(payload, entries), payload);
  return Buffer.concat([...parts, encoder.trailer()]);
}

/** `most` bounds what one read gives, as a file system may. */
async function readAll(bytes: Buffer, most = Number.POSITIVE_INFINITY): Promise<SegmentBlock[]> {
  const read = async (into: Uint8Array, offset: number) =>
    bytes.copy(into.subarray(0, Math.min(into.length, most)), 0, Math.min(offset, bytes.length));
  const blocks: SegmentBlock[] = [];
  for await (const block of readSegment(read, bytes.length, 'segment x')) {
    for (const entry of entriesOf(block, 'segment x')) assert.ok(entry.value.length > 0);
    blocks.push(block);
  }
  return blocks;
}

async function exhaust(blocks: AsyncIterable<SegmentBlock>): Promise<void> {
  for await (const block of blocks) assert.ok(block.payload.length > 0);
}

const corrupt = (error: unknown) =>
  error instanceof TidemarkError &&
  error.code === 'SEGMENT_CORRUPT' &&
  /^segment x is damaged at byte \d+: ./.test(error.message) &&
  error.hint !== undefined;

describe('the bytes of a segment', () => {
  test('come back as they went in, also through short reads', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 50 }), async (counts, most) => {
        const blocks = blocksOf(counts);
        const found = await readAll(segmentOf(blocks), most);
        assert.deepEqual(
          found.map(({ payload, entries }) => ({ payload, entries })),
          blocks,
        );
      }),
      { numRuns: 30 },
    );
  });

  test('golden', () => {
    const bytes = segmentOf([{ payload: Buffer.from([0, 0, 1, 5, 0, 0, 0, 1, 7]), entries: 1 }]);
    assert.equal(
      bytes.toString('hex'),
      '544d5345470d0a1a0100000000000000' + // header: magic, version, flags, reserved
        'f941e750' +
        '0900000001000000' + // block: length, entries
        '00920a04' +
        '000001050000000107' +
        '0000000054454e44' + // trailer: zero, magic
        '010000000000000001000000000000000900000000000000' + // blocks, entries, payload bytes
        'e9452c1a',
    );
  });

  const sound = segmentOf(blocksOf([3, 1, 4]));

  test('cut at any place are found damaged', async () => {
    for (let length = 0; length < sound.length; length++) {
      await assert.rejects(readAll(sound.subarray(0, length)), corrupt, `cut at ${length}`);
    }
  });

  test('changed at any byte are found damaged', async () => {
    const random = seededRandom(1);
    for (let at = 0; at < sound.length; at++) {
      for (const change of [1 << Math.floor(random.next() * 8), 0xff]) {
        const bytes = Buffer.from(sound);
        bytes[at] = (bytes[at] ?? 0) ^ change;
        await assert.rejects(readAll(bytes), corrupt, `byte ${at} changed by ${change}`);
      }
    }
  });

  test('followed by others, or a file that is shorter than it was said to be', async () => {
    await assert.rejects(readAll(Buffer.concat([sound, Buffer.from([0])])), corrupt);
    const read = async (into: Uint8Array, offset: number) =>
      sound.subarray(0, 60).copy(into, 0, Math.min(offset, 60));
    const blocks = readSegment(read, sound.length, 'segment x');
    await assert.rejects(exhaust(blocks), corrupt);
  });

  test('anything at all is refused, and without much memory', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (rest) => {
        await assert.rejects(readAll(Buffer.from(rest)), corrupt);
        await assert.rejects(readAll(Buffer.concat([sound.subarray(0, HEADER_BYTES), rest])), corrupt);
      }),
    );
  });

  test('a block that claims 4 GiB is refused before anything is read into it', async () => {
    const header = sound.subarray(0, HEADER_BYTES);
    const bytes = Buffer.concat([header, Buffer.from('ffffffff0100000000000000', 'hex'), Buffer.alloc(100)]);
    let largest = 0;
    const read = async (into: Uint8Array, offset: number) => {
      largest = Math.max(largest, into.length);
      return bytes.copy(into, 0, offset);
    };
    await assert.rejects(exhaust(readSegment(read, 2 ** 40, 'segment x')), corrupt);
    assert.equal(largest, HEADER_BYTES);
  });

  test('totals that are sound in themselves but not those of the file', async () => {
    const body = sound.subarray(0, -TRAILER_BYTES);
    const totals = { blocks: 3, entries: 8, payloadBytes: sound.length - HEADER_BYTES - TRAILER_BYTES - 36 };
    assert.deepEqual(Buffer.concat([body, encodeTrailer(totals)]), sound);
    for (const name of ['blocks', 'entries', 'payloadBytes'] as const) {
      const wrong = encodeTrailer({ ...totals, [name]: totals[name] + 1 });
      await assert.rejects(readAll(Buffer.concat([body, wrong])), corrupt);
    }
  });

  test('a block with fewer entries than it says, or with broken ones', async () => {
    const [block] = blocksOf([3]);
    assert.ok(block !== undefined);
    await assert.rejects(readAll(segmentOf([{ ...block, entries: 2 }])), corrupt);
    await assert.rejects(readAll(segmentOf([{ ...block, entries: 4 }])), corrupt);
    await assert.rejects(readAll(segmentOf([{ payload: Buffer.alloc(70, 0xff), entries: 1 }])), corrupt);
  });

  test('of a later version say so', async () => {
    const bytes = Buffer.from('544d5345470d0a1a02000000000000001a4668de', 'hex');
    await assert.rejects(readAll(bytes), { code: 'FORMAT_NEWER', message: /format version 2/ });
  });
});

describe('segments on a disk', () => {
  async function save(disk: FaultyDisk, blocks: readonly Block[]): Promise<WrittenSegment> {
    const writer = await SegmentWriter.create(disk, '/s', seededRandom(1));
    try {
      for (const { payload, entries } of blocks) await writer.append(payload, entries);
      return await writer.finish();
    } catch (error) {
      await writer.discard();
      throw error;
    }
  }

  async function load(disk: FaultyDisk, name: string): Promise<Block[]> {
    const reader = await SegmentReader.open(disk, '/s', name);
    try {
      const blocks: Block[] = [];
      for await (const { payload, entries } of reader.blocks()) blocks.push({ payload, entries });
      return blocks;
    } finally {
      await reader.close();
    }
  }

  async function newDisk(): Promise<FaultyDisk> {
    const disk = new FaultyDisk();
    await disk.mkdir('/s');
    return disk;
  }

  const blocks = blocksOf([3, 1, 4]);

  test('are named by their hash, and durable once finished', async () => {
    const disk = await newDisk();
    const written = await save(disk, blocks);
    disk.crash();
    assert.deepEqual(disk.paths(), [`/s/${written.name}.seg`]);
    const bytes = disk.peek(`/s/${written.name}.seg`) ?? Buffer.alloc(0);
    assert.equal(written.name, createHash('sha256').update(bytes).digest('hex'));
    assert.deepEqual([written.bytes, written.entries], [bytes.length, 8]);
    assert.deepEqual(await load(disk, written.name), blocks);
  });

  test('of equal content are one file; of none, too', async () => {
    const disk = await newDisk();
    const [first, second, empty] = [await save(disk, blocks), await save(disk, blocks), await save(disk, [])];
    assert.deepEqual(first, second);
    assert.equal(disk.paths().length, 2);
    assert.deepEqual(await load(disk, empty.name), []);
  });

  test('whatever fails while one is written, no half one ever has a name, also after a crash', async () => {
    const probe = await newDisk();
    const { name } = await save(probe, blocks);
    const operations = probe.operations.length - 1;
    for (let nth = 1; nth <= operations; nth++) {
      const disk = await newDisk();
      disk.failAt(nth, 'ENOSPC');
      await assert.rejects(save(disk, blocks), { code: 'ENOSPC' }, `operation ${nth}`);
      const last = nth === operations;
      // Once renamed it has its name; only whether the name lasts is then unknown.
      assert.deepEqual(disk.paths(), last ? [`/s/${name}.seg`] : [], `operation ${nth}`);
      disk.crash();
      assert.deepEqual(disk.paths(), [], `operation ${nth}, after a crash`);
      assert.equal((await save(disk, blocks)).name, name);
    }
  });

  test('a torn append fails it', async () => {
    for (let nth = 1; nth <= 8; nth++) {
      const disk = await newDisk();
      disk.tearAppend(nth);
      await assert.rejects(save(disk, blocks), { code: 'EIO' });
      assert.deepEqual(disk.paths(), []);
    }
  });

  test('a discarded one leaves nothing; a failed one takes no more', async () => {
    const disk = await newDisk();
    const writer = await SegmentWriter.create(disk, '/s');
    disk.failAt(1, 'EIO');
    await assert.rejects(writer.append(Buffer.from('payload'), 1), { code: 'EIO' });
    assert.throws(() => writer.append(Buffer.alloc(0), 1), /assertion failed/);
    await assert.rejects(writer.append(Buffer.from('payload'), 1), /the segment is failed/);
    await assert.rejects(writer.finish(), /the segment is failed/);
    await writer.discard();
    await writer.discard();
    assert.deepEqual(disk.paths(), []);
  });

  test('another file under the name is found, though it is sound in itself', async () => {
    const disk = await newDisk();
    const name = 'ab'.repeat(32);
    disk.plant(`/s/${name}.seg`, segmentOf(blocks));
    await assert.rejects(load(disk, name), { code: 'SEGMENT_CORRUPT', message: /another one/ });
  });

  test('a missing one, and names that are none', async () => {
    const disk = await newDisk();
    const name = 'ab'.repeat(32);
    await assert.rejects(load(disk, name), { code: 'SEGMENT_CORRUPT', message: /missing/ });
    for (const wrong of ['', '../x', `${name}0`, name.toUpperCase()])
      await assert.rejects(load(disk, wrong), { code: 'SEGMENT_CORRUPT' });
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openArchive } from '../../src/archive/read.js';
import { verifyArchive } from '../../src/archive/verify.js';
import { writeArchive } from '../../src/archive/write.js';
import { keyGroupOf } from '../../src/base/key-groups.js';
import { seededRandom } from '../../src/base/random.js';
import type { Key } from '../../src/codec/key.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { valueCodec } from '../../src/codec/value.js';
import { ByteWriter } from '../../src/codec/writer.js';
import type { Payload } from '../../src/store/sort-buffer.js';
import fc from '../helpers/property.js';
import { archiveOf, diskWith, entriesOfArchive, memoryDisk, optionsFor, PATH } from './archives.js';
import { Blocks, operator, PROVENANCE, table } from './blocks.js';
import { everything, TABLES } from './everything.js';

/** The payloads of single entries, in an order of its own. */
async function scattered(blocks: Blocks, seed: number): Promise<Payload[]> {
  const random = seededRandom(seed);
  const all: Payload[] = [];
  for await (const block of blocks) all.push(block);
  return all
    .map((payload) => ({ payload, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ payload }) => payload);
}

async function* given(payloads: readonly Payload[]): AsyncGenerator<Payload> {
  for (const { payload, entries } of payloads) yield { payload: Buffer.from(payload), entries };
}

describe('an archive of everything', () => {
  test('is whole, and holds what was written, once', async () => {
    const disk = diskWith(await archiveOf());
    assert.deepEqual(await verifyArchive(disk, PATH), { ok: true, findings: [] });
    const archive = await openArchive(disk, PATH);
    const lines = await entriesOfArchive(archive);
    assert.equal(new Set(lines).size, lines.length);
    assert.equal(lines.length, archive.manifest.entries);
    const kinds = archive.manifest.tables.filter(({ entries }) => entries > 0).map(({ kind }) => kind);
    assert.equal(new Set(kinds).size, 14);
    assert.deepEqual(archive.provenance, PROVENANCE);
  });

  test('has the same bytes from any order of entries, also when sorting spills', async () => {
    const expected = await archiveOf();
    for (const seed of [1, 2, 3]) {
      const payloads = await scattered(everything(2, 300), seed);
      for (const limits of [undefined, { bytes: 3000, entries: 40 }, { bytes: 1, entries: 1 }]) {
        const found = await archiveOf({
          blocks: given(payloads),
          ...(limits === undefined ? {} : { limits }),
        });
        assert.ok(found.equals(expected), `seed ${seed}, limits ${JSON.stringify(limits)}`);
      }
    }
  });

  test('differs in provenance alone when taken again, later and elsewhere', async () => {
    const first = await archiveOf();
    const provenance = {
      ...PROVENANCE,
      time: PROVENANCE.time + 5,
      host: 'else',
      checkpointId: 9,
      parallelism: 5,
    };
    const second = await archiveOf({ provenance });
    assert.ok(!first.equals(second));
    const cut = (bytes: Buffer) => bytes.subarray(0, bytes.indexOf('provenance.json'));
    assert.ok(cut(first).equals(cut(second)));
    assert.notEqual(cut(first).length, 0);
  });

  test('has one digest, whatever the order of the graph and the number of subtasks', async () => {
    const digestOf = async (changed: Parameters<typeof archiveOf>[0]) =>
      (await openArchive(diskWith(await archiveOf(changed)), PATH)).manifest.digest;
    const digest = await digestOf({});
    assert.equal(await digestOf({ blocks: everything(1) }), digest);
    assert.equal(await digestOf({ blocks: everything(4) }), digest);
    assert.equal(await digestOf({ drained: true, kind: 'checkpoint' }), digest);
    const operators = [...optionsFor(await memoryDisk()).operators].reverse();
    assert.equal(await digestOf({ operators, tables: [...TABLES].reverse() }), digest);
    const renamed = TABLES.map((each) => (each.id === 4 ? { ...each, schemaVersion: 2 } : each));
    assert.notEqual(await digestOf({ tables: renamed }), digest);
    const extra = everything();
    extra.value(5, 'one more', 1);
    assert.notEqual(await digestOf({ blocks: extra }), digest);
  });

  test('leaves out transactions and what is expired at the barrier', async () => {
    const archive = await openArchive(diskWith(await archiveOf()), PATH);
    assert.ok(!archive.manifest.tables.some(({ kind }) => kind === 'transactions'));
    const stamps = (await entriesOfArchive(archive)).filter((line) => line.includes('"expires"'));
    assert.ok(
      stamps.length > 0 && stamps.every((line) => line.includes(`"expires":${PROVENANCE.barrierTime + 1}`)),
    );
    assert.ok(!(await entriesOfArchive(archive)).some((line) => line.includes('"mapKey":2')));
  });

  test('says the least watermark of each operator', async () => {
    const { manifest } = await openArchive(diskWith(await archiveOf()), PATH);
    const watermarks = Object.fromEntries(manifest.operators.map(({ uid, watermark }) => [uid, watermark]));
    assert.deepEqual(watermarks, { count: 1000, out: null, window: null, zulu: 'end' });
  });
});

describe('entries of any kind', () => {
  const key = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.maxSafeInteger(),
    fc.constantFrom('', 'a', 'aa', 'user-000001', 'user-000002', 'user-'.repeat(30)),
    fc.tuple(fc.string({ maxLength: 3 }), fc.integer()),
  );
  const entry = fc.record({
    table: fc.nat(2),
    key,
    mapKey: fc.string({ maxLength: 3 }),
    value: fc.oneof(fc.integer(), fc.string({ maxLength: 200 }), fc.constant('x'.repeat(70_000))),
  });
  const tables = [table(0, 'b', 'map', 'map'), table(1, 'a', 'value'), table(2, 'a', 'other')];
  const codec = keyCodecById('auto');

  test('come back in the order of their bytes, verified, and are found by key', async () => {
    const limits = fc.constantFrom({ bytes: 500, entries: 7 }, { bytes: 1 << 20, entries: 1000 });
    const maxParallelism = fc.constantFrom(1, 3, 128);
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { maxLength: 150 }),
        limits,
        maxParallelism,
        async (entries, limit, max) => {
          const blocks = new Blocks(400);
          const expected = new Map<string, unknown>();
          for (const each of entries) {
            const id = JSON.stringify([each.table, each.key, each.table === 0 ? each.mapKey : null]);
            if (expected.has(id)) continue;
            expected.set(id, each.value);
            write(blocks, each.table, each.key, each.mapKey, each.value, max);
          }
          const operators = [operator('a', 'process', 'auto', max), operator('b', 'process', 'auto', max)];
          const disk = diskWith(await archiveOf({ operators, tables, blocks, limits: limit }));
          assert.deepEqual((await verifyArchive(disk, PATH)).findings, []);
          const archive = await openArchive(disk, PATH);
          assert.equal(archive.manifest.entries, expected.size);
          for (const each of entries.slice(0, 5)) await isFound(archive, each.table, each.key, max);
        },
      ),
      { numRuns: 60 },
    );
  });

  async function isFound(
    archive: Awaited<ReturnType<typeof openArchive>>,
    native: number,
    wanted: Key,
    max: number,
  ) {
    const bytes = encoded(wanted);
    const id = archive.manifest.tables.findIndex(({ name }) => name === ['map', 'value', 'other'][native]);
    const found = await archive.find(id, keyGroupOf(codec.hash(wanted), max), bytes);
    assert.ok(found.length > 0);
    for (const entry of found) {
      assert.equal(entry.table, id);
      assert.ok(entry.key.equals(bytes));
    }
  }

  function encoded(wanted: Key): Buffer {
    const out = new ByteWriter();
    codec.write(wanted, out);
    return out.copy();
  }

  function write(blocks: Blocks, id: number, key: Key, mapKey: string, value: unknown, max: number): void {
    blocks.out.begin(id, keyGroupOf(codec.hash(key), max));
    blocks.out.key(codec, key);
    if (id === 0) blocks.out.mapKey(codec, mapKey);
    blocks.out.value(valueCodec, value);
  }
});

describe('what is no snapshot is refused', () => {
  const options = { tables: [table(0, 'a', 's')], operators: [operator('a')] };
  const refused = (
    blocks: AsyncIterable<Payload>,
    message: RegExp,
    limits?: { bytes: number; entries: number },
  ) =>
    assert.rejects(archiveOf({ ...options, blocks, ...(limits === undefined ? {} : { limits }) }), {
      code: 'SEGMENT_CORRUPT',
      message,
    });

  test('an entry that is there twice, in one buffer or two, in one block or two', async () => {
    for (const between of [0, 1, 30, 4000]) {
      for (const limits of [undefined, { bytes: 100, entries: 2 }]) {
        const blocks = new Blocks(60);
        blocks.value(0, 'twice', 1);
        for (let i = 0; i < between; i++) blocks.value(0, `key-${i}`, 'x'.repeat(i % 50));
        blocks.value(0, 'twice', 1.5);
        await refused(blocks, /a\.s, key group \d+, is there twice/, limits);
      }
    }
  });

  test('many entries that are one', async () => {
    const blocks = new Blocks();
    for (let i = 0; i < 50; i++) blocks.value(0, 'same', i);
    await refused(blocks, /twice/);
  });

  test('a table or key group that is not there, a tombstone, wrong counts, broken bytes', async () => {
    const unknown = new Blocks();
    unknown.value(1, 'k', 1);
    await refused(unknown, /table 1/);
    const outside = new Blocks();
    outside.out.begin(0, 128);
    outside.out.key(keyCodecById('auto'), 'k');
    outside.out.value(valueCodec, 1);
    await refused(outside, /key group 128 of 128 in a\.s/);
    const removed = new Blocks();
    removed.out.begin(0, 1);
    removed.out.key(keyCodecById('auto'), 'k');
    removed.out.tombstone();
    await refused(removed, /tombstone/);
    await refused(given([{ payload: Buffer.from([0, 0, 0, 0, 0, 0, 0]), entries: 2 }]), /2 entries expected/);
    await refused(given([{ payload: Buffer.from([0, 0, 9, 0]), entries: 1 }]), /bytes expected/);
  });
});

test('an empty state is an archive, too', async () => {
  const disk = diskWith(await archiveOf({ blocks: new Blocks() }));
  assert.deepEqual(await verifyArchive(disk, PATH), { ok: true, findings: [] });
  const archive = await openArchive(disk, PATH);
  assert.deepEqual(await entriesOfArchive(archive), []);
  assert.deepEqual(archive.manifest.members, []);
});

test('more tables than fit one byte keep their own entries', async () => {
  const tables = Array.from({ length: 300 }, (_, id) => table(id, 'a', `s${id}`));
  const blocks = new Blocks();
  for (const { id } of tables) blocks.value(id, `k${id}`, id);
  const disk = diskWith(await archiveOf({ tables, operators: [operator('a')], blocks }));
  assert.deepEqual((await verifyArchive(disk, PATH)).findings, []);
  const lines = await entriesOfArchive(await openArchive(disk, PATH));
  assert.equal(lines.length, 300);
  for (const line of lines) {
    const { state, key, value } = JSON.parse(line) as { state: string; key: string; value: number };
    assert.deepEqual([state, key], [`s${value}`, `k${value}`]);
  }
});

test('a value larger than a block has one of its own, unlike its neighbours', async () => {
  const blocks = new Blocks();
  for (let i = 0; i < 100; i++) blocks.value(0, `k${i}`, i === 50 ? 'x'.repeat(5_000_000) : i, 'auto', 1);
  const options = { tables: [table(0, 'a', 's')], operators: [operator('a', 'process', 'auto', 1)] };
  const disk = diskWith(await archiveOf({ ...options, blocks, limits: { bytes: 1000, entries: 10 } }));
  assert.deepEqual((await verifyArchive(disk, PATH)).findings, []);
  const sizes: number[] = [];
  for await (const { payload } of (await openArchive(disk, PATH)).blocks()) sizes.push(payload.length);
  assert.equal(sizes.filter((size) => size > 65_536).length, 1);
  assert.equal(sizes.length, 3);
});

test('progress tells each phase, up to its end', async () => {
  const last = new Map<string, number>();
  await archiveOf({ onProgress: ({ entries }, phase) => last.set(phase, entries) });
  const { manifest } = await openArchive(diskWith(await archiveOf()), PATH);
  assert.equal(last.get('merge'), manifest.entries);
  assert.deepEqual([...last.keys()], ['sort', 'merge', 'pack']);
});

test('an abort ends the work and leaves nothing', async () => {
  const disk = await memoryDisk();
  const stop = new AbortController();
  const reason = new Error('enough');
  let blocks = 0;
  async function* endless(): AsyncGenerator<Payload> {
    for (;;) {
      for await (const block of everything()) {
        if (++blocks === 20) stop.abort(reason);
        yield block;
        return;
      }
    }
  }
  async function* slow(): AsyncGenerator<Payload> {
    for (let i = 0; i < 40; i++) yield* endless();
  }
  const work = writeArchive(
    optionsFor(disk, { blocks: slow(), signal: stop.signal, limits: { bytes: 100, entries: 5 } }),
  );
  await assert.rejects(work, reason);
  assert.deepEqual(disk.paths(), []);
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseKey, viewEntry } from '../../src/archive/entries-view.js';
import { type Archive, openArchive } from '../../src/archive/read.js';
import { summarize } from '../../src/archive/summary.js';
import { present } from '../../src/base/assert.js';
import { keyGroupOf, rangeOf } from '../../src/base/key-groups.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { ByteReader } from '../../src/codec/reader.js';
import { valueCodec } from '../../src/codec/value.js';
import { ByteWriter } from '../../src/codec/writer.js';
import { readEntry } from '../../src/format/entry.js';
import { archiveOf, diskWith, entriesOfArchive, PATH } from './archives.js';
import { Blocks, operator, table } from './blocks.js';

const codec = keyCodecById('string');
const options = {
  tables: [table(0, 'count', 'seen'), table(1, 'count', 'other')],
  operators: [operator('count', 'process', 'string')],
};

async function archiveWith(keys: number): Promise<Archive> {
  const blocks = new Blocks();
  for (let i = 0; i < keys; i++) blocks.value(0, `user-${i}`, { seen: i }, 'string');
  blocks.value(1, 'user-7', 'other', 'string');
  return await openArchive(diskWith(await archiveOf({ ...options, blocks })), PATH);
}

function encoded(key: string): Buffer {
  const out = new ByteWriter();
  codec.write(key, out);
  return out.copy();
}

const groupOf = (key: string) => keyGroupOf(codec.hash(key), 128);

describe('one key', () => {
  test('is found among its neighbours, in its table alone; others are not', async () => {
    const archive = await archiveWith(20_000);
    const id = archive.manifest.tables.findIndex(({ name }) => name === 'seen');
    for (const i of [0, 7, 4999, 19_999]) {
      const found = await archive.find(id, groupOf(`user-${i}`), encoded(`user-${i}`));
      assert.deepEqual(
        found.map(({ value }) => valueCodec.read(new ByteReader(value))),
        [{ seen: i }],
      );
    }
    assert.deepEqual(await archive.find(id, groupOf('nobody'), encoded('nobody')), []);
    assert.deepEqual(await archive.find(id, 1, encoded('user-7')), []);
    assert.deepEqual(await archive.find(id, 128, encoded('user-7')), []);
    assert.deepEqual(await archive.find(99, 0, encoded('user-7')), []);
  });

  test('costs a slot, a list and a block, however many there are', async () => {
    const costs: number[] = [];
    for (const keys of [30_000, 300_000]) {
      const archive = await archiveWith(keys);
      const opened = archive.bytesRead;
      await archive.find(1, groupOf('user-77'), encoded('user-77'));
      costs.push(archive.bytesRead - opened);
      assert.ok(opened < 16_384, `${opened} bytes to open`);
    }
    assert.ok(
      costs.every((cost) => cost < 65_536 + 4096),
      costs.join(),
    );
  });

  test('with more entries than a block has all of them', async () => {
    const blocks = new Blocks();
    const auto = keyCodecById('auto');
    for (const key of ['a', 'b', 'c']) {
      for (let i = 0; i < 9000; i++) {
        blocks.out.begin(0, 0);
        blocks.out.key(codec, key);
        blocks.out.mapKey(auto, i);
        blocks.out.value(valueCodec, `value of ${key} ${i}`);
      }
    }
    const tables = [table(0, 'count', 'rows', 'map')];
    const operators = [operator('count', 'process', 'string', 1)];
    const archive = await openArchive(diskWith(await archiveOf({ tables, operators, blocks })), PATH);
    for (const key of ['a', 'b', 'c']) assert.equal((await archive.find(0, 0, encoded(key))).length, 9000);
    assert.deepEqual(await archive.find(0, 0, encoded('aa')), []);
  });
});

describe('a range', () => {
  test('of key groups gives their entries alone, and reads little else', async () => {
    const archive = await archiveWith(50_000);
    const all = await entriesOfArchive(archive);
    const whole = archive.bytesRead;
    for (const parallelism of [1, 3, 7, 128]) {
      const parts: string[] = [];
      for (let subtask = 0; subtask < parallelism; subtask++) {
        const groups = rangeOf(subtask, parallelism, 128);
        const part = await entriesOfArchive(archive, { groups });
        for (const line of part) {
          const { keyGroup } = JSON.parse(line) as { keyGroup: number };
          assert.ok(keyGroup >= groups.start && keyGroup <= groups.end);
        }
        parts.push(...part);
      }
      assert.deepEqual(parts.sort(), [...all].sort());
    }
    const before = archive.bytesRead;
    await entriesOfArchive(archive, { groups: rangeOf(3, 128, 128) });
    assert.ok(archive.bytesRead - before < whole / 20, `${archive.bytesRead - before} of ${whole}`);
  });

  test('of tables gives theirs; what has no key groups is always whole', async () => {
    const archive = await openArchive(diskWith(await archiveOf()), PATH);
    const splits = present(
      archive.manifest.tables.find(({ kind }) => kind === 'splits'),
      'splits',
    );
    const lines = await entriesOfArchive(archive, { tables: [splits.id], groups: { start: 5, end: 6 } });
    assert.equal(lines.length, 2);
  });
});

test("payloads are the reader's to change", async () => {
  const archive = await openArchive(diskWith(await archiveOf()), PATH);
  const before = await entriesOfArchive(archive);
  for await (const { payload } of archive.blocks()) payload.fill(0xff);
  assert.deepEqual(await entriesOfArchive(archive), before);
});

test('a reader that stops early leaves nothing under way', async () => {
  const archive = await archiveWith(50_000);
  for await (const { entries } of archive.blocks()) {
    assert.ok(entries > 0);
    break;
  }
  assert.equal((await entriesOfArchive(archive)).length, 50_001);
});

describe('keys as inspect takes them', () => {
  const find = async (text: string, state: string): Promise<unknown[]> => {
    const archive = await openArchive(diskWith(await archiveOf()), PATH);
    const { tables, operators } = archive.manifest;
    const wanted = present(
      tables.find(({ name }) => name === state),
      state,
    );
    const owner = present(
      operators.find(({ uid }) => uid === wanted.operator),
      'an operator',
    );
    const { group, bytes } = parseKey(text, wanted, owner);
    return (await archive.find(wanted.id, group, bytes)).map((entry) => viewEntry(entry, wanted, owner).key);
  };

  test('find what inspect shows', async () => {
    for (const [text, key] of [
      ['hello', 'hello'],
      ['"hello"', 'hello'],
      ['""', ''],
      ['0', 0],
      ['1099511627776', 2 ** 40],
      ['{"$bigint":"5"}', { $bigint: '5' }],
      ['3.14', 3.14],
      ['true', true],
      ['["a",1]', ['a', 1]],
      ['😀', '😀'],
    ] as const)
      assert.deepEqual(await find(text, 'seen'), [key], text);
    assert.deepEqual(await find('5', 'seen'), []);
    assert.equal((await find('["LHR",5]', 'sum')).length, 2);
  });

  test('that cannot be keys are a matter of usage', async () => {
    for (const text of ['null', '{"$undefined":true}', '{"$nothing":1}', '[]'])
      await assert.rejects(find(text, 'seen'), { code: 'USAGE' });
    await assert.rejects(find('5', 'sum'), { code: 'USAGE' });
    await assert.rejects(find('5', 'rules'), { code: 'USAGE' });
  });

  test('of strings may look like numbers', () => {
    const [state] = options.tables;
    const [owner] = options.operators;
    const counted = { ...present(state, 'a table'), entries: 0, bytes: 0 };
    const { bytes } = parseKey('42', counted, present(owner, 'an operator'));
    assert.deepEqual(bytes, encoded('42'));
  });
});

test('a summary has what scripts rely on', async () => {
  const archive = await openArchive(diskWith(await archiveOf()), PATH);
  const summary = await summarize(archive);
  assert.deepEqual(Object.keys(summary), [
    'archive',
    'capabilities',
    'job',
    'provenance',
    'operators',
    'totals',
  ]);
  assert.deepEqual(summary.capabilities, {
    rescale: true,
    changeGraph: true,
    changeBackend: true,
    fork: true,
  });
  const source = present(
    summary.operators.find(({ uid }) => uid === 'zulu'),
    'the source',
  );
  assert.deepEqual(source.splits, [
    { id: 'a.txt', position: { offset: 17 }, done: false, timestamp: 99 },
    { id: 'b.txt', position: null, done: true, timestamp: 99 },
  ]);
  assert.equal(source.watermark, 'end');
  const count = present(
    summary.operators.find(({ uid }) => uid === 'count'),
    'count',
  );
  const seen = present(
    count.states.find(({ name }) => name === 'seen'),
    'seen',
  );
  assert.deepEqual([seen.kind, seen.codec, seen.version, seen.entries], ['number', 'value', 1, 11]);
  assert.equal(summary.totals.entries, archive.manifest.entries);
});

test('an entry of every kind is shown', async () => {
  const archive = await openArchive(diskWith(await archiveOf()), PATH);
  const lines = await entriesOfArchive(archive);
  const shown = (part: string) =>
    assert.ok(
      lines.some((line) => line.includes(part)),
      part,
    );
  shown('"namespace":{"window":[0,3600000]}');
  shown('"namespace":{"window":[-1,{"$bigint":"9223372036854775807"}]}');
  shown('"namespace":"global"');
  shown('"namespace":{"value":{"session":1}}');
  shown('"state":"quiet","keyGroup":35,"key":"hello","namespace":null,"mapKey":-5,"value":null');
  shown('"state":"rules","keyGroup":null,"key":null,"namespace":null,"mapKey":"rule"');
  shown('"state":"watermark","keyGroup":null,"key":0');
  shown('"state":"mine","keyGroup":null,"key":[1,1]');
  assert.deepEqual(readEntry(new ByteReader(Buffer.from([0, 0, 0, 0, 0, 0, 0]))).group, 0);
});

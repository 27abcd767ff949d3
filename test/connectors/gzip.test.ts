/** Compressed input: read and gone on with like any other, and never taken for a shorter one. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { TidemarkError } from '../../src/base/errors.js';
import { type FilePosition, files } from '../../src/connectors/files.js';
import type { SourceContext, SourceSpec } from '../../src/graph/source.js';
import { systemError } from '../helpers/faulty-disk.js';
import fc from '../helpers/property.js';
import { batchesOf, contextOf, diskOf, elementsOf, FOLDER, shortReads, suffixes } from './reading.js';

function failsWith(code: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof TidemarkError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

/** Cut where it is told to, each piece a member of its own. */
function members(bytes: Buffer, cuts: readonly number[]): Buffer {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return Buffer.concat(at.slice(1).map((end, i) => gzipSync(bytes.subarray(at[i], end), { level: 1 })));
}

const line = fc.oneof(
  { weight: 20, arbitrary: fc.string({ unit: 'grapheme', maxLength: 30 }) },
  { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 200_000 }).map((n) => 'ü'.repeat(n)) },
);
const content = fc
  .tuple(fc.array(line, { maxLength: 30 }), fc.boolean())
  .map(([lines, ends]) =>
    Buffer.from(lines.map((each) => each.replaceAll('\n', '')).join('\n') + (ends ? '\n' : '')),
  );

test('what it inflates to is read whole, from the start and from every position', async () => {
  const cuts = fc.array(fc.nat(), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(
      content,
      cuts,
      fc.integer({ min: 1, max: 7 }),
      fc.nat(64),
      async (bytes, at, batch, zeros) => {
        const packed = Buffer.concat([members(bytes, at), Buffer.alloc(zeros)]);
        const source = files('in.gz');
        const plain = await elementsOf(source, { context: contextOf(diskOf({ 'in.gz': bytes })) });
        const most = Math.max(1, Math.ceil(packed.length / 50));
        const context = contextOf(shortReads(diskOf({ 'in.gz': packed }), most));
        assert.deepEqual(await elementsOf(source, { context, batch }), plain);
        for (const { read, rest } of await suffixes(source, { context, batch }))
          assert.deepEqual(rest, plain.slice(read));
      },
    ),
    { numRuns: 40 },
  );
});

test('positions are those of the plain file, so that one compressed meanwhile is read on', async () => {
  const bytes = Buffer.from(Array.from({ length: 3000 }, (_, i) => `${i}\n`).join(''));
  const source = files('in');
  const [plain, packed] = [bytes, gzipSync(bytes)].map((each) => contextOf(diskOf({ in: each })));
  assert.ok(plain !== undefined && packed !== undefined);
  const [half, whole] = [
    await batchesOf(source, { context: plain }),
    await batchesOf(source, { context: packed }),
  ];
  assert.deepEqual(half, whole);
  const position = half[1]?.position;
  assert.ok(position !== undefined && whole[0] !== undefined && source.compare !== undefined);
  assert.deepEqual((await elementsOf(source, { context: packed, position, split: 'in' }))[0], '2000');
  assert.ok(Number(source.compare(position, whole[0].position)) > 0);
  await source.check?.({ ...packed, split: 'in', position });
});

test('a file that is cut anywhere is refused, after what came before', async () => {
  const bytes = Buffer.from('one\ntwo\nthree\n');
  const packed = Buffer.concat([gzipSync(bytes), gzipSync('four\n')]);
  const boundary = gzipSync(bytes).length;
  for (let length = 2; length < packed.length; length++) {
    const context = contextOf(diskOf({ 'in.gz': packed.subarray(0, length) }));
    const read: string[] = [];
    const reading = (async () => {
      for await (const batch of files('in.gz').read(await requestOf(files('in.gz'), context)))
        read.push(...batch.elements);
    })();
    // Between two members nothing tells that another was to come.
    if (length === boundary) await reading;
    else
      await assert.rejects(
        reading,
        failsWith('SOURCE_DATA', /^\/data\/in\.gz: gzip data that is cut off after \d+/),
      );
    assert.deepEqual(read, ['one', 'two', 'three', 'four'].slice(0, read.length));
  }
});

test('a file with any byte changed is refused, or read as it was', async () => {
  const bytes = Buffer.from('one\ntwo\nthree\n');
  const packed = gzipSync(bytes);
  let refused = 0;
  for (let at = 0; at < packed.length; at++) {
    const damaged = Buffer.from(packed);
    damaged[at] = (damaged[at] ?? 0) ^ 0x55;
    const elements = elementsOf(files('in.gz', { gzip: true }), {
      context: contextOf(diskOf({ 'in.gz': damaged })),
    });
    // The time of the file and the like lie in its header, and nobody checks them.
    const outcome = await elements.catch((error: unknown) => {
      assert.ok(
        failsWith('SOURCE_DATA', /in\.gz: (damaged gzip|gzip data that is cut|something else)/)(error),
      );
      refused++;
    });
    if (outcome !== undefined) assert.deepEqual(outcome, ['one', 'two', 'three'], `byte ${at}`);
  }
  assert.ok(refused > packed.length - 10, `${refused} of ${packed.length}`);
});

test('what follows the last member must be zeros, wherever a read ends', async () => {
  const packed = gzipSync('one\n');
  const after = (rest: Uint8Array) => Buffer.concat([packed, rest]);
  const cases = [
    after(Buffer.from('x')),
    after(Buffer.from([0, 0, 1])),
    after(Buffer.concat([Buffer.alloc(9), packed])),
  ];
  for (const bytes of cases) {
    for (const most of [1, 2, 5, packed.length, 1000]) {
      const context = contextOf(shortReads(diskOf({ 'in.gz': bytes }), most));
      await assert.rejects(
        elementsOf(files('in.gz'), { context }),
        failsWith(
          'SOURCE_DATA',
          /(something else than gzip data|incorrect header check|cut off).* near byte \d+ of the file/,
        ),
      );
    }
  }
});

test('a pattern may match both kinds, told apart by their first bytes, or as said', async () => {
  const disk = diskOf({ a: '1\n', b: gzipSync('2\n'), empty: '', one: '\x1f' });
  const read = async (name: string, gzip?: boolean | 'auto') =>
    elementsOf(files(name, gzip === undefined ? {} : { gzip }), { context: contextOf(disk) });
  assert.deepEqual(await read('a'), ['1']);
  assert.deepEqual(await read('b'), ['2']);
  assert.deepEqual(await read('b', true), ['2']);
  assert.deepEqual(await read('empty'), []);
  assert.deepEqual(await read('one'), ['\x1f']);
  assert.notDeepEqual(await read('b', false), ['2']);
  await assert.rejects(
    read('a', true),
    failsWith('SOURCE_DATA', /\/data\/a: damaged gzip data \(incorrect header/),
  );
  await assert.rejects(read('empty', true), failsWith('SOURCE_DATA', /cut off after 0 inflated bytes/));
});

test('a reader that is told to stop on the way to its position does not inflate the rest of it', async () => {
  const packed = gzipSync(Buffer.alloc(2 ** 22, 'a line of text\n'));
  const source = files('in.gz');
  const context = contextOf(diskOf({ 'in.gz': packed }));
  const last = (await batchesOf(source, { context, batch: 512 })).at(-1)?.position;
  assert.ok(last !== undefined && last.offset === 2 ** 22);
  const stop = new AbortController();
  let reads = 0;
  const disk = shortReads(diskOf({ 'in.gz': packed }), 64);
  const open = disk.open.bind(disk);
  disk.open = async (path) => {
    const file = await open(path);
    const read = (into: Uint8Array, offset: number) => {
      reads++;
      stop.abort();
      return file.read(into, offset);
    };
    return { read, stat: () => file.stat(), close: () => file.close() };
  };
  const request = { split: 'in.gz', position: last, state: {}, batch: 512, signal: stop.signal };
  const reading = source.read({ ...contextOf(disk), ...request });
  for await (const batch of reading) assert.deepEqual(batch.elements, []);
  assert.ok(reads > 0 && reads < packed.length / 64 / 4, `${reads} reads`);
});

test('CSV in gzip knows its header when it goes on, and JSON names the inflated byte', async () => {
  const disk = diskOf({
    'in.csv.gz': gzipSync('a,b\n1,2\n"3\n",4\n'),
    'in.json.gz': gzipSync('{"a":1}\nbad\n'),
  });
  const context = contextOf(disk);
  const source = files('in.csv.gz', { format: 'csv' });
  const rows = [
    { a: '1', b: '2' },
    { a: '3\n', b: '4' },
  ];
  for (const { read, rest } of await suffixes(source, { context, batch: 1 }))
    assert.deepEqual(rest, rows.slice(read));
  const json = elementsOf(files('in.json.gz', { format: 'json' }), { context });
  await assert.rejects(json, failsWith('SOURCE_DATA', /in\.json\.gz: byte 8: not JSON/));
});

test('a bomb costs no more than the longest line allowed', async () => {
  const zeros = gzipSync(Buffer.alloc(40 * 1024 * 1024), { level: 9 });
  assert.ok(zeros.length < 300_000);
  const context = contextOf(diskOf({ 'in.gz': gzipSync(Buffer.alloc(1)), 'bomb.gz': zeros }));
  await elementsOf(files('in.gz'), { context });
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }, 1);
  const bomb = elementsOf(files('bomb.gz', { maxLine: 1024 * 1024 }), { context });
  await assert.rejects(
    bomb,
    failsWith('SOURCE_DATA', /the line at byte 0 is longer than the 1048576 bytes allowed/),
  );
  clearInterval(watch);
  assert.ok(most < 32 * 1024 * 1024, `${most}`);
});

test('what gzip(1) wrote is read, and a disk that fails is no damage', async () => {
  const text = Array.from({ length: 20_000 }, (_, i) => `line ${i}`).join('\n');
  const { stdout } = spawnSync('gzip', ['-c'], { input: text, maxBuffer: 1 << 24 });
  const disk = diskOf({ 'in.gz': stdout });
  const context = contextOf(disk);
  assert.deepEqual(await elementsOf(files('in.gz'), { context }), text.split('\n'));
  const open = disk.open.bind(disk);
  disk.open = async (path) => {
    const file = await open(path);
    const read = async (into: Uint8Array, offset: number) => {
      if (offset > 0) throw systemError('EIO', path);
      return file.read(into.subarray(0, 4096), offset);
    };
    return { read, stat: () => file.stat(), close: () => file.close() };
  };
  await assert.rejects(elementsOf(files('in.gz'), { context }), /EIO: injected/);
});

test('reading that is given up lets go of the file', async () => {
  const text = Array.from({ length: 200_000 }, (_, i) => `line ${i}`).join('\n');
  const disk = diskOf({ 'in.gz': gzipSync(text) });
  let open = 0;
  const opening = disk.open.bind(disk);
  disk.open = async (path) => {
    const file = await opening(path);
    open++;
    const close = async () => {
      open--;
      await file.close();
    };
    return { read: (into, offset) => file.read(into, offset), stat: () => file.stat(), close };
  };
  const context = contextOf(disk);
  for await (const batch of files('in.gz').read(await requestOf(files('in.gz'), context))) {
    assert.equal(batch.elements[0], 'line 0');
    assert.equal(open, 1);
    break;
  }
  assert.equal(open, 0);
});

test('gzip that is to be followed is refused, and what is no mode', () => {
  for (const options of ['{"gzip":true,"follow":true}', '{"gzip":"yes"}'])
    assert.throws(() => files(`${FOLDER}/x`, JSON.parse(options)), failsWith('DEFINITION_INVALID', /gzip/));
});

async function requestOf<T>(source: SourceSpec<T, FilePosition>, context: SourceContext) {
  const [split] = await source.splits(context);
  assert.ok(split !== undefined);
  const { id, start } = split;
  return {
    ...context,
    split: id,
    position: start,
    batch: 10,
    state: {},
    signal: new AbortController().signal,
  };
}

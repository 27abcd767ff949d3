/** The file sink with several files a checkpoint, gzip and CSV: nothing lost or doubled, all limits held. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { basename } from 'node:path';
import { describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { TidemarkError } from '../../src/base/errors.js';
import { csv } from '../../src/connectors/csv-format.js';
import { type FileSinkOptions, type FileTransaction, fileSink } from '../../src/connectors/file-sink.js';
import { files } from '../../src/connectors/files.js';
import { fromArray } from '../../src/connectors/from-array.js';
import { defineJob } from '../../src/graph/define.js';
import type { SinkSpec, SinkWriter } from '../../src/graph/sink.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import fc from '../helpers/property.js';
import { complete, consume, fail, operationsOf, play, type Step, write } from './play.js';
import { contextOf, diskOf, elementsOf } from './reading.js';
import { GZIP_CSV_PARTS, SinkRun, SMALL_PARTS, sinkContext, TARGET } from './sink-run.js';

const SCRIPT: readonly Step[] = [write(7), complete, write(3), fail, write(2), complete, consume, write(2)];

for (const [name, shape] of Object.entries({ SMALL_PARTS, GZIP_CSV_PARTS })) {
  describe(`committed output is exactly once (${name})`, () => {
    const run = (disk: FaultyDisk) => new SinkRun(disk, 'job0', undefined, shape);

    test('when any one operation fails', async () => {
      const operations = await operationsOf(SCRIPT, shape);
      assert.ok(operations.filter((each) => each.includes('.pending-')).length > 25);
      for (let n = 1; n <= operations.length; n++) {
        const disk = new FaultyDisk();
        disk.failAt(n, 'ENOSPC');
        await play(run(disk), SCRIPT, () => disk.heal());
      }
    });

    test('when power is lost at any operation', async () => {
      const operations = await operationsOf(SCRIPT, shape);
      for (let n = 1; n <= operations.length; n++) {
        const disk = new FaultyDisk();
        disk.failFrom(n, 'EIO');
        await play(run(disk), SCRIPT, () => disk.crash());
      }
    });

    test('when any append is torn', async () => {
      const operations = await operationsOf(SCRIPT, shape);
      const appends = operations.filter((each) => each.startsWith('append'));
      for (let n = 1; n <= appends.length; n++) {
        const disk = new FaultyDisk();
        disk.tearAppend(n);
        await play(run(disk), SCRIPT, () => disk.crash());
      }
    });
  });
}

test('a rewind sets aside every file of a transaction', async () => {
  const disk = new FaultyDisk();
  const run = new SinkRun(disk, 'job0', undefined, SMALL_PARTS);
  await run.start();
  await run.write(8);
  await run.checkpoint(true);
  const saved = run.saved();
  await run.write(8);
  await run.checkpoint(true);
  await run.close();
  const next = new SinkRun(disk, 'job1', saved, SMALL_PARTS);
  await next.start();
  await next.close();
  assert.deepEqual(
    run.output(),
    Array.from({ length: saved.position }, (_, i) => i),
  );
  const names = disk.paths().map((path) => basename(path));
  const aside = names.filter((name) => name.startsWith('.aside-part-'));
  assert.ok(aside.length >= 3 && aside.every((name) => name.includes('-00000002-0000')), names.join());
});

const opened = async <T>(sink: SinkSpec<T, FileTransaction>, disk = new FaultyDisk(), more = {}) => {
  await disk.mkdir(TARGET);
  const writer = await sink.open({ ...sinkContext(disk, more), subtask: 0, parallelism: 1, state: {} });
  return { disk, writer };
};

async function prepared<T>(writer: SinkWriter<T, FileTransaction>, disk: FaultyDisk, checkpoint = 1) {
  const { files } = (await writer.prepare?.(checkpoint)) ?? { files: [] };
  return files.map((file) => ({
    ...file,
    content: disk.peek(`${TARGET}/${file.pending}`) ?? Buffer.alloc(0),
  }));
}

describe('a part', () => {
  /** What happens to a writer: elements come, time passes, a barrier falls. */
  const event = fc.oneof(
    { weight: 4, arbitrary: fc.array(fc.string({ unit: 'grapheme', maxLength: 30 }), { maxLength: 8 }) },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 5000 }) },
    { weight: 1, arbitrary: fc.constant('barrier' as const) },
  );
  const limits = fc
    .record(
      { size: fc.integer({ min: 1, max: 100 }), every: fc.integer({ min: 1, max: 4000 }) },
      { requiredKeys: [] },
    )
    .filter(({ size, every }) => size !== undefined || every !== undefined);

  test('holds its limits, and all parts together each element once, in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { maxLength: 30 }),
        limits,
        fc.boolean(),
        async (events, part, gzip) => {
          const clock = new ManualClock();
          const { disk, writer } = await opened(fileSink<string>('out', { part, gzip }), undefined, {
            clock,
          });
          const read: string[] = [];
          const given: { text: string; at: number }[] = [];
          let checkpoint = 0;
          for (const each of [...events, 'barrier' as const]) {
            if (typeof each === 'number') clock.advance(each);
            else if (each === 'barrier') {
              for (const { content, bytes, lines: count } of await prepared(writer, disk, ++checkpoint)) {
                assert.equal(content.length, bytes);
                const text = String(gzip ? gunzipSync(content) : content);
                const lines = text.split('\n').slice(0, -1);
                assert.equal(lines.length, count);
                if (part.size !== undefined)
                  assert.ok(count === 1 || Buffer.byteLength(text) <= part.size, text);
                const [first, last] = [given[read.length], given[read.length + count - 1]];
                if (part.every !== undefined && first !== undefined && last !== undefined)
                  assert.ok(last.at - first.at < part.every);
                for (const line of lines) read.push(JSON.parse(line));
              }
              assert.equal(read.length, given.length, 'nothing is kept back at a barrier');
            } else {
              for (const text of each) given.push({ text, at: clock.now() });
              await writer.write(each);
            }
          }
          assert.deepEqual(
            read,
            given.map(({ text }) => text),
          );
          await writer.close?.();
        },
      ),
      { numRuns: 150 },
    );
  });

  test('is as large as it may be: no part is closed without need', async () => {
    const { disk, writer } = await opened(fileSink<number>('out', { part: { size: 10 } }));
    await writer.write([1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(
      (await prepared(writer, disk)).map(({ content }) => String(content)),
      ['1\n2\n3\n4\n5\n', '6\n7\n'],
    );
  });

  test('has a number, and what it is in its name', async () => {
    const names = async (options: FileSinkOptions<{ readonly n: number }>) => {
      const { disk, writer } = await opened(fileSink<{ readonly n: number }>('out', options));
      await writer.write([{ n: 1 }, { n: 2 }]);
      return (await prepared(writer, disk, 7)).map(({ part }) => part);
    };
    const stem = 'part-job0-0001-out-000-00000007';
    assert.deepEqual(await names({}), [`${stem}.jsonl`]);
    assert.deepEqual(await names({ gzip: true }), [`${stem}.jsonl.gz`]);
    assert.deepEqual(await names({ format: csv({ columns: ['n'] }) }), [`${stem}.csv`]);
    assert.deepEqual(await names({ part: { every: '1m' } }), [`${stem}-00001.jsonl`]);
    assert.deepEqual(
      await names({ format: csv({ columns: ['n'] }), gzip: { level: 9 }, part: { size: 4 } }),
      [`${stem}-00001.csv.gz`, `${stem}-00002.csv.gz`],
    );
  });

  test('is the last after 10,000, and the log says so', async () => {
    const log: string[] = [];
    const { disk, writer } = await opened(fileSink<number>('out', { part: { size: 1 } }), undefined, {
      log: (line: string) => log.push(line),
    });
    const numbers = Array.from({ length: 10_100 }, (_, i) => i);
    for (let i = 0; i < numbers.length; i += 100) await writer.write(numbers.slice(i, i + 100));
    const parts = await prepared(writer, disk);
    assert.equal(parts.length, 10_000);
    assert.equal(parts.at(-1)?.lines, 101);
    assert.equal(log.length, 1);
    assert.match(log[0] ?? '', /10000 parts since the last barrier/);
  });

  test('that is given up leaves nothing behind', async () => {
    for (const gzip of [false, true]) {
      const { disk, writer } = await opened(fileSink<number>('out', { part: { size: 2 }, gzip }));
      await writer.write([1, 2, 3]);
      await writer.close?.();
      assert.deepEqual(disk.paths(), []);
    }
  });
});

/** What a field may hold. Readers know no null, and none keeps half a surrogate pair. */
const cell = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({
    unit: fc.constantFrom('"', ',', '\n', '\r', ' ', 'a', ';', '\t', '\ufeff', "'"),
    maxLength: 8,
  }),
);

describe('CSV', () => {
  const columns = ['a', 'b "quoted"', 'c,d'] as const;
  type Row = Readonly<Record<(typeof columns)[number], string>>;
  const row = fc.tuple(cell, cell, cell).map(([a, b, c]): Row => ({ a, 'b "quoted"': b, 'c,d': c }));
  const written = async (rows: readonly Row[], delimiter?: string) => {
    const options = { format: csv({ columns, ...(delimiter === undefined ? {} : { delimiter }) }) };
    const { disk, writer } = await opened(fileSink<Row>('out', options));
    await writer.write(rows);
    return String((await prepared(writer, disk))[0]?.content);
  };

  test('comes back through `files`', async () => {
    const rows = fc.array(row, { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(rows, fc.constantFrom(',', ';', '\t'), async (all, delimiter) => {
        const context = contextOf(diskOf({ 'in.csv': await written(all, delimiter) }));
        assert.deepEqual(await elementsOf(files('in.csv', { format: 'csv', delimiter }), { context }), all);
      }),
      { numRuns: 150 },
    );
  });

  const skip = spawnSync('python3', ['--version']).status === 0 ? false : 'there is no python3';

  test("comes back through Python's reader, from gzip too", { skip }, async () => {
    const rows = fc.sample(row, 300);
    const { disk, writer } = await opened(fileSink<Row>('out', { format: csv({ columns }), gzip: true }));
    await writer.write(rows);
    const [file] = await prepared(writer, disk);
    const code =
      'import csv,gzip,io,json,sys;' +
      'text=gzip.decompress(sys.stdin.buffer.read()).decode();' +
      'print(json.dumps(list(csv.DictReader(io.StringIO(text,newline="")))))';
    const python = spawnSync('python3', ['-c', code], { input: file?.content, maxBuffer: 1 << 26 });
    assert.equal(String(python.stderr), '');
    assert.deepEqual(JSON.parse(String(python.stdout)), rows);
  });

  test('begins each part with its header, or none', async () => {
    const rows = [{ n: 10 }, { n: 11 }, { n: 12 }];
    for (const header of [true, false]) {
      const format = csv({ columns: ['n'], header });
      const { disk, writer } = await opened(
        fileSink<{ readonly n: number }>('out', { format, part: { size: 8 } }),
      );
      await writer.write(rows);
      assert.deepEqual(
        (await prepared(writer, disk)).map(({ content }) => String(content)),
        header ? ['n\n10\n11\n', 'n\n12\n'] : ['10\n11\n', '12\n'],
      );
    }
  });

  test('writes what has one plain form, and refuses the rest by its column', async () => {
    interface Anything {
      readonly v?: unknown;
      readonly w: string;
    }
    const line = async (v: unknown) => {
      const { disk, writer } = await opened(
        fileSink<Anything>('out', { format: csv({ columns: ['v', 'w'] }) }),
      );
      await writer.write([{ v, w: 'x' }]);
      return String((await prepared(writer, disk))[0]?.content).split('\n')[1];
    };
    const good = new Map<unknown, string>([
      [1.5, '1.5'],
      [10n, '10'],
      [true, 'true'],
      [null, ''],
      [undefined, ''],
      ['=1+1', '=1+1'],
      [new Date(0), '1970-01-01T00:00:00.000Z'],
    ]);
    for (const [value, text] of good) assert.equal(await line(value), `${text},x`);
    for (const bad of [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      {},
      [],
      '\ud800',
      new Date(Number.NaN),
      Symbol('s'),
    ]) {
      await assert.rejects(
        line(bad),
        refused('VALUE_REFUSED', /sink out: no row of CSV: column v cannot hold/),
      );
    }
    const { writer } = await opened(
      fileSink<string>('out', JSON.parse('{"format":{"kind":"csv","columns":["a"]}}')),
    );
    assert.throws(() => writer.write(['text']), refused('VALUE_REFUSED', /no object with properties/));
  });

  test('of one column has no empty line, which a reader would pass over', async () => {
    const { disk, writer } = await opened(
      fileSink<{ readonly n: string }>('out', { format: csv({ columns: ['n'] }) }),
    );
    await writer.write([{ n: '' }, { n: 'a' }]);
    assert.equal(String((await prepared(writer, disk))[0]?.content), 'n\n""\na\n');
  });
});

test('gzip is what gzip(1) reads', async () => {
  const { disk, writer } = await opened(
    fileSink<string>('out', { gzip: { level: 9 }, encode: (text) => text }),
  );
  const lines = Array.from({ length: 5000 }, (_, i) => `line ${i} ${'x'.repeat(i % 97)}`);
  await writer.write(lines);
  const [file] = await prepared(writer, disk);
  const gzip = spawnSync('gzip', ['-dc'], { input: file?.content, maxBuffer: 1 << 26 });
  assert.equal(gzip.status, 0);
  assert.equal(String(gzip.stdout), `${lines.join('\n')}\n`);
  assert.ok((file?.bytes ?? 0) < gzip.stdout.length / 4);
});

test('columns are properties of the elements: the compiler finds others', () => {
  interface Count {
    readonly word: string;
    readonly n?: number;
  }
  const definition = defineJob('typed', {}, (job) => {
    const counts = job.source('in', fromArray<Count>([]));
    counts.sink('all', fileSink('all', { format: csv({ columns: ['word', 'n'] }) }));
    counts.sink('text', fileSink('text', { encode: (count) => count.word }));
    // @ts-expect-error: no such property.
    counts.sink('other', fileSink('other', { format: csv({ columns: ['wrd'] }) }));
  });
  assert.equal(definition.build({}).nodes.length, 4);
});

test('options that cannot be meant are all named', () => {
  const made = (text: string) => () => fileSink('out', JSON.parse(text));
  const findings =
    /no property "frmat".*prefix is.*format: expected.*gzip: expected.*part\.size: expected.*part\.every/;
  const all =
    '{"frmat":1,"prefix":".a","format":"xml","gzip":{"level":10},"part":{"size":"0","every":"soon"}}';
  assert.throws(made(all), refused('DEFINITION_INVALID', findings));
  for (const text of [
    '{"part":{}}',
    '{"part":5}',
    '{"part":{"sise":1}}',
    '{"gzip":"yes"}',
    '{"encode":"x"}',
    '[]',
  ])
    assert.throws(made(text), refused('DEFINITION_INVALID', /fileSink\("out"\): /), text);
  const both = { encode: String, format: JSON.parse('"json"') };
  assert.throws(() => fileSink('out', both), refused('DEFINITION_INVALID', /encode and format/));
  const columns = (text: string) => () => csv(JSON.parse(text));
  for (const text of [
    '{"columns":[]}',
    '{"columns":["a","a"]}',
    '{"columns":[1]}',
    '{"columns":["a"],"delimiter":"ab"}',
    '5',
  ])
    assert.throws(columns(text), refused('DEFINITION_INVALID', /csv\(\): /), text);
});

function refused(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TidemarkError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

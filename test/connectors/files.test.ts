import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { TidemarkError } from '../../src/base/errors.js';
import { realDisk } from '../../src/base/real-disk.js';
import { files } from '../../src/connectors/files.js';
import fc from '../helpers/property.js';
import { batchesOf, contextOf, diskOf, elementsOf, shortReads, suffixes } from './reading.js';

/** A line's text: no line ends; often multibyte, sometimes longer than a block. */
const line = fc.oneof(
  { weight: 20, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
  { weight: 10, arbitrary: fc.constantFrom('', ' ', '\r', 'a\rb', '😀', '\ufeff', '"') },
  { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 200_000 }).map((n) => 'ü'.repeat(n)) },
);
const lineEnd = fc.constantFrom('\n', '\r\n');
const text = fc
  .tuple(fc.array(fc.tuple(line, lineEnd), { maxLength: 40 }), line, fc.boolean())
  .map(([lines, last, bom]) => {
    const content =
      lines.map(([each, end]) => each.replaceAll('\n', '') + end).join('') + last.replaceAll('\n', '');
    return (bom ? '\ufeff' : '') + content;
  });

/** What the lines of a text are, written down another way than the source does it. */
function linesIn(content: string): string[] {
  const found = (content.startsWith('\ufeff') ? content.slice(1) : content).split(/\n/);
  if (found.at(-1) === '') found.pop();
  return found.map((each) => each.replace(/\r$/, ''));
}

function failsWith(code: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof TidemarkError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

describe('lines', () => {
  test('are read whole, from the start and from every position', async () => {
    await fc.assert(
      fc.asyncProperty(
        text,
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 70_000 }),
        async (content, batch, most) => {
          const bytes = Buffer.from(content, 'utf8');
          const least = Math.ceil(bytes.length / 100);
          const context = contextOf(shortReads(diskOf({ 'in.txt': bytes }), Math.max(most, least)));
          const source = files('in.txt');
          const expected = linesIn(bytes.toString('utf8'));
          assert.deepEqual(await elementsOf(source, { context, batch }), expected);
          for (const { read, rest } of await suffixes(source, { context, batch })) {
            assert.deepEqual(rest, expected.slice(read));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('come in batches of at most the wanted number and of little text', async () => {
    const content = `${'x'.repeat(1000)}\n`.repeat(500);
    const context = contextOf(diskOf({ 'in.txt': content }));
    for (const { elements } of await batchesOf(files('in.txt'), { context, batch: 100_000 })) {
      assert.ok(elements.join('\n').length < 70_000);
    }
    for (const { elements } of await batchesOf(files('in.txt'), { context, batch: 7 })) {
      assert.ok(elements.length <= 7);
    }
  });

  test('positions are exact byte offsets', async () => {
    const context = contextOf(diskOf({ 'in.txt': '\ufeffé\r\nab\n\nlast' }));
    const batches = await batchesOf(files('in.txt'), { context, batch: 1 });
    assert.deepEqual(
      batches.map(({ elements, position }) => [elements[0], position.offset]),
      [
        ['é', 7],
        ['ab', 10],
        ['', 11],
        ['last', 15],
      ],
    );
  });

  test('longer than allowed are refused with file and offset, whole or without end', async () => {
    for (const content of ['ab\n0123456789\n', 'ab\n0123456789']) {
      const context = contextOf(diskOf({ 'in.txt': content }));
      const reading = elementsOf(files('in.txt', { maxLine: 9 }), { context });
      await assert.rejects(
        reading,
        failsWith('SOURCE_DATA', /\/data\/in\.txt: the line at byte 3 .* 9 bytes/),
      );
      const allowed = await elementsOf(files('in.txt', { maxLine: 10 }), { context });
      assert.deepEqual(allowed, ['ab', '0123456789']);
    }
  });
});

describe('JSON', () => {
  test('is an element a line, and blank lines are none', async () => {
    const context = contextOf(diskOf({ 'in.jsonl': '{"a":1}\n\n[2]\r\n  \n"three"' }));
    assert.deepEqual(await elementsOf(files('in.jsonl', { format: 'json' }), { context }), [
      { a: 1 },
      [2],
      'three',
    ]);
  });

  test('that is none is refused with file, offset and the line, cut', async () => {
    const bad = `{"é": ${'x'.repeat(500)}`;
    const context = contextOf(diskOf({ 'in.jsonl': `{"é":1}\n\n${bad}\n` }));
    await assert.rejects(
      elementsOf(files('in.jsonl', { format: 'json' }), { context }),
      failsWith('SOURCE_DATA', /\/data\/in\.jsonl: byte 10: not JSON .*: \{"é": x{100,114}…$/),
    );
  });

  test('is held against a schema, which types it', async () => {
    const context = contextOf(diskOf({ 'in.jsonl': '{"n":1}\n{"n":"x"}\n' }));
    const source = files('in.jsonl', {
      format: 'json',
      schema: z.object({ n: z.number() }),
    });
    await assert.rejects(
      elementsOf(source, { context }),
      failsWith('SOURCE_DATA', /byte 8: does not match its schema at n .*: \{"n":"x"\}/),
    );
  });

  test('an asynchronous schema is refused', async () => {
    const context = contextOf(diskOf({ 'in.jsonl': '1\n' }));
    const schema = z.number().refine(async () => true);
    const slow = {
      '~standard': { ...schema['~standard'], validate: async (value: unknown) => ({ value: Number(value) }) },
    };
    await assert.rejects(
      elementsOf(files('in.jsonl', { format: 'json', schema: slow }), { context }),
      failsWith('DEFINITION_INVALID', /asynchronous/),
    );
  });
});

describe('CSV', () => {
  const field = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.constantFrom('', '"', '""', 'a\nb', 'a\r\nb', ' x ', ',', '😀,"\n'),
  );
  const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`;
  // Quoted where it must be, and sometimes where it need not.
  const written = fc.tuple(field, fc.boolean()).map(([value, always]) => {
    const clean = Buffer.from(value, 'utf8').toString('utf8');
    const needed = /["\n\r,]/.test(clean) || clean === '' || clean.startsWith('\ufeff');
    return { value: clean, text: always || needed ? quoted(clean) : clean };
  });

  test('rows are read from the start and from every position', async () => {
    const row = fc.tuple(fc.array(written, { minLength: 3, maxLength: 3 }), lineEnd, fc.boolean());
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 20 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 50 }),
        fc.boolean(),
        async (rows, batch, most, bom) => {
          const body = rows.map(
            ([cells, end, blank]) => `${cells.map((c) => c.text).join(',')}${end}${blank ? end : ''}`,
          );
          const content = `${bom ? '\ufeff' : ''}a,"b ""1""",c\n${body.join('')}`;
          const expected = rows.map(([cells]) => ({
            a: cells[0]?.value,
            'b "1"': cells[1]?.value,
            c: cells[2]?.value,
          }));
          const context = contextOf(shortReads(diskOf({ 'in.csv': content }), most));
          const source = files('in.csv', { format: 'csv' });
          assert.deepEqual(await elementsOf(source, { context, batch }), expected);
          for (const { read, rest } of await suffixes(source, { context, batch })) {
            assert.deepEqual(rest, expected.slice(read));
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  test('takes a delimiter, and column names for files without them', async () => {
    const context = contextOf(diskOf({ 'in.csv': '1;2\n3;"4;5"' }));
    const source = files('in.csv', { format: 'csv', delimiter: ';', header: ['x', 'y'] });
    assert.deepEqual(await elementsOf(source, { context }), [
      { x: '1', y: '2' },
      { x: '3', y: '4;5' },
    ]);
  });

  test('bad rows are refused with file and offset', async () => {
    const reading = (content: string) =>
      elementsOf(files('in.csv', { format: 'csv' }), { context: contextOf(diskOf({ 'in.csv': content })) });
    await assert.rejects(
      reading('a,b\n1,2\n\n3\n'),
      failsWith('SOURCE_DATA', /in\.csv: byte 9: 1 fields where .* 2: 3/),
    );
    await assert.rejects(
      reading('a,b\n1,2\n3,"x"y\n'),
      failsWith('SOURCE_DATA', /byte 8: not CSV .*: 3,"x"y/),
    );
    await assert.rejects(reading('a,a\n1,2\n'), failsWith('SOURCE_DATA', /byte 0: .*"a" twice/));
    await assert.rejects(reading('a,__proto__\n1,2\n'), failsWith('SOURCE_DATA', /byte 0: .*__proto__/));
    await assert.rejects(reading('a,b\n1,"2\n'), failsWith('SOURCE_DATA', /byte 4: not CSV/));
  });
});

describe('a file that is resumed', () => {
  const source = files('in.txt');

  async function resumed(content: string, now: string | undefined) {
    const batches = await batchesOf(source, { context: contextOf(diskOf({ 'in.txt': content })), batch: 1 });
    const position = batches.at(-1)?.position;
    assert.ok(position !== undefined);
    const context = contextOf(diskOf(now === undefined ? {} : { 'in.txt': now }));
    return elementsOf(source, { context, split: 'in.txt', position });
  }

  test('and has grown is read on', async () => {
    assert.deepEqual(await resumed('a\nb\n', 'a\nb\nc\n'), ['c']);
  });

  test('and is other before the offset is refused', async () => {
    const long = `${'x'.repeat(100)}\n`.repeat(100);
    const refused = failsWith('SOURCE_CHANGED', /\/data\/in\.txt has changed since it was read up to byte/);
    await assert.rejects(resumed('a\nb\n', 'a\nc\n'), refused);
    await assert.rejects(resumed('a\nb\n', 'a\n'), refused);
    await assert.rejects(resumed('a\nb\n', ''), refused);
    await assert.rejects(resumed(long, long.replace('x', 'y')), refused);
    await assert.rejects(resumed(long, `${long.slice(0, -2)}y\n`), refused);
  });

  test('and goes on in the middle of its last line is refused', async () => {
    await assert.rejects(resumed('a\nb', 'a\nbc\n'), failsWith('SOURCE_CHANGED', /goes on now/));
    assert.deepEqual(await resumed('a\nb', 'a\nb'), []);
  });

  test('and is gone is refused', async () => {
    await assert.rejects(resumed('a\n', undefined), failsWith('FILE_NOT_FOUND', /in\.txt is gone.*byte 2/));
  });

  test('positions that are none are refused', () => {
    const good = { path: 'a', offset: 0, head: 0, tail: 0 };
    assert.deepEqual(source.position.check(good), good);
    for (const bad of [
      null,
      {},
      { ...good, offset: -1 },
      { ...good, offset: 0.5 },
      { ...good, header: [1] },
    ]) {
      assert.throws(() => source.position.check(bad));
    }
  });
});

describe('patterns', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidemark-files-'));
    await mkdir(join(folder, 'logs/b'), { recursive: true });
    for (const name of ['z.txt', 'a.txt', 'b/c.txt', '.hidden.txt', 'other.log']) {
      await writeFile(join(folder, 'logs', name), `${name}\n`);
    }
  });
  after(() => rm(folder, { recursive: true }));

  const ids = async (pattern: string, options = {}) =>
    (await files(pattern, options).splits(contextOf(realDisk, folder))).map((split) => split.id);

  test('name a split a file, relative to their fixed part, in order', async () => {
    assert.deepEqual(await ids('logs/*.txt'), ['a.txt', 'z.txt']);
    assert.deepEqual(await ids('logs/**/*.txt'), ['a.txt', 'b/c.txt', 'z.txt']);
    assert.deepEqual(await ids('*/b/c.{txt,log}'), ['logs/b/c.txt']);
    assert.deepEqual(await ids(`${folder}/logs/z.*`), ['z.txt']);
    assert.deepEqual(await ids('logs/b/c.txt'), ['c.txt']);
    assert.deepEqual(await ids('./logs/../logs/z.txt'), ['z.txt']);
  });

  test('read the file that a split names', async () => {
    const context = contextOf(realDisk, folder);
    assert.deepEqual(await elementsOf(files('logs/**/*.txt'), { context, split: 'b/c.txt' }), ['b/c.txt']);
  });

  test('that match nothing are refused, unless the files are waited for', async () => {
    await assert.rejects(
      ids('logs/*.csv'),
      failsWith('FILE_NOT_FOUND', /no file matches logs\/\*\.csv in .*logs$/),
    );
    await assert.rejects(ids('logs/none.txt'), failsWith('FILE_NOT_FOUND', /there is no file .*none\.txt$/));
    await assert.rejects(ids('logs'), failsWith('FILE_NOT_FOUND', /logs is not a file/));
    await assert.rejects(ids('logs', { follow: true }), failsWith('FILE_NOT_FOUND', /logs is not a file/));
    assert.deepEqual(await ids('logs/*.csv', { follow: true }), []);
    assert.deepEqual(await ids('logs/none.txt', { follow: true }), ['none.txt']);
  });
});

test('options that make no sense are refused', () => {
  const refused = (make: () => unknown) => assert.throws(make, failsWith('DEFINITION_INVALID', /files\(/));
  refused(() => files(''));
  refused(() => files('a', { rate: 0 }));
  refused(() => files('a', { maxLine: -1 }));
  refused(() => files('a', { format: 'csv', delimiter: '"' }));
  refused(() => files('a', { format: 'csv', header: ['x', 'x'] }));
});

test('elements are typed by the options', () => {
  const text: string[] = [];
  const push = <T>(
    into: T[],
    source: { read(request: never): AsyncIterable<{ elements: readonly T[] }> },
  ) => {
    void into;
    void source;
  };
  push(text, files('a'));
  push(text, files('a', { format: 'lines' }));
  push<Readonly<Record<string, string>>>([], files('a', { format: 'csv' }));
  push<{ n: number }>([], files<{ n: number }>('a', { format: 'json' }));
  push<{ n: number }>([], files('a', { format: 'json', schema: z.object({ n: z.number() }) }));
  push<{ n: number }>([], files('a', { format: 'csv', schema: z.object({ n: z.coerce.number() }) }));
  // @ts-expect-error lines are no numbers
  push<number>([], files('a'));
  assert.equal(files('a', { rate: 5 }).rate, 5);
  assert.equal(files('a').concurrency, 1);
  assert.equal(files('a', { follow: true }).concurrency, undefined);
  assert.equal(files('a', { follow: true, pollInterval: '1s' }).rediscover, 5000);
});

/** Standard input: read record by record across attempts that fail, and forgotten only where it is said. */
import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { collect } from '../../src/connectors/collect.js';
import { stdin } from '../../src/connectors/stdin.js';
import { defineJob } from '../../src/graph/define.js';
import { describeGraph } from '../../src/graph/describe.js';
import { resolveSettings } from '../../src/graph/resolve-settings.js';
import type { Batch, SourceSpec, StandardInput } from '../../src/graph/source.js';
import { HELD_BYTES, KeptInput } from '../../src/job/standard-input.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import fc from '../helpers/property.js';
import { contextOf } from './reading.js';

function failsWith(code: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof TidemarkError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

interface Attempt<T, P> {
  readonly source: SourceSpec<T, P>;
  readonly input?: StandardInput | undefined;
  readonly position?: P | undefined;
  readonly batch?: number;
  /** It fails after so many batches. */
  readonly batches?: number;
}

/** Reads as an attempt does, from a position that went through a checkpoint. */
async function attempt<T, P>({ source, input, position, batch = 3, batches = 1e9 }: Attempt<T, P>) {
  const log: string[] = [];
  const context = {
    ...contextOf(new FaultyDisk()),
    log: (line: string) => void log.push(line),
    stdin: input,
  };
  const [split] = await source.splits(context);
  assert.ok(split !== undefined);
  const from = position === undefined ? split.start : source.position.upgrade(structuredClone(position), 1);
  const abort = new AbortController();
  const request = { ...context, split: split.id, position: from, batch, signal: abort.signal, state: {} };
  const read: Batch<T, P>[] = [];
  if (batches === 0) return { read, log };
  for await (const each of source.read(request)) {
    read.push(each);
    if (read.length >= batches) break;
  }
  abort.abort();
  return { read, log };
}

const elementsOf = <T, P>(batches: readonly Batch<T, P>[]) => batches.flatMap(({ elements }) => elements);

describe('attempts of one process', () => {
  const cell = fc.string({ unit: 'grapheme-ascii', maxLength: 6 });
  const rows = fc.array(fc.tuple(cell, cell), { maxLength: 30 });
  const fail = fc.record({ after: fc.nat(4), checkpoint: fc.nat(4) });

  test('together read all there is, each from its checkpoint, however the input comes', async () => {
    await fc.assert(
      fc.asyncProperty(
        rows,
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        fc.array(fail, { maxLength: 6 }),
        fc.integer({ min: 1, max: 5 }),
        async (cells, sizes, failures, batch) => {
          const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
          const text = ['a,b', ...cells.map((row) => row.map(quoted).join(','))].join('\n');
          const input = new KeptInput(() =>
            Readable.from(cut(Buffer.from(text), sizes), { objectMode: false }),
          );
          const source = stdin({ format: 'csv' });
          let position: Parameters<typeof source.position.check>[0];
          const done: unknown[] = [];
          for (const { after, checkpoint } of [...failures, { after: 1e9, checkpoint: 1e9 }]) {
            const from = source.position.check(position ?? { run: '', offset: 0 });
            const { read, log } = await attempt({ source, input, position: from, batch, batches: after });
            assert.deepEqual(log, []);
            // Some of its batches are in a checkpoint; what it processed beyond is done again.
            const kept = read.slice(0, checkpoint);
            done.push(...elementsOf(kept));
            position = kept.at(-1)?.position ?? position;
          }
          assert.deepEqual(
            done,
            cells.map(([a, b]) => ({ a, b })),
          );
        },
      ),
      { numRuns: 100 },
    );
  });

  test('lose what is held no more, and say how much, but read whole records on', async () => {
    const lines = Array.from({ length: 150_000 }, (_, i) => `line ${i} ${'x'.repeat(200)}`);
    const input = new KeptInput(() => Readable.from([Buffer.from(`${lines.join('\n')}\n`)]));
    const source = stdin();
    const first = await attempt({ source, input, batch: 1000, batches: 400 });
    assert.deepEqual(first.log, []);
    const position = first.read[9]?.position;
    const { read, log } = await attempt({ source, input, position, batch: 1000 });
    const rest = elementsOf(read);
    const at = lines.indexOf(rest[0] ?? '');
    assert.ok(at > 0, rest[0]);
    assert.deepEqual(rest, lines.slice(at));
    assert.equal(log.length, 1);
    const lost = Number(/^(\d+) bytes of standard input/.exec(log[0] ?? '')?.[1]);
    const offset = lines.slice(0, at).reduce((sum, line) => sum + line.length + 1, 0);
    assert.equal(lost, offset - Number(position?.offset));
    // No more is held than was said, and not much less.
    const end = Number(first.read.at(-1)?.position.offset);
    assert.ok(
      end - offset < HELD_BYTES + 1_000_000 && end - offset > HELD_BYTES - 1_000_000,
      `${end - offset}`,
    );
  });

  test('read on where another was still waiting for input', async () => {
    const stream = new PassThrough();
    const input = new KeptInput(() => stream);
    const source = stdin();
    stream.write('one\ntw');
    const context = { ...contextOf(new FaultyDisk()), stdin: input };
    const abort = new AbortController();
    const request = { ...context, split: 'stdin', position: { run: '', offset: 0 }, batch: 5, state: {} };
    const batches = source.read({ ...request, signal: abort.signal })[Symbol.asyncIterator]();
    assert.deepEqual((await batches.next()).value?.elements, ['one']);
    const waiting = batches.next();
    abort.abort();
    assert.deepEqual(await waiting, { done: true, value: undefined });
    const next = attempt({ source, input });
    stream.end('o\nthree');
    assert.deepEqual(elementsOf((await next).read), ['one', 'two', 'three']);
  });

  test('are told each that the system refuses to read', async () => {
    const input = new KeptInput(
      () =>
        new Readable({
          read() {
            this.destroy(new Error('EIO: of the terminal'));
          },
        }),
    );
    for (let i = 0; i < 2; i++)
      await assert.rejects(attempt({ source: stdin(), input }), /EIO: of the terminal/);
  });
});

test('a position of another process means the beginning', async () => {
  const source = stdin({ format: 'csv' });
  const input = new KeptInput(() => Readable.from([Buffer.from('a\n1\n2\n')]));
  const position = { run: 'another', offset: 4, header: ['b'] };
  assert.deepEqual(elementsOf((await attempt({ source, input, position })).read), [{ a: '1' }, { a: '2' }]);
});

test('without standard input the source is at its end, and says why', async () => {
  const { read, log } = await attempt({ source: stdin() });
  assert.deepEqual(read, []);
  assert.match(log.join(), /there is no standard input \(a detached job has none\)/);
});

test('bad records are named by their byte', async () => {
  const input = () => new KeptInput(() => Readable.from([Buffer.from('{"a":1}\nbad\n')]));
  const bad = failsWith('SOURCE_DATA', /^standard input: byte 8: not JSON/);
  await assert.rejects(attempt({ source: stdin({ format: 'json' }), input: input() }), bad);
  const long = failsWith(
    'SOURCE_DATA',
    /^standard input: the line at byte 0 is longer than the 5 bytes allowed/,
  );
  await assert.rejects(attempt({ source: stdin({ maxLine: 5 }), input: input() }), long);
});

test('what cannot be meant is refused: options, and two sources', () => {
  for (const text of [
    '{"format":"xml"}',
    '{"follow":true}',
    '{"rate":0}',
    '{"format":"csv","delimiter":""}',
    '5',
  ])
    assert.throws(() => stdin(JSON.parse(text)), failsWith('DEFINITION_INVALID', /stdin\(\): /), text);
  const twice = defineJob('twice', {}, (job) => {
    for (const uid of ['a', 'b']) job.source(uid, stdin()).sink(`${uid}-out`, collect<string>([]));
  });
  assert.throws(
    () => twice.build({}),
    failsWith('GRAPH_INVALID', /sources "a" and "b" both read standard input/),
  );
});

test('what plan tells of it says that it cannot be read again', () => {
  const definition = defineJob('one', {}, (job) => {
    job.source('in', stdin({ format: 'csv' })).sink('out', collect([]));
  });
  const described = describeGraph(definition.build({}), resolveSettings(definition.settings, {}));
  assert.equal(described.replayable, false);
  const [source] = described.nodes;
  assert.deepEqual(source?.source, { kind: 'stdin', describe: 'standard input, as csv', replayable: false });
});

test('positions of others are checked', () => {
  for (const bad of [
    null,
    {},
    { run: 1, offset: 0 },
    { run: '', offset: -1 },
    { run: '', offset: 0, header: [1] },
  ])
    assert.throws(() => stdin().position.check(bad), JSON.stringify(bad));
});

function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

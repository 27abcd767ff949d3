/** A batch of every source ends where it is asked to, and positions compare as they lie. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { type FilePosition, files } from '../../src/connectors/files.js';
import { fromArray } from '../../src/connectors/from-array.js';
import { sequence } from '../../src/connectors/sequence.js';
import type { Batch, ReadRequest, SourceContext, SourceSpec } from '../../src/graph/source.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import fc from '../helpers/property.js';

const RECORDS = 40;

function contextOf(disk: FaultyDisk): SourceContext {
  return { cwd: '/data', disk, clock: systemClock, log: () => undefined };
}

/** Batches from a position, until enough records have come or there are no more. */
async function read<T, P>(
  source: SourceSpec<T, P>,
  context: SourceContext,
  request: Pick<ReadRequest<P>, 'split' | 'position' | 'batch'> & { readonly until?: P },
  most: number,
): Promise<Batch<T, P>[]> {
  const abort = new AbortController();
  const batches: Batch<T, P>[] = [];
  let records = 0;
  for await (const batch of source.read({ ...context, ...request, state: {}, signal: abort.signal })) {
    batches.push(batch as Batch<T, P>);
    records += batch.elements.length;
    if (records >= most) break;
  }
  abort.abort();
  return batches;
}

async function endsWhereAsked<T, P>(source: SourceSpec<T, P>, context: SourceContext): Promise<void> {
  const [split] = await source.splits(context);
  assert.ok(split !== undefined && source.compare !== undefined);
  const { id, start } = split;
  const one = await read(source, context, { split: id, position: start, batch: 1 }, RECORDS);
  const all = one.flatMap(({ elements }) => elements);
  assert.equal(all.length, RECORDS);
  await fc.assert(
    fc.asyncProperty(
      fc.nat(one.length - 1),
      fc.nat(one.length - 1),
      fc.integer({ min: 1, max: 50 }),
      async (a, b, batch) => {
        const [from = start, until = start] = [one[Math.min(a, b)]?.position, one[Math.max(a, b)]?.position];
        assert.equal(
          Math.sign(source.compare?.(from, until) ?? Number.NaN),
          Math.sign(until === from ? 0 : -1),
        );
        assert.equal(
          Math.sign(source.compare?.(until, from) ?? Number.NaN),
          Math.sign(until === from ? 0 : 1),
        );
        if (from === until) return;
        const left = all.length - one.slice(0, Math.min(a, b) + 1).flatMap(({ elements }) => elements).length;
        const batches = await read(source, context, { split: id, position: from, batch, until }, left);
        const ended = batches.findIndex(({ position }) => source.compare?.(position, until) === 0);
        assert.ok(ended >= 0, 'no batch ends there');
        const before = batches.slice(0, ended + 1).flatMap(({ elements }) => elements);
        const expected = one
          .slice(Math.min(a, b) + 1, Math.max(a, b) + 1)
          .flatMap(({ elements }) => elements);
        assert.deepEqual(before, expected);
        // And nothing is lost after it.
        assert.equal(batches.flatMap(({ elements }) => elements).length, left);
      },
    ),
    { numRuns: 40 },
  );
}

function diskWith(name: string, record: (i: number) => string, head = ''): FaultyDisk {
  const disk = new FaultyDisk();
  const text = Array.from({ length: RECORDS }, (_, i) => record(i)).join('');
  disk.plant(`/data/${name}`, Buffer.from(head + text));
  return disk;
}

test('numbers, and the elements of an array', async () => {
  const context = contextOf(new FaultyDisk());
  await endsWhereAsked(sequence({ count: RECORDS }), context);
  await endsWhereAsked(fromArray(Array.from({ length: RECORDS }, (_, i) => `e${i}`)), context);
});

for (const follow of [false, true]) {
  const what = follow ? 'as they grow' : 'once';
  test(`lines, documents and rows of files read ${what}`, async () => {
    const context = contextOf(diskWith('in.txt', (i) => `${'é'.repeat(i % 7)} ${i}\n`));
    await endsWhereAsked(files('in.txt', { follow }), context);
    const documents = contextOf(diskWith('in.jsonl', (i) => `{"n":${i}}\n${i % 3 === 0 ? '\n' : ''}`));
    await endsWhereAsked(files('in.jsonl', { format: 'json', follow }), documents);
    const rows = contextOf(diskWith('in.csv', (i) => `${i},"a\n${'b'.repeat(i % 5)}"\n`, 'n,text\n'));
    await endsWhereAsked(files('in.csv', { format: 'csv', follow }), rows);
  });
}

test('positions in files that may follow each other, or are copies', () => {
  const { compare } = files('app.log', { follow: true });
  const at = (more: Partial<FilePosition>): FilePosition => ({
    path: 'app.log',
    offset: 9,
    head: 1,
    tail: 2,
    ...more,
  });
  assert.equal(compare?.(at({ inode: 1 }), at({ inode: 1, path: 'app.log.1', modified: 5 })), 0, 'renamed');
  assert.equal(compare?.(at({ inode: 1 }), at({ inode: 2, tail: 3 })), undefined, 'another file');
  assert.equal(compare?.(at({ inode: 1 }), at({ inode: 2 })), 0, 'a copy');
  assert.equal(compare?.(at({ inode: 1 }), at({ inode: 1, tail: 3 })), undefined, 'other content');
  assert.equal(
    compare?.(at({ offset: 0 }), at({ offset: 0, inode: 2, path: 'other.log' })),
    undefined,
    'not begun',
  );
  assert.equal(compare?.(at({ offset: 0 }), at({ offset: 0, inode: 2 })), 0, 'not begun, and found');
});

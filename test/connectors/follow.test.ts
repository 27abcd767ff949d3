/** Following, on real files. Lines are numbered as written, so that lost, doubled and swapped ones show. */
import assert from 'node:assert/strict';
import { appendFile, copyFile, mkdtemp, readdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { realDisk } from '../../src/base/real-disk.js';
import { type FilePosition, files } from '../../src/connectors/files.js';
import type { SourceSpec } from '../../src/graph/source.js';
import fc from '../helpers/property.js';
import { Follower } from './following.js';
import { contextOf } from './reading.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-follow-'));
});
afterEach(() => rm(folder, { recursive: true }));

const path = (name: string) => join(folder, name);
const source = files('app.log', { follow: true });

interface From {
  readonly source?: SourceSpec<string, FilePosition>;
  readonly position?: FilePosition;
  readonly batch?: number;
}

async function start(from: From = {}): Promise<Follower<FilePosition>> {
  const spec = from.source ?? source;
  const [split] = await spec.splits(contextOf(realDisk, folder));
  assert.ok(split !== undefined);
  const { position = split.start, batch = 1000 } = from;
  const follower = new Follower(spec, folder, { split: split.id, position, batch });
  await follower.settle();
  return follower;
}

/** Reads what is there now from a position, or from the start. */
async function readNow(from: From = {}): Promise<string[]> {
  const follower = await start(from);
  // Three looks: to find, to switch to what came between, to be sure nothing comes twice.
  for (let i = 0; i < 3; i++) await follower.look();
  await follower.stop();
  return follower.lines;
}

function lastPosition(follower: Follower<FilePosition>): FilePosition {
  const position = follower.batches.at(-1)?.position;
  assert.ok(position !== undefined);
  return source.position.upgrade(structuredClone(position), source.position.version);
}

describe('a followed file', () => {
  test('is read on as it grows, whole lines only', async () => {
    await writeFile(path('app.log'), 'a\nb');
    const follower = await start();
    assert.deepEqual(follower.lines, ['a']);
    await appendFile(path('app.log'), 'b\r');
    await follower.look();
    assert.deepEqual(follower.lines, ['a']);
    await appendFile(path('app.log'), '\nc\nd');
    await follower.look();
    assert.deepEqual(follower.lines, ['a', 'bb', 'c']);
    const position = lastPosition(follower);
    await follower.stop();
    assert.deepEqual(await readNow({ position }), []);
    await appendFile(path('app.log'), 'd\n');
    assert.deepEqual(await readNow({ position }), ['dd']);
  });

  test('may come later, go, and come back', async () => {
    const follower = await start();
    await follower.look();
    await writeFile(path('app.log'), 'a\n');
    await follower.look();
    assert.deepEqual(follower.lines, ['a']);
    await rm(path('app.log'));
    await follower.look();
    await follower.look();
    await writeFile(path('app.log'), 'a\nb\n');
    await follower.look();
    assert.deepEqual(follower.lines, ['a', 'a', 'b']);
    await rename(path('app.log'), path('elsewhere'));
    await follower.look();
    await rename(path('elsewhere'), path('app.log'));
    await appendFile(path('app.log'), 'c\n');
    await follower.look();
    assert.deepEqual(follower.lines, ['a', 'a', 'b', 'c']);
    await follower.stop();
  });

  test('that is truncated begins again', async () => {
    await writeFile(path('app.log'), 'a1\na2\na3\n');
    const follower = await start();
    await truncate(path('app.log'), 0);
    await follower.look();
    await appendFile(path('app.log'), 'b1\n');
    await follower.look();
    assert.deepEqual(follower.lines, ['a1', 'a2', 'a3', 'b1']);
    // Truncated and written to the same length between two looks, and to more.
    await writeFile(path('app.log'), 'c1\n');
    await follower.look();
    await writeFile(path('app.log'), 'd1\nd2\nd3\nd4\n');
    await follower.look();
    assert.deepEqual(follower.lines.slice(4), ['c1', 'd1', 'd2', 'd3', 'd4']);
    // With half a line read ahead that is there no more.
    await writeFile(path('app.log'), 'half');
    await follower.look();
    await follower.look();
    await writeFile(path('app.log'), 'g1\ng2\n');
    await follower.look();
    assert.deepEqual(follower.lines.slice(9), ['g1', 'g2']);
    await writeFile(path('app.log'), 'd1\nd2\nd3\n');
    await follower.look();
    const position = lastPosition(follower);
    assert.ok(
      follower.said.some((line) => /app\.log was truncated at byte 9/.test(line)),
      follower.said.join(),
    );
    await follower.stop();
    await writeFile(path('app.log'), 'e1\ne2\ne3\ne4\ne5\n');
    assert.deepEqual(await readNow({ position }), ['e1', 'e2', 'e3', 'e4', 'e5']);
    await writeFile(path('app.log'), 'f1\n');
    assert.deepEqual(await readNow({ position }), ['f1']);
  });

  test('that is copied and truncated has its copy left alone', async () => {
    await writeFile(path('app.log'), 'a1\na2\n');
    const pattern = files('app.log*', { follow: true });
    const follower = await start({ source: pattern });
    await copyFile(path('app.log'), path('app.log.1'));
    await truncate(path('app.log'), 0);
    await appendFile(path('app.log'), 'b1\n');
    await follower.look();
    assert.deepEqual(follower.lines, ['a1', 'a2', 'b1']);
    const position = lastPosition(follower);
    await follower.stop();
    await copyFile(path('app.log'), path('app.log.1'));
    await truncate(path('app.log'), 0);
    await appendFile(path('app.log'), 'c1\n');
    assert.deepEqual(await readNow({ source: pattern, position }), ['c1']);
  });

  test('that moved to a name no rotation gives is found again after a restart', async () => {
    await writeFile(path('app.log'), 'a\nb\n');
    const follower = await start({ batch: 1 });
    await follower.stop();
    const first = follower.batches.find((batch) => batch.elements[0] === 'a');
    await rename(path('app.log'), path('app.log.old'));
    await writeFile(path('app.log'), 'c\n');
    assert.ok(first !== undefined);
    assert.deepEqual(await readNow({ position: first.position }), ['b', 'c']);
  });

  test('that is gone after a restart is given up, and said so', async () => {
    await writeFile(path('app.log'), 'a\nb\n');
    const follower = await start();
    const position = lastPosition(follower);
    await follower.stop();
    await rm(path('app.log'));
    // Held, so that the new file cannot get the old one's inode.
    await writeFile(path('unrelated'), '');
    await writeFile(path('app.log'), 'x\ny\nz\n');
    const again = await start({ position });
    assert.deepEqual(again.lines, ['x', 'y', 'z']);
    assert.equal(again.said.length, 1);
    await again.stop();
  });

  test('copied to another disk with its folder is read on', async () => {
    await writeFile(path('app.log'), 'a\nb\n');
    const follower = await start();
    const position = { ...lastPosition(follower), inode: 1 };
    await follower.stop();
    await appendFile(path('app.log'), 'c\n');
    assert.deepEqual(await readNow({ position }), ['c']);
  });

  test('as CSV has its header in every file, and records with line ends inside wait too', async () => {
    const csv = files('app.csv', { format: 'csv', follow: true });
    const rows = (follower: { batches: readonly { elements: readonly unknown[] }[] }) =>
      follower.batches.flatMap((batch) => batch.elements);
    await writeFile(path('app.csv'), 'n,t\n1,"x\n');
    // The harness types elements as strings; what it moves is what the source gives.
    const untyped = csv as unknown as SourceSpec<string, FilePosition>;
    const follower = await start({ source: untyped });
    assert.deepEqual(rows(follower), []);
    await appendFile(path('app.csv'), 'y"\n2,z\n');
    await follower.look();
    await rename(path('app.csv'), path('app.csv.1'));
    await writeFile(path('app.csv'), 't,n\nw,3\n');
    await follower.look();
    const expected = [
      { n: '1', t: 'x\ny' },
      { n: '2', t: 'z' },
      { t: 'w', n: '3' },
    ];
    assert.deepEqual(rows(follower), expected);
    await follower.stop();
    let read = 0;
    for (const { elements, position } of follower.batches) {
      read += elements.length;
      assert.deepEqual(await readNow({ source: untyped, position }), expected.slice(read));
    }
  });

  test('ends when it is told to, also while it waits for the file', async () => {
    const follower = await start();
    await follower.stop();
    await follower.settle();
    assert.deepEqual(follower.batches, []);
  });
});

/** What a program that writes a log, and the rotation of its logs, may do. */
type Action =
  | { readonly do: 'line' | 'partial' | 'complete' | 'rotate' | 'create' | 'reopen' | 'look' }
  | { readonly do: 'many'; readonly lines: number }
  | { readonly do: 'kill'; readonly back: number; readonly batch: number };

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<Action>({ do: 'line' }, { do: 'partial' }, { do: 'complete' }) },
  { weight: 2, arbitrary: fc.constantFrom<Action>({ do: 'rotate' }, { do: 'create' }, { do: 'reopen' }) },
  { weight: 3, arbitrary: fc.constant<Action>({ do: 'look' }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('many' as const), lines: fc.integer({ min: 2, max: 9000 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('kill' as const),
      back: fc.integer({ min: 0, max: 6 }),
      batch: fc.integer({ min: 1, max: 4000 }),
    }),
  },
);

/** A log writer: what it has written is known line by line. */
class Log {
  readonly lines: string[] = [];
  #unfinished = '';
  /** Where it writes: a renamed file until it opens the live one anew. */
  #at = 'app.log';

  async line(count = 1): Promise<void> {
    await this.complete();
    const first = this.lines.length;
    const fresh = Array.from({ length: count }, (_, i) => `line ${first + i} ü`);
    this.lines.push(...fresh);
    await appendFile(path(this.#at), fresh.map((each) => `${each}\n`).join(''));
  }

  async partial(): Promise<void> {
    const piece = this.#unfinished === '' ? `line ${this.lines.length}` : ' and more';
    this.#unfinished += piece;
    await appendFile(path(this.#at), piece);
  }

  async complete(): Promise<void> {
    if (this.#unfinished === '') return;
    await appendFile(path(this.#at), '\n');
    this.#end();
  }

  /** app.log.1 becomes app.log.2, and so on; the writer goes on with the renamed file. */
  async rotate(): Promise<void> {
    if (this.#at !== 'app.log') return this.reopen();
    const rotated = (await readdir(folder)).filter((name) => name.startsWith('app.log.')).length;
    for (let i = rotated; i > 0; i--) await rename(path(`app.log.${i}`), path(`app.log.${i + 1}`));
    await appendFile(path('app.log'), '');
    await rename(path('app.log'), path('app.log.1'));
    this.#at = 'app.log.1';
  }

  /** The live file is there again and empty; the writer goes on with the renamed one. */
  async create(): Promise<void> {
    await appendFile(path('app.log'), '');
  }

  /** A line that has no end by then never gets one. */
  async reopen(): Promise<void> {
    await this.create();
    if (this.#at === 'app.log') return;
    this.#at = 'app.log';
    if (this.#unfinished !== '') this.#end();
  }

  #end(): void {
    this.lines.push(this.#unfinished);
    this.#unfinished = '';
  }
}

for (const pattern of ['app.log', 'app.log*', '*']) {
  test(`files(${pattern}): every line once and in order, whatever is renamed and whenever the job is killed`, async () => {
    const spec = files(pattern, { follow: true });
    await fc.assert(
      fc
        .asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
          const log = new Log();
          await log.reopen();
          let follower = await start({ source: spec });
          let before: { elements: readonly string[]; position: FilePosition }[] = [];
          for (const each of actions) {
            if (each.do === 'look') await follower.look();
            else if (each.do === 'many') await log.line(each.lines);
            else if (each.do !== 'kill') await log[each.do]();
            else {
              await follower.stop();
              const batches = [...before, ...follower.batches];
              before = batches.slice(0, Math.max(1, batches.length - each.back));
              const { position } = before.at(-1) ?? {};
              assert.ok(position !== undefined);
              follower = await start({
                source: spec,
                position: structuredClone(position),
                batch: each.batch,
              });
            }
          }
          await log.reopen();
          await log.line();
          for (let i = 0; i < 3; i++) await follower.look();
          await follower.stop();
          const lines = [...before, ...follower.batches].flatMap((batch) => batch.elements);
          assert.deepEqual(lines, log.lines);
        })
        .afterEach(async () => {
          for (const name of await readdir(folder)) await rm(path(name));
        }),
      { numRuns: 60 },
    );
  });
}

test('from every position ever yielded, what follows is read once', async () => {
  const log = new Log();
  await log.reopen();
  await log.line(20);
  const follower = await start({ batch: 3 });
  for (const step of ['partial', 'line', 'rotate', 'line', 'create', 'line', 'reopen', 'line'] as const) {
    await log[step]();
    await follower.look();
    const { path: name } = lastPosition(follower);
    if (step === 'create' || step === 'reopen')
      assert.equal(name, 'app.log.1', 'an empty file has no writer');
  }
  await follower.stop();
  assert.deepEqual(follower.lines, log.lines);
  let read = 0;
  for (const { elements, position } of follower.batches) {
    read += elements.length;
    assert.deepEqual(await readNow({ position, batch: 2 }), log.lines.slice(read));
  }
});

test('new files that match a pattern are splits of their own, rotated ones are not', async () => {
  await writeFile(path('a.log'), '');
  await writeFile(path('a.log.1'), '');
  await writeFile(path('a.log-20260131'), '');
  const spec = files('*.log*', { follow: true });
  const ids = async () => (await spec.splits(contextOf(realDisk, folder))).map((split) => split.id);
  assert.deepEqual(await ids(), ['a.log']);
  await writeFile(path('b.log'), '');
  await writeFile(path('a.log.2'), '');
  assert.deepEqual(await ids(), ['a.log', 'b.log']);
  const numbered = files('part.*', { follow: true });
  await writeFile(path('part.1'), '');
  await writeFile(path('part.2'), '');
  const parts = await numbered.splits(contextOf(realDisk, folder));
  assert.deepEqual(
    parts.map((split) => split.id),
    ['part.1', 'part.2'],
  );
});

/** Renaming, dropping and re-keying, of archives of every layout. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromTagged } from '../../src/archive/tagged.js';
import { present } from '../../src/base/assert.js';
import { keyGroupOf } from '../../src/base/key-groups.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { valueCodec } from '../../src/codec/value.js';
import type { ByteWriter } from '../../src/codec/writer.js';
import { memoryDisk, PATH } from '../archive/archives.js';
import { Blocks, operator, PROVENANCE, table } from '../archive/blocks.js';
import { everything, OPERATORS, TABLES } from '../archive/everything.js';
import { type Chain, everythingTwice, packChain, userChain, writeUnsorted } from '../archive/natives.js';
import fc from '../helpers/property.js';
import {
  digestOf,
  diskOf,
  type Line,
  linesIn,
  NOW,
  OUT,
  prepared,
  refusal,
  rewritten,
  withArchive,
  withoutGroups,
} from './rewriting.js';

/** The same state in every layout: canonical, native in order, in no order, and as a chain of runs. */
const LAYOUTS = {
  canonical: () => diskOf(),
  'native, full, unsorted': async () => {
    const disk = await memoryDisk();
    const chain: Chain = {
      runs: [everything()],
      tables: TABLES,
      operators: OPERATORS,
      mode: 'full',
      backend: 'memory',
    };
    await packChain(disk, chain, writeUnsorted);
    return disk;
  },
  'native, full, sorted': async () => {
    const disk = await memoryDisk();
    await packChain(disk, { runs: [everything()], tables: TABLES, operators: OPERATORS, mode: 'full' });
    return disk;
  },
  'native, incremental': async () => {
    const disk = await memoryDisk();
    await packChain(disk, everythingTwice());
    return disk;
  },
};

/** Digest of a rewrite that changes nothing. */
async function canonicalDigest(make: () => ReturnType<typeof diskOf>): Promise<string> {
  const disk = await make();
  const result = await rewritten(disk, {});
  return present(result.prepared, 'an archive').digest;
}

for (const [layout, make] of Object.entries(LAYOUTS)) {
  describe(layout, () => {
    test('changed by nothing it is a savepoint of the same state, with its parent named', async () => {
      const disk = await make();
      const parent = await digestOf(disk);
      const { report, provenance } = await rewritten(disk, {});
      assert.equal(await digestOf(disk), await canonicalDigest(LAYOUTS.canonical));
      assert.deepEqual(provenance, {
        ...PROVENANCE,
        time: NOW,
        toolVersion: '9.9.9',
        reason: 'a test',
        parentDigest: parent,
      });
      await withArchive(disk, async (archive) => {
        assert.deepEqual(archive.provenance, provenance);
        assert.deepEqual(
          [archive.manifest.layout, archive.manifest.kind, archive.manifest.entries],
          ['canonical', 'savepoint', report.entries.after],
        );
      });
      for (const { before, after, removed, changed, added, moved } of report.states)
        assert.deepEqual([before, removed, changed, added, moved], [after, 0, 0, 0, 0]);
    });

    test('renamed there and back it has the same digest, and another in between', async () => {
      const disk = await make();
      const before = await canonicalDigest(make);
      const there = [
        'count=counter',
        'window=count',
        'count.seen=total',
        'count.byDay=last',
        'count.last=counter.byDay',
      ];
      await rewritten(disk, { rename: there });
      assert.notEqual(await digestOf(disk), before);
      const lines = await linesIn(disk);
      assert.ok(lines.some(({ operator, state }) => operator === 'counter' && state === 'total'));
      assert.ok(lines.every(({ operator }) => operator !== 'window'));
      await rewritten(disk, {
        rename: [
          'counter=count',
          'count=window',
          'counter.total=seen',
          'counter.byDay=last',
          'counter.last=byDay',
        ],
      });
      assert.equal(await digestOf(disk), before);
    });

    test('re-keyed 128, 1024, 128 it has the same digest; in between, each entry is in its group', async () => {
      const disk = await make();
      await rewritten(disk, { maxParallelism: '128' });
      const [before, digest] = [await linesIn(disk), await digestOf(disk)];
      const { report } = await rewritten(disk, { maxParallelism: '1024' });
      await checkGroups(disk, 1024);
      const between = await linesIn(disk);
      assert.deepEqual(withoutGroups(between), withoutGroups(before));
      const moved = report.states.reduce((sum, state) => sum + state.moved, 0);
      const keyed = before.filter(({ keyGroup }) => keyGroup !== null).length;
      assert.ok(moved > keyed / 2 && moved <= keyed, `${moved} of ${keyed}`);
      for (const { from, moved: some } of report.states)
        if (!/last|seen|recent|byDay|quiet|close|sum|most/.test(from)) assert.equal(some, 0, from);
      await rewritten(disk, { maxParallelism: '128' });
      assert.equal(await digestOf(disk), digest);
    });

    test('a dry run says the same as the real one, and writes nothing', async () => {
      const disk = await make();
      const request = { drop: ['count.last'], maxParallelism: '64', filter: ['count.seen=key_group > 50'] };
      const paths = disk.paths();
      const dry = await prepared(disk, request, { output: undefined });
      assert.deepEqual(disk.paths(), paths);
      assert.equal(dry.prepared, undefined);
      const real = await rewritten(disk, request);
      assert.deepEqual(dry.report, real.report);
    });
  });
}

/** By the definition, not by the code under test: hash of the key, mod the maximum. */
async function checkGroups(disk: Awaited<ReturnType<typeof diskOf>>, maxParallelism: number): Promise<void> {
  const types = await withArchive(
    disk,
    async ({ manifest }) => new Map(manifest.operators.map((one) => [one.uid, one])),
  );
  for (const { maxParallelism: found } of types.values()) assert.equal(found, maxParallelism);
  for (const { operator, key, keyGroup } of await linesIn(disk)) {
    if (keyGroup === null) continue;
    const codec = keyCodecById(types.get(operator)?.keyType ?? 'auto');
    assert.equal(keyGroup, keyGroupOf(codec.hash(fromTagged(key)), maxParallelism));
  }
}

describe('dropping', () => {
  test('leaves out an operator, or one state of it, and nothing else', async () => {
    const disk = await diskOf();
    const before = await linesIn(disk);
    const { report } = await rewritten(disk, { drop: ['window', 'count.last', 'zulu.splits'] });
    const left = (line: Line) =>
      line.operator !== 'window' &&
      !(line.operator === 'count' && line.state === 'last') &&
      !(line.operator === 'zulu' && line.state === 'splits');
    assert.deepEqual(await linesIn(disk), before.filter(left));
    const gone = report.states
      .filter(({ name }) => name === null)
      .map(({ from, removed }) => [from, removed]);
    const count = (operator: string, state: string) =>
      before.filter((line) => line.operator === operator && line.state === state).length;
    assert.deepEqual(gone.sort(), [
      ['count.last', count('count', 'last')],
      ['window.most', count('window', 'most')],
      ['window.sum', count('window', 'sum')],
      ['zulu.splits', 2],
    ]);
    assert.deepEqual(
      report.operators.map(({ uid, from }) => [from, uid]),
      [
        ['count', 'count'],
        ['out', 'out'],
        ['window', null],
        ['zulu', 'zulu'],
      ],
    );
    await withArchive(disk, async ({ manifest }) =>
      assert.deepEqual(
        manifest.operators.map(({ uid }) => uid),
        ['count', 'out', 'zulu'],
      ),
    );
  });
});

describe('what is asked', () => {
  test('is told with all that is wrong at once', async () => {
    const disk = await diskOf();
    const error = await refusal(disk, {
      drop: ['nobody', 'count.nothing-there'],
      rename: [
        'a=b',
        'count',
        'zulu=window',
        'count.last=seen',
        'count.nothing=window.x',
        'zulu.splits=mine',
        'out=a.b',
      ],
      filter: ['count.seen', 'count.gone=1', 'count.seen=nonsense >', 'count.seen="no column"'],
      map: ['count.quiet=a.ts', 'count.recent=a.ts', 'count.recent=b.ts'],
      maxParallelism: '40000',
    });
    assert.equal(error.code, 'USAGE');
    for (const part of [
      /no operator "nobody"; there are: count, out, window, zulu/,
      /no state "count\.nothing-there"; there are: /,
      /--rename a=b: no operator "a"/,
      /--rename count: expected old=new/,
      /(zulu and window|window and zulu) would both be window/,
      /count\.nothing=window\.x: a state stays with its operator, count/,
      /--rename: count\.last and count\.seen would both be|count\.seen and count\.last would both be/,
      /zulu\.splits has no name of its own/,
      /--rename out=a\.b: uid "a\.b": contains one of/,
      /--filter count\.seen: expected uid\.state=SQL/,
      /no state "count\.gone"/,
      /nonsense >: near/,
      /no such column: "no column"/,
      /count\.quiet holds timers/,
      /count\.recent is mapped twice/,
      /--max-parallelism: expected 1 to 32768, found "40000"/,
    ])
      assert.match(error.message, part);
  });

  test('is not found where all that is wrong is that it is not there', async () => {
    const disk = await diskOf();
    assert.equal((await refusal(disk, { drop: ['nobody'] })).code, 'STATE_NOT_FOUND');
    assert.equal(
      (await refusal(disk, { drop: ['nobody', 'no.body'], rename: ['a=b'] })).code,
      'STATE_NOT_FOUND',
    );
    assert.equal((await refusal(disk, { maxParallelism: '-1' })).code, 'USAGE');
    // Filters use the new names; what is dropped is not there.
    assert.equal(
      (await refusal(disk, { rename: ['count=c'], filter: ['count.seen=1'] })).code,
      'STATE_NOT_FOUND',
    );
    assert.equal((await refusal(disk, { drop: ['count'], rename: ['count=c'] })).code, 'STATE_NOT_FOUND');
    await rewritten(disk, { rename: ['count=c'], filter: ['c.seen=1'] });
  });

  test('is refused before anything is written, where the output is there', async () => {
    const disk = await diskOf();
    disk.plant(OUT, Buffer.from('mine'));
    assert.equal((await refusal(disk, {})).code, 'FILE_EXISTS');
    const result = await prepared(disk, {}, { output: { path: OUT, force: true } });
    await result.prepared?.commit();
    assert.ok((disk.peek(OUT)?.length ?? 0) > 1000);
  });

  test('a name with an equals sign, and two operators that swap their names', async () => {
    const disk = await diskOf();
    const digest = await digestOf(disk);
    await rewritten(disk, { rename: ['count=a=b', 'zulu=out', 'out=zulu'] });
    const uids = await withArchive(disk, async ({ manifest }) => manifest.operators.map(({ uid }) => uid));
    assert.deepEqual(uids, ['a=b', 'out', 'window', 'zulu']);
    await rewritten(disk, { rename: ['a=b=count', 'zulu=out', 'out=zulu'], filter: [] });
    assert.equal(await digestOf(disk), digest);
  });
});

test('sinks keep their targets under new names, and a parallelism above the new maximum becomes it', async () => {
  const disk = await diskOf({
    provenance: { ...PROVENANCE, parallelism: 100, targets: [{ sink: 'out', target: '/somewhere' }] },
  });
  const { provenance } = await rewritten(disk, { rename: ['out=sink'], maxParallelism: '64' });
  assert.deepEqual(
    [provenance.parallelism, provenance.targets],
    [64, [{ sink: 'sink', target: '/somewhere' }]],
  );
  assert.deepEqual(provenance.lineage, PROVENANCE.lineage);
});

test('random histories: renamed and re-keyed natively, they are what their savepoints become', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 6 }), async (keys, runs) => {
      const request = { rename: ['count=c', 'count.seen=s'], maxParallelism: '77' };
      const [one, other] = [await memoryDisk(), await memoryDisk()];
      for (const disk of [one, other]) await packChain(disk, userChain(keys, runs));
      await rewritten(one, {});
      await rewritten(one, request);
      await rewritten(other, request);
      assert.equal(await digestOf(one), await digestOf(other));
      await checkGroups(one, 77);
    }),
    { numRuns: 15 },
  );
});

describe('an end that is not one', () => {
  test('stopped at any point it leaves nothing', async () => {
    for (const at of [1, 2, 5, 12]) {
      const disk = await diskOf();
      const paths = disk.paths();
      const stop = new AbortController();
      let left = at;
      const onProgress = () => {
        if (--left === 0) stop.abort();
      };
      const run = prepared(disk, { maxParallelism: '9' }, { onProgress, signal: stop.signal });
      await assert.rejects(run, (error) => error === stop.signal.reason);
      assert.deepEqual(disk.paths(), paths);
    }
  });

  test('a damaged archive is said to be so, wherever the damage is', async () => {
    const bytes = present((await diskOf()).peek(PATH), 'the archive');
    const request = { maxParallelism: '9', filter: ['count.last=value IS NOT NULL'], rename: [] };
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const damaged = Buffer.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ flip;
        const disk = await memoryDisk();
        disk.plant(PATH, damaged);
        const { code } = await refusal(disk, request);
        assert.ok(code === 'ARCHIVE_CORRUPT' || code === 'FORMAT_NEWER', code);
      }),
      { numRuns: 60 },
    );
  });

  test('so is one with sound checksums, whose entries are none of their tables', async () => {
    const raw = { write: (bytes: Buffer, out: ByteWriter) => out.raw(bytes) };
    const wrong = (change: (out: Blocks['out']) => void) => {
      const blocks = new Blocks();
      change(blocks.out);
      const tables = [table(0, 'c', 's', 'value')];
      return diskOf({ tables, operators: [operator('c', 'process', 'string', 4)], blocks });
    };
    const key = (bytes: number[]) =>
      wrong((out) => {
        out.begin(0, 1);
        out.key(raw, Buffer.from(bytes));
        out.value(valueCodec, 1);
      });
    const value = () =>
      wrong((out) => {
        out.begin(0, 1);
        out.key(keyCodecById('string'), 'k');
        out.value(raw, Buffer.from([0xc1]));
      });
    for (const bytes of [[0x05], [0xa2, 0x61], [0xa1, 0xff], [0xa1, 0x61, 0x61], []])
      assert.equal(
        (await refusal(await key(bytes), { maxParallelism: '8' })).code,
        'ARCHIVE_CORRUPT',
        `${bytes}`,
      );
    assert.equal((await refusal(await value(), { filter: ['c.s=value > 1'] })).code, 'ARCHIVE_CORRUPT');
    const mapped = await refusal(await value(), { map: ['c.s=f'] }, { maps: { f: () => 1 } });
    assert.equal(mapped.code, 'ARCHIVE_CORRUPT');
    const unkeyed = await diskOf({
      tables: [table(0, 'c', 's')],
      operators: [operator('c', 'process', null)],
      blocks: new Blocks(),
    });
    assert.equal((await refusal(unkeyed, { maxParallelism: '8' })).code, 'ARCHIVE_CORRUPT');
  });
});

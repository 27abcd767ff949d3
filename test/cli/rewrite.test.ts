/** `tidemark rewrite` as a shell sees it; and a job that goes on, at a parallelism that its archive had no room for. */
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { writeArchive } from '../../src/archive/write.js';
import { realDisk } from '../../src/base/real-disk.js';
import type { JobRow } from '../../src/job/status.js';
import { Blocks, operator, PROVENANCE, table } from '../archive/blocks.js';
import { committedLines, countedLines, difference } from '../crash/harness.js';
import { Running } from './command.js';
import { type Entry, errorOf, JOBS, Place, refused, type Saved } from './place.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';

interface RewriteDocument extends Omit<Saved, 'path' | 'digest'> {
  readonly path: string | null;
  readonly digest: string | null;
  readonly parentDigest: string;
  readonly reason: string | null;
  readonly dryRun: boolean;
  readonly operators: readonly { uid: string; from: string; maxParallelism: { from: number; to: number } }[];
  readonly states: readonly {
    readonly name: string | null;
    readonly from: string;
    readonly before: number;
    readonly after: number;
    readonly removed: number;
    readonly changed: number;
    readonly added: number;
    readonly moved: number;
  }[];
}

describe('a job whose archive is cut into more key groups', () => {
  const place = new Place();
  before(() => place.make());
  after(() => place.remove());
  const keys = LONG ? 5_000 : 500;
  const count = keys * (LONG ? 40 : 12);

  it('goes on at parallelism 200, and its totals are right', async () => {
    const params = ['--param', `count=${count}`, '--param', `keys=${keys}`, '--param', 'output=out'];
    await place.json(
      ...['run', join(JOBS, 'slow-count.ts'), '--name', 'c', ...params, '--param', `rate=${keys * 4}`],
      ...['--max-parallelism', '128', '--checkpoint-interval', '100ms', '-d'],
    );
    await place.json('wait', 'c', '--until', 'checkpoint');
    const saved = await place.json<Saved>('stop', 'c', '-o', 'narrow.tar');
    await refused(place, 6, 'INCOMPATIBLE', 'restore', 'narrow.tar', '-p', '200', '--dry-run');

    const made = await place.json<RewriteDocument>(
      ...['rewrite', 'narrow.tar', '-o', 'wide.tar', '--max-parallelism', '1024', '--reason', 'to grow'],
    );
    assert.deepEqual(
      [made.path, made.parentDigest, made.reason, made.checkpointId],
      [place.path('wide.tar'), saved.digest, 'to grow', saved.checkpointId],
    );
    assert.deepEqual(
      made.operators.map(({ uid, maxParallelism: { from, to } }) => [uid, from, to]),
      [
        ['count', 128, 1024],
        ['numbers', 128, 1024],
        ['out', 128, 1024],
      ],
    );
    const seen = made.states.find(({ name }) => name === 'count.seen');
    assert.equal(seen?.before, seen?.after);
    assert.ok((seen?.moved ?? 0) > (seen?.after ?? 0) / 2);

    const row = await place.json<JobRow>('restore', 'wide.tar', '-p', '200', '--param', 'rate=1000000');
    assert.deepEqual([row.state, row.parallelism], ['finished', 200]);
    const lines = committedLines(place.path('out'));
    assert.equal(difference(lines, countedLines(count, keys)), '');
  });
});

describe('rewrite', () => {
  const place = new Place();
  before(async () => {
    await place.make();
    const blocks = new Blocks();
    for (let i = 0; i < 1000; i++) blocks.value(0, `user-${i}`, i, 'string');
    const archive = await writeArchive({
      disk: realDisk,
      spoolFolder: place.cwd,
      operators: [operator('count', 'process', 'string')],
      tables: [table(0, 'count', 'seen', 'number')],
      blocks,
      kind: 'savepoint',
      drained: false,
      provenance: PROVENANCE,
      output: { path: place.path('count.tar') },
    });
    await archive.commit();
  });
  after(() => place.remove());

  it('says what becomes of each state, also without writing anything', async () => {
    const request = [
      '--rename',
      'count=counter',
      '--filter',
      'counter.seen=value >= 500',
      '--max-parallelism',
      '64',
    ];
    const dry = await place.run('rewrite', 'count.tar', ...request, '--dry-run');
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /^STATE +BEFORE +AFTER +REMOVED +CHANGED +ADDED +MOVED\n/);
    assert.match(dry.stdout, /^counter\.seen +1,000 +500 +500 +- +- +\d+ +was count\.seen$/m);
    assert.match(dry.stdout, /^64 key groups, were 128$/m);
    assert.match(dry.stderr, /nothing was written/);
    assert.deepEqual(await readdir(place.cwd), ['count.tar']);
    const same = await place.run('rewrite', 'count.tar', '--dry-run', '--reason', 'none');
    assert.equal(same.stdout, '1 state stays as it is\n');
    const real = await place.run('rewrite', 'count.tar', ...request, '-o', 'filtered.tar');
    assert.equal(real.code, 0, real.stderr);
    assert.equal(real.stdout, `${place.path('filtered.tar')}\n`);
    assert.ok(real.stderr.startsWith(dry.stdout));
    assert.match(real.stderr, /^job: savepoint, 500 entries, .*, digest [0-9a-f]{12}$/m);
    assert.deepEqual(await place.json('verify', 'filtered.tar'), { ok: true, findings: [] });
  });

  it('takes edits from a pipe, and maps from a module', async () => {
    await writeFile(place.path('plus.ts'), 'export default ({ value }: { value: number }) => value + 1;\n');
    const { status, stdout, stderr } = place.bash(
      'tidemark inspect count.tar --state count.seen --key user-7 --json | sed \'s/"value":7/"value":700/\' |' +
        ' tidemark rewrite count.tar -o edited.tar --map count.seen=plus.ts --edits - --json',
    );
    assert.equal(status, 0, stderr);
    const { states } = JSON.parse(stdout) as RewriteDocument;
    assert.deepEqual(
      states.map(({ changed, added }) => [changed, added]),
      [[1001, 0]],
    );
    const entries = await place.rows<Entry>('inspect', 'edited.tar', '--state', 'count.seen');
    const values = new Map(entries.map(({ key, value }) => [key, value]));
    assert.deepEqual([values.get('user-7'), values.get('user-8'), values.size], [700, 9, 1000]);
  });

  it('given up with Ctrl-C it leaves nothing', async () => {
    await writeFile(
      place.path('loops.ts'),
      'console.log("begun");\nexport default () => { for (;;) console.log("still"); };\n',
    );
    const files = await readdir(place.cwd);
    const running = new Running(
      ['rewrite', 'count.tar', '-o', 'never.tar', '--map', 'count.seen=loops.ts'],
      place,
    );
    await running.says(/still/);
    running.child.kill('SIGINT');
    const { code, stdout, stderr } = await running.ended;
    assert.deepEqual([code, stdout], [130, '']);
    assert.match(stderr, /given up; nothing was written\n$/);
    assert.deepEqual(await readdir(place.cwd), files);
  });

  it('refuses what makes no sense', async () => {
    const usage = (...args: string[]) => refused(place, 2, 'USAGE', 'rewrite', 'count.tar', ...args);
    assert.match(await usage('--rename', 'a=b'), /-o is missing/);
    assert.match(await usage('-o', 'x.tar'), /nothing is to be changed/);
    assert.match(await usage('-o', '-', '--drop', 'count'), /writes a file/);
    const both = await place.run(
      'rewrite',
      'count.tar',
      '-o',
      'x.tar',
      '--drop',
      'nobody',
      '--max-parallelism',
      '0',
      '--json',
    );
    assert.equal(both.code, 2);
    assert.match(errorOf(both).message, /2 findings\n--drop: no operator "nobody".*\n--max-parallelism: /);
    await refused(
      place,
      4,
      'FILE_NOT_FOUND',
      'rewrite',
      'count.tar',
      '-o',
      'x.tar',
      '--edits',
      'nowhere.jsonl',
    );
  });
});

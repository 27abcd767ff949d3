/** `doctor` as a shell runs it: a finding for everything that can be wrong, and nothing changed. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  type Dirent,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Doctor, diskFinding, doctorText, findingLines } from '../../src/cli/doctor-view.js';
import { frozen } from '../catalog/fixture.js';
import { MessyHome } from '../checkpoint/home.js';
import { tidemark } from './command.js';
import { errorOf } from './place.js';

async function doctor(home: { readonly folder: string }, code: number, ...args: string[]): Promise<Doctor> {
  const result = await tidemark(['doctor', ...args, '--json'], { cwd: home.folder });
  assert.equal(result.code, code, result.stderr + result.stdout);
  return JSON.parse(result.stdout);
}

const found = ({ findings }: Doctor) => findings.map(({ code, severity }) => `${severity} ${code}`).sort();

/** Every file with its bytes; SQLite's own log and index come and go with each connection. */
function filesOf(folder: string): Map<string, string> {
  const isFile = (entry: Dirent) => entry.isFile() && !/-(wal|shm)$/.test(entry.name);
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(isFile)
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  const hash = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
  return new Map(paths.sort().map((path) => [path, `${hash(path)} ${statSync(path).mtimeMs}`]));
}

function home(t: TestContext) {
  const messy = new MessyHome(t);
  return { messy, folder: messy.folder, paths: messy.catalog.home, catalog: messy.catalog };
}

test('a home that is well has no finding, and its jobs are counted', async (t) => {
  const { messy, folder } = home(t);
  messy.job(t, 'done', 'canceled');
  messy.job(t, 'live', 'running');
  const failed = messy.job(t, 'failed', 'failed');
  messy.catalog.dropStale();
  const report = await doctor({ folder }, 0, '--deep');
  assert.deepEqual([report.ok, report.findings], [true, []]);
  const own = ['base', 'delta 0', 'delta 1', 'delta 2', 'delta 3'].map((part) => `failed ${part}`.length);
  assert.deepEqual(
    report.jobs.find(({ id }) => id === failed.id),
    {
      id: failed.id,
      name: 'failed',
      state: 'failed',
      checkpoints: 3,
      retainedBytes: own.reduce((sum, bytes) => sum + bytes, 0),
    },
  );
  assert.equal(report.segments.count, messy.onDisk().length);
  assert.equal(report.versions.node, process.versions.node);
  assert.match(report.versions.sqlite ?? '', /^3\./);
  assert.ok(report.disk.freeBytes > 0 && report.disk.totalBytes >= report.disk.freeBytes);
});

test('what lost processes have left is a warning, and changes nothing', async (t) => {
  const { messy, folder, paths } = home(t);
  const lost = messy.job(t, 'lost', 'lost');
  messy.mess(lost);
  const before = filesOf(paths.root);
  const report = await doctor({ folder }, 0);
  assert.deepEqual(filesOf(paths.root), before);
  assert.deepEqual(found(report), [
    'warning BUNDLE_UNUSED',
    'warning FILE_UNFINISHED',
    'warning FILE_UNFINISHED',
    'warning JOB_LOST',
    'warning LEASE_STALE',
    'warning PIN_EXPIRED',
    'warning SEGMENT_LEAKED',
  ]);
  for (const { code, hint } of report.findings)
    assert.equal(hint, code === 'JOB_LOST' ? 'tidemark resume lost' : 'tidemark prune');
  await tidemark(['prune'], { cwd: folder });
  assert.deepEqual(found(await doctor({ folder }, 0)), ['warning JOB_LOST']);
});

test('a segment that is missing, cut or changed is an error, and exit 7', async (t) => {
  const { messy, folder, paths, catalog } = home(t);
  const job = messy.job(t, 'job', 'suspended');
  catalog.dropStale();
  const [gone = '', cut = '', changed = ''] = catalog.checkpoint(job.id, 3).segments;
  rmSync(paths.segment(gone));
  truncateSync(paths.segment(cut), 2);
  const bytes = readFileSync(paths.segment(changed));
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  writeFileSync(paths.segment(changed), bytes);
  const shallow = await doctor({ folder }, 7);
  assert.deepEqual(found(shallow), ['error SEGMENT_CORRUPT', 'error SEGMENT_MISSING']);
  assert.match(
    shallow.findings.map(({ what }) => what).join('\n'),
    /which job@1, job@2, job@3 need, is missing/,
  );
  const deep = await doctor({ folder }, 7, '--deep');
  assert.deepEqual(found(deep), ['error SEGMENT_CORRUPT', 'error SEGMENT_CORRUPT', 'error SEGMENT_MISSING']);
});

test('a job that cannot go on is told', async (t) => {
  const { messy, folder, paths, catalog } = home(t);
  const bare = messy.job(t, 'bare', 'failed');
  catalog.removeSegments(catalog.dropCheckpoints(bare.id));
  const origin = {
    path: join(folder, 'gone.tar'),
    digest: 'ef'.repeat(32),
    lineage: [],
    dropped: [],
    rewind: false,
  };
  const restored = catalog.createJob(frozen('restored', { bundle: 'ef'.repeat(32) }), {
    origin,
    lastCheckpoint: 7,
  });
  const savepoint = {
    job: bare.id,
    checkpoint: 3,
    layout: 'canonical',
    digest: 'ab'.repeat(32),
    bytes: 1,
  } as const;
  const path = join(folder, 'moved.tar');
  catalog.recordSavepoint({ ...savepoint, kind: 'savepoint', path, takenAt: 1, reason: undefined });
  const report = await doctor({ folder }, 7);
  assert.deepEqual(found(report), [
    'error BUNDLE_MISSING',
    'error ORIGIN_GONE',
    'info ARCHIVE_GONE',
    'warning JOB_LOST',
    'warning JOB_WITHOUT_CHECKPOINT',
  ]);
  assert.match(report.findings.map(({ what }) => what).join(), new RegExp(`restored \\(${restored.id}\\)`));
  writeFileSync(paths.bundle('ef'.repeat(32)), 'other code');
  assert.ok(found(await doctor({ folder }, 7)).includes('error BUNDLE_CORRUPT'));
});

test('a damaged catalog is a finding, a missing home an error', async (t) => {
  const { messy, folder, paths, catalog } = home(t);
  messy.job(t, 'job', 'failed');
  catalog.close();
  const bytes = readFileSync(paths.catalog);
  bytes.fill(0xa5, 4096 * 3, 4096 * 4);
  writeFileSync(paths.catalog, bytes);
  const report = await doctor({ folder }, 7);
  assert.deepEqual(found(report), ['error CATALOG_CORRUPT']);
  assert.equal(report.versions.sqlite, null);
  const nowhere = await tidemark(['doctor', '--home', join(folder, 'none'), '--json'], { cwd: folder });
  assert.deepEqual([nowhere.code, errorOf(nowhere).code], [4, 'HOME_NOT_FOUND']);
});

test('what a person reads', async (t) => {
  const { messy, folder } = home(t);
  messy.mess(messy.job(t, 'lost', 'lost'));
  const { code, stdout } = await tidemark(['doctor'], { cwd: folder });
  assert.equal(code, 0);
  assert.match(stdout, /^home +\S+\nversions +tidemark \S+, Node \S+, SQLite 3/);
  assert.match(stdout, /JOB +STATE +CHECKPOINTS +RETAINED\nlost \(\w{12}\) +lost +3 +\d+ B\n/);
  assert.match(
    stdout,
    /warning SEGMENT_LEAKED: \S+\.seg: 6 B that nothing refers to\n {2}hint: tidemark prune\n/,
  );
});

test('little free space is told, by what the largest job keeps', () => {
  const usage = (retainedBytes: number) => ({
    id: 'a',
    name: 'a',
    state: 'lost',
    checkpoints: 1,
    retainedBytes,
  });
  const disk = (freeBytes: number) => ({ freeBytes, totalBytes: 10 ** 12 });
  assert.equal(diskFinding(disk(10 ** 9), []), undefined);
  assert.equal(diskFinding(disk(10 ** 9), [usage(10 ** 8)]), undefined);
  assert.equal(diskFinding(disk(10 ** 9), [usage(10 ** 9), usage(1)])?.code, 'DISK_LOW');
  assert.equal(diskFinding(disk(10 ** 6), [])?.severity, 'warning');
  const plain = { dim: String, red: String, yellow: String, green: String, bold: String, cyan: String };
  assert.equal(findingLines([], plain), '\nhealthy\n');
  const empty = { jobs: [], findings: [], segments: { count: 0, bytes: 0 }, disk: disk(1) };
  const text = doctorText({
    ok: true,
    home: '/h',
    versions: { tidemark: '1', node: '2', sqlite: null },
    ...empty,
  });
  assert.match(
    text,
    /^home +\/h\nversions +tidemark 1, Node 2\ndisk +1 B free of 931 GiB\nsegments +0 files, 0 B\n$/,
  );
});

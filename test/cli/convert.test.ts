/** `convert`, and native archives on the command line. */
import assert from 'node:assert/strict';
import { watch } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { realDisk } from '../../src/base/real-disk.js';
import {
  type Chain,
  liveIn,
  packInto,
  type Segment,
  userChain,
  writeRun,
  writeUnsorted,
} from '../archive/natives.js';
import { Running } from './command.js';
import { type Entry, JOBS, LONG, Place, refused, type Saved } from './place.js';

const KEYS = 500;

/** Makes a native archive in the place, in a folder of its own. */
async function make(
  place: Place,
  name: string,
  chain: Chain,
  write: (typeof writeRun)[] = [writeRun],
): Promise<string> {
  await mkdir(place.path('segments'), { recursive: true });
  const segments: Segment[] = [];
  for (const [i, run] of chain.runs.entries())
    segments.push(await (write[i % write.length] ?? writeRun)(realDisk, place.path('segments'), run));
  await packInto(realDisk, place.path('segments'), place.path(name), segments, chain);
  return place.path(name);
}

describe('convert', () => {
  const place = new Place();
  const chain = userChain(KEYS, 3);
  let native = '';
  before(async () => {
    await place.make();
    native = await make(place, 'count.checkpoint.tar', chain);
  });
  after(() => place.remove());

  it('writes a savepoint of the same state beside the input, without a home', async () => {
    const saved = await place.json<Saved>('convert', native);
    assert.deepEqual(Object.keys(saved), ['path', 'kind', 'layout', 'digest', 'bytes', 'checkpointId']);
    assert.equal(saved.path, place.path('count.savepoint.tar'));
    assert.deepEqual([saved.kind, saved.layout, saved.checkpointId], ['savepoint', 'canonical', 7]);
    assert.equal((await readFile(saved.path)).length, saved.bytes);
    assert.deepEqual(await place.json('verify', saved.path), { ok: true, findings: [] });
    assert.deepEqual(await place.json('diff', native, saved.path), { equal: true, operators: [] });
    const { archive, provenance } = await place.json<{
      archive: { digest: string; kind: string };
      provenance: { parentDigest: string };
    }>('inspect', saved.path);
    const input = await place.json<{ archive: { digest: string } }>('inspect', native);
    assert.equal(archive.digest, saved.digest);
    assert.equal(provenance.parentDigest, input.archive.digest);
    assert.ok(!(await readdir(place.cwd)).includes('.tidemark'));
  });

  it('prints the path for a shell to take, and tells the rest on stderr', async () => {
    const { code, stdout, stderr } = await place.run('convert', native, '-o', 'told.tar');
    assert.deepEqual([code, stdout], [0, `${place.path('told.tar')}\n`]);
    assert.match(stderr, /^job: savepoint of checkpoint 7, \d+ entries, .*, digest [0-9a-f]{12}\n$/);
  });

  it('into a folder it gives the name of its own, and refuses a file that is there', async () => {
    await mkdir(place.path('backups'));
    const { path } = await place.json<Saved>('convert', native, '-o', 'backups/');
    assert.equal(path, place.path('backups/count.savepoint.tar'));
    await writeFile(path, 'mine');
    await refused(place, 5, 'FILE_EXISTS', 'convert', native, '-o', 'backups/');
    assert.equal(await readFile(path, 'utf8'), 'mine');
    await place.json('convert', native, '-o', 'backups/', '--force');
    assert.deepEqual(await place.json('verify', path), { ok: true, findings: [] });
    assert.deepEqual(await readdir(place.path('backups')), ['count.savepoint.tar']);
  });

  it('refuses what is a savepoint already, jobs, and what is not there', async () => {
    await place.json('convert', native, '-o', 'once.tar');
    const text = await refused(place, 2, 'ALREADY_CANONICAL', 'convert', 'once.tar', '-o', 'twice.tar');
    assert.match(text, /tidemark restore/);
    assert.match(await refused(place, 2, 'USAGE', 'convert', 'count'), /tidemark externalize count/);
    await refused(place, 2, 'USAGE', 'convert', native, '-o', '');
    await refused(place, 2, 'USAGE', 'convert', native, '-o', '-');
    assert.ok(!(await readdir(place.cwd)).includes('-'));
    await refused(place, 4, 'FILE_NOT_FOUND', 'convert', './nothing.tar');
    await refused(place, 4, 'FILE_NOT_FOUND', 'convert', native, '-o', 'no/such/folder/x.tar');
    assert.ok(!(await readdir(place.cwd)).includes('twice.tar'));
  });

  it('refuses a damaged archive, and leaves nothing', async () => {
    const bytes = await readFile(native);
    const at = Math.floor(bytes.length / 2);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await mkdir(place.path('damaged'));
    await writeFile(place.path('damaged/a.tar'), bytes);
    await refused(place, 7, 'ARCHIVE_CORRUPT', 'convert', 'damaged/a.tar');
    assert.deepEqual(await readdir(place.path('damaged')), ['a.tar']);
  });

  it('is given up by Ctrl-C: exit 130, and nothing is left', async () => {
    await mkdir(place.path('large'));
    const large = await make(place, 'large/a.tar', userChain(100_000, 1));
    const begun = new Promise<void>((resolve) => {
      const watcher = watch(place.path('large'), (_, name) => {
        if (name === null || !name.endsWith('.tmp')) return;
        watcher.close();
        resolve();
      });
    });
    const running = new Running(['convert', large], { cwd: place.cwd });
    await begun;
    running.child.kill('SIGINT');
    const { code, stdout, stderr } = await running.ended;
    assert.deepEqual([code, stdout], [130, ''], stderr);
    assert.match(stderr, /nothing was written/);
    assert.deepEqual(await readdir(place.path('large')), ['a.tar']);
  });
});

describe('a native archive', () => {
  const place = new Place();
  const chain = userChain(KEYS, 3);
  let native = '';
  before(async () => {
    await place.make();
    native = await make(place, 'count.checkpoint.tar', chain);
  });
  after(() => place.remove());

  it('is inspected: its summary, its live entries, one key', async () => {
    const live = await liveIn(chain);
    const summary = await place.json<{
      archive: { kind: string; layout: string; mode: string };
      capabilities: Record<string, boolean>;
      totals: { entries: number };
    }>('inspect', native);
    assert.deepEqual(
      [summary.archive.kind, summary.archive.layout, summary.archive.mode],
      ['checkpoint', 'native', 'incremental'],
    );
    assert.deepEqual(summary.capabilities, {
      rescale: false,
      changeGraph: false,
      changeBackend: false,
      fork: true,
    });
    assert.equal(summary.totals.entries, live.length);
    const entries = await place.rows<Entry>('inspect', native, '--state', 'count.seen');
    assert.equal(entries.length, live.length);
    const [first] = entries;
    const [found] = await place.rows<Entry>(
      'inspect',
      native,
      '--state',
      'count.seen',
      '--key',
      String(first?.key),
    );
    assert.deepEqual(found, first);
    const gone = Array.from({ length: KEYS }, (_, i) => `user-${i}`).find(
      (key) => !entries.some((entry) => entry.key === key),
    );
    await refused(place, 4, 'KEY_NOT_FOUND', 'inspect', native, '--state', 'count.seen', '--key', gone ?? '');
  });

  it('is verified', async () => {
    assert.deepEqual(await place.json('verify', native), { ok: true, findings: [] });
    await make(place, 'mixed.tar', userChain(KEYS, 2), [writeRun, writeUnsorted]);
    const { code, stdout } = await place.run('verify', 'mixed.tar', '--json');
    assert.equal(code, 7);
    const { findings } = JSON.parse(stdout) as { findings: { code: string; message: string }[] };
    assert.deepEqual(
      findings.map((finding) => finding.code),
      ['SEGMENT'],
    );
    assert.match(findings[0]?.message ?? '', /not sorted/);
  });

  it('is compared with another, also one in no order, of which nothing stays', async () => {
    const full: Chain = { ...userChain(KEYS, 1), mode: 'full', backend: 'memory' };
    await make(place, 'unsorted.tar', full, [writeUnsorted]);
    await make(place, 'sorted.tar', full);
    await copyFile(place.path('unsorted.tar'), place.path('again.tar'));
    const temporary = place.path('temporary');
    await mkdir(temporary);
    const diff = async (...files: string[]) => {
      const running = new Running(['diff', ...files, '--exit-code', '--json'], {
        cwd: place.cwd,
        env: { TMPDIR: temporary },
      });
      const { code, stdout } = await running.ended;
      return { code, ...(JSON.parse(stdout) as { equal: boolean; operators: unknown[] }) };
    };
    assert.deepEqual(await diff('unsorted.tar', 'sorted.tar'), { code: 0, equal: true, operators: [] });
    assert.deepEqual(await diff('again.tar', 'unsorted.tar'), { code: 0, equal: true, operators: [] });
    const { code, equal, operators } = await diff('unsorted.tar', native);
    assert.deepEqual([code, equal, operators.length], [9, false, 1]);
    assert.deepEqual(await readdir(temporary), []);
    const rows = await place.rows<{ change: string }>('diff', 'sorted.tar', native, '--state', 'count.seen');
    const [first] = operators as { states: { added: number; removed: number; changed: number }[] }[];
    const { added = 0, removed = 0, changed = 0 } = first?.states[0] ?? {};
    assert.ok(removed > 0 && changed > 0);
    assert.equal(rows.length, added + removed + changed);
  });
});

describe('a checkpoint and a savepoint of one barrier, while input comes', () => {
  for (const [backend, mode] of [
    ['memory', 'full'],
    ['memory', 'incremental'],
    ['disk', 'full'],
    ['disk', 'incremental'],
  ] as const) {
    it(`hold one state: ${backend}, ${mode}; read from the home, packed or converted`, async () => {
      const place = new Place();
      await place.make();
      try {
        const params = ['--param', 'output=out', '--param', 'rate=2000', '--param', `count=${LONG}`];
        await place.json(
          ...['run', join(JOBS, 'slow-count.ts'), '--name', 'c', ...params, '-d', '--retain', '100'],
          ...['--checkpoint-interval', '100ms', '--backend', backend, '--checkpoint-mode', mode],
        );
        await place.json('wait', 'c', '--until', 'checkpoint');
        await place.json('checkpoint', 'c');
        const taken = await place.json<{ id: number }>('checkpoint', 'c', '--with-savepoint', 'save.tar');
        const of = `c@${taken.id}`;
        await place.json('externalize', of, '-o', 'check.tar');
        const rows = await place.rows<Entry>('inspect', of, '--state', 'count.seen');
        const one = await place.rows<Entry>('inspect', of, '--state', 'count.seen', '--key', '3');
        await place.run('cancel', 'c');

        assert.deepEqual(await place.json('verify', 'check.tar'), { ok: true, findings: [] });
        const converted = await place.json<Saved>('convert', 'check.tar');
        const savepoint = await place.json<{ archive: { digest: string } }>('inspect', 'save.tar');
        assert.equal(converted.digest, savepoint.archive.digest);
        assert.deepEqual(await place.json('diff', 'check.tar', 'save.tar'), { equal: true, operators: [] });
        const byKey = (a: Entry, b: Entry) => Number(a.key) - Number(b.key);
        const packed = await place.rows<Entry>('inspect', 'save.tar', '--state', 'count.seen');
        assert.deepEqual(rows.sort(byKey), packed.sort(byKey));
        assert.deepEqual(
          one,
          rows.filter(({ key }) => key === 3),
        );
      } finally {
        await place.remove();
      }
    });
  }
});

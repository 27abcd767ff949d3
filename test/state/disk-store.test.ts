/** What the disk backend reads of its runs, and what it makes of damaged ones. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { segmentPath } from '../../src/format/segment.js';
import type { MapHandle, NumberHandle, ValueHandle } from '../../src/state/backend.js';
import type { WrittenRun } from '../../src/store/run-writer.js';
import { DiskRuns } from './disk-runs.js';

const KEYS = 100_000;
const MIB = 1024 * 1024;
const BLOCK_BYTES = 4108;
const STATES = [
  { kind: 'number', initial: 0 },
  { kind: 'map', initial: undefined },
] as const;

describe('runs on a disk', () => {
  let folder = '';
  let runs: readonly WrittenRun[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tidemark-disk-'));
    const store = new DiskRuns(folder, 64 * MIB, STATES);
    const number = store.backend.state(0) as NumberHandle;
    for (let i = 0; i < KEYS; i++) {
      store.select(`key ${i}`);
      number.set(i);
    }
    store.select('with a map');
    const map = store.backend.state(1) as MapHandle;
    for (let i = 0; i < 3000; i++) map.set(`map key ${i}`, 'x'.repeat(i % 300));
    map.set('large', 'y'.repeat(50_000));
    await store.flush();
    for (let i = 0; i < KEYS; i += 1000) {
      store.select(`key ${i}`);
      number.clear();
    }
    await store.flush();
    runs = store.runs;
    store.state.close();
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  const opened = (cacheBytes = 64 * MIB): DiskRuns => {
    const store = new DiskRuns(folder, cacheBytes, STATES);
    store.take(runs);
    return store;
  };

  it('reads a run that is named twice as the newer of the two, and opens it once', async () => {
    const store = new DiskRuns(mkdtempSync(join(folder, 'twice-')), 64 * MIB, STATES);
    const number = store.backend.state(0) as NumberHandle;
    const names: string[] = [];
    // As an idle job, or one that goes round, writes equal changes again while the older ones are merged.
    for (const value of [1, 2, 1]) {
      store.select('key');
      number.set(value);
      await store.flush();
      names.push(store.runs.at(-1)?.name ?? '');
    }
    assert.equal(names[0], names[2]);
    const again = new DiskRuns(store.folder, 64 * MIB, STATES);
    again.state.setRuns(names);
    again.select('key');
    assert.equal((again.backend.state(0) as NumberHandle).get(), 1);
    store.state.close();
    again.state.close();
  });

  it('reads a few blocks for one key of many, and none for one that is not there', () => {
    const store = opened();
    const { state } = store;
    const bytes = runs.reduce((sum, run) => sum + run.bytes, 0);
    assert.ok(bytes > 100 * BLOCK_BYTES);
    // The index, of 100,000 keys.
    assert.ok(state.bytesRead < bytes / 20, `${state.bytesRead} of ${bytes} bytes to open`);
    assert.equal(store.backend.counts()[0]?.entries, KEYS - KEYS / 1000);
    const before = state.bytesRead;
    const number = store.backend.state(0) as NumberHandle;
    store.select('key 4711');
    assert.equal(state.bytesRead, before, 'selecting reads nothing');
    assert.equal(number.get(), 4711);
    // A page and a block for each run and state, at most.
    assert.ok(state.bytesRead - before <= 6 * BLOCK_BYTES, `${state.bytesRead - before} bytes`);
    const reads = state.reads;
    number.add(1);
    store.select('key 4711');
    assert.equal(number.get(), 4712);
    assert.equal(state.reads, reads, 'what is in memory is not read again');
    for (let i = 0; i < 1000; i++) {
      store.select(`not there ${i}`);
      assert.equal(number.get(), 0);
    }
    // Pages are kept, and a filter is wrong for one key in a hundred.
    assert.ok(state.reads - reads < 200, `${state.reads - reads} reads for 1000 absent keys`);
    store.state.close();
  });

  it('finds every key, its tombstones and a map of many blocks, with and without a cache', () => {
    for (const cacheBytes of [1, 64 * MIB]) {
      const store = opened(cacheBytes);
      const number = store.backend.state(0) as NumberHandle;
      for (let i = 0; i < KEYS; i += 7) {
        store.select(`key ${i}`);
        assert.equal(number.get(), i % 1000 === 0 ? 0 : i);
      }
      store.select('with a map');
      const map = store.backend.state(1) as MapHandle;
      assert.equal(map.size, 3001);
      assert.equal(map.get('map key 299'), 'x'.repeat(299));
      assert.equal(map.get('large'), 'y'.repeat(50_000));
      assert.equal(number.get(), 0);
      store.state.close();
    }
  });

  const corrupt = (pattern: RegExp) => (error: unknown) =>
    error instanceof TidemarkError && error.code === 'SEGMENT_CORRUPT' && pattern.test(error.message);

  it('believes no damaged block or page, and goes on with the rest', () => {
    const [run] = runs;
    assert.ok(run !== undefined);
    const path = segmentPath(folder, run.name);
    const sound = readFileSync(path);
    for (const [what, at] of [
      ['block', Math.floor(sound.length * 0.3)],
      ['filter page', sound.length - Math.floor(KEYS * 0.9)],
    ] as const) {
      const damaged = Buffer.from(sound);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 0x40, at);
      writeFileSync(path, damaged);
      const store = opened();
      const number = store.backend.state(0) as NumberHandle;
      let failed = 0;
      for (let i = 0; i < KEYS; i += 5) {
        store.select(`key ${i}`);
        try {
          assert.equal(number.get(), i % 1000 === 0 ? 0 : i);
        } catch (error) {
          assert.ok(
            corrupt(new RegExp(`^segment ${run.name} is damaged at byte \\d+: .*${what}`))(error),
            String(error),
          );
          failed++;
        }
      }
      assert.ok(failed > 0 && failed < KEYS / 5 / 10, `${failed} failed for a ${what}`);
      store.state.close();
    }
    writeFileSync(path, sound);
  });

  it('opens no run that is missing, cut or damaged at its end, and stays with those it had', () => {
    const store = opened();
    const number = store.backend.state(0) as NumberHandle;
    const missing = 'ab'.repeat(32);
    const names = runs.map(({ name }) => name);
    assert.throws(() => store.state.setRuns([...names, missing]), corrupt(/is missing$/));
    const [run] = runs;
    assert.ok(run !== undefined);
    const bytes = readFileSync(segmentPath(folder, run.name));
    const cut = bytes.subarray(0, bytes.length - 1);
    const wrong = Buffer.from(bytes);
    wrong.writeUInt8(wrong.readUInt8(wrong.length - 200) ^ 1, wrong.length - 200);
    for (const [i, content] of [cut, wrong, bytes.subarray(0, 50), Buffer.alloc(0)].entries()) {
      const name = `${i}c`.repeat(32);
      writeFileSync(segmentPath(folder, name), content);
      assert.throws(
        () => store.state.setRuns([...names, name]),
        corrupt(new RegExp(`^segment ${name} is damaged`)),
      );
    }
    store.select('key 77');
    assert.equal(number.get(), 77);
    store.state.close();
  });
});

it('asks for a flush, and says when it is full', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-disk-'));
  try {
    const store = new DiskRuns(folder, 4 * MIB, [{ kind: 'value', initial: undefined }]);
    const value = store.backend.state(0) as ValueHandle;
    const fill = (from: number, enough: () => boolean): number => {
      for (let i = from; ; i++) {
        if (enough()) return i;
        store.select(i);
        value.set('x'.repeat(1000));
      }
    };
    const { state } = store;
    const first = fill(0, () => state.wantsFlush);
    // A quarter of the cache.
    assert.ok(first > 500 && first < 1100, `${first} values of 1 KB`);
    assert.equal(state.full, false);
    const second = fill(first, () => state.full);
    assert.ok(second >= 2 * first - 10 && second <= 2 * first + 10, `${second} values`);
    await store.flush();
    assert.deepEqual([state.wantsFlush, state.full], [false, false]);
    fill(second, () => state.wantsFlush);
    await store.flush();
    assert.ok(state.cached.bytes < 4 * MIB);
    store.select(0);
    assert.equal(value.get(), 'x'.repeat(1000));
    // One key with a map larger than the cache, changed at one place, does not ask for a flush each time.
    const maps = new DiskRuns(folder, MIB, [{ kind: 'map', initial: undefined }]);
    const map = maps.backend.state(0) as MapHandle;
    maps.select('k');
    for (let i = 0; i < 5000; i++) map.set(i, 'x'.repeat(1000));
    await maps.flush();
    maps.select('k');
    map.set(4711, 'y');
    assert.deepEqual([maps.state.wantsFlush, maps.state.full], [false, false]);
    store.state.close();
    maps.state.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

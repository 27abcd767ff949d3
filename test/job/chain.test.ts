/** A chain with a real store thread and a real catalog; the test is the data thread, which answers when it likes. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { seededRandom } from '../../src/base/random.js';
import { realDisk } from '../../src/base/real-disk.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { ByteReader } from '../../src/codec/reader.js';
import { valueCodec } from '../../src/codec/value.js';
import { EntryWriter, readEntry } from '../../src/format/entry.js';
import { Chain } from '../../src/job/chain.js';
import type { Delta } from '../../src/job/delta.js';
import type { ToData } from '../../src/job/protocol.js';
import { Removals } from '../../src/job/removals.js';
import { StoreTask } from '../../src/job/store-task.js';
import { liveBlocks } from '../../src/store/live-blocks.js';
import { RunReader } from '../../src/store/run-reader.js';
import { openHome, startJob, type TestHome } from '../catalog/fixture.js';
import { SEED } from '../helpers/seed.js';

const CHUNK = 4096;
const TABLE = 0;
const KEYS = 6;
const STEPS = process.env['TIDEMARK_TEST_LONG'] === '1' ? 5_000 : 300;
const soon = () => new Promise((resolve) => setImmediate(resolve));
const keys = keyCodecById('string');

type Entries = readonly (readonly [key: string, value: number | undefined])[];

class Chained {
  readonly home: TestHome;
  readonly chain: Chain;
  readonly removals: Removals;
  /** Of the last list that the data thread was told. */
  version = 0;
  merges = 0;
  /** After a run of a delta was leased, before it has its name. */
  onLease: () => void = () => undefined;
  #deltas = 0;

  constructor(t: TestContext) {
    this.home = openHome(t);
    const { catalog, home } = this.home;
    this.removals = new Removals(catalog, realDisk);
    const { job, epoch } = startJob(t, this.home, 'job');
    const task = new StoreTask(
      { folder: home.segments, unkeyed: new Set() },
      {
        taken: () => undefined,
        lease: (owner, run) => {
          catalog.lease(job.id, epoch, [run]);
          this.chain.leased(owner, run.name);
          this.onLease();
        },
      },
    );
    this.chain = new Chain(
      {
        catalog,
        job: job.id,
        epoch,
        task,
        removals: this.removals,
        send: (message: ToData) => {
          if (message.type === 'runs' || message.type === 'written') this.version = message.version;
        },
        onMerge: () => this.merges++,
        onMergeFailed: (error) => assert.fail(error),
        now: () => 0,
      },
      [],
      0,
    );
    t.after(async () => {
      await this.chain.close();
    });
  }

  /** A delta that sets these keys, or removes them. */
  begin(entries: Entries, whole = false): Delta {
    const delta = this.chain.begin(++this.#deltas, whole);
    const pool = {
      take: (bytes: number) => Buffer.from(new ArrayBuffer(bytes)),
      full: (chunk: Buffer, used: number, count: number) => delta.add(chunk, used, count),
    };
    const out = new EntryWriter(pool, CHUNK);
    for (const [key, value] of entries) {
      out.begin(TABLE, 0);
      out.key(keys, key);
      if (value === undefined) out.tombstone();
      else out.value(valueCodec, value);
    }
    out.flush();
    return delta;
  }

  /** What is alive in the runs of the list. */
  async content(): Promise<Map<string, unknown>> {
    const { segments } = this.home.home;
    const readers: RunReader[] = [];
    const found = new Map<string, unknown>();
    try {
      // The list may change meanwhile; its files stay, as the test has not opened the next.
      for (const { name } of [...this.chain.runs])
        readers.push(await RunReader.openFile(realDisk, segments, name));
      for await (const { payload, entries } of liveBlocks(readers, { unkeyed: new Set() })) {
        const from = new ByteReader(payload);
        for (let i = 0; i < entries; i++) {
          const { key, value } = readEntry(from);
          const name = String(keys.read(new ByteReader(key)));
          assert.ok(!found.has(name), `${name} comes twice`);
          found.set(name, valueCodec.read(new ByteReader(value)));
        }
      }
    } finally {
      for (const reader of readers) await reader.close();
    }
    return found;
  }

  assertSafe(): void {
    const { catalog, home } = this.home;
    const names = this.chain.runs.map(({ name }) => name);
    assert.deepEqual(
      names.filter((name) => !existsSync(home.segment(name))),
      [],
      'each is there',
    );
    assert.deepEqual(catalog.orphanSegments(names), [], 'each is leased');
  }
}

test('a run that is written again while the equal one is released stays leased', async (t) => {
  const chained = new Chained(t);
  const { chain } = chained;
  for (let n = 0; chained.merges === 0; n++) {
    await chained.begin([[`key-${n}`, n]]).finish();
    await soon();
    assert.ok(n < 100, 'a merge comes');
  }
  // The data thread has not opened the merged list: its inputs, of which one is written again, are there.
  chained.onLease = () => chain.opened(chained.version);
  await chained.begin([['key-0', 0]]).finish();
  chained.assertSafe();
});

test('whatever comes in between, the list holds the state of the last delta, and nothing leaks', async (t) => {
  const random = seededRandom(SEED);
  const below = (n: number) => Math.floor(random.next() * n);
  const chained = new Chained(t);
  const { chain } = chained;
  const model = new Map<string, number>();
  chained.onLease = () => {
    if (below(4) === 0) chain.opened(chained.version);
  };
  for (let step = 0; step < STEPS; step++) {
    // Few keys and values, so that runs of equal content are common.
    const key = (n: number) => `key-${n}`;
    const wanted = Array.from({ length: KEYS }, (_, n) => n).filter(() => below(3) === 0);
    const entries = wanted.map((n) => [key(n), below(4) === 0 ? undefined : below(2)] as const);
    if (entries.length === 0) continue;
    const delta = chained.begin(entries, below(10) === 0);
    const given = below(8);
    if (given === 0) await delta.discard();
    else {
      const finished = delta.finish().then(
        () => true,
        () => false,
      );
      if (given === 1) await delta.discard();
      const kept = await finished;
      assert.ok(kept || given === 1, 'a delta is refused only when it is given up');
      for (const [name, value] of kept ? entries : []) {
        if (value === undefined) model.delete(name);
        else model.set(name, value);
      }
    }
    if (below(3) === 0) chain.opened(chained.version);
    if (below(3) === 0) await soon();
    chained.assertSafe();
    const content = [...(await chained.content())].sort();
    assert.deepEqual(content, [...model].sort(), `seed ${SEED}, step ${step}`);
  }
  assert.ok(chained.merges > 0);
  await chain.close();
  chain.release();
  await chained.removals.settled();
  assert.deepEqual(readdirSync(chained.home.home.segments), []);
});

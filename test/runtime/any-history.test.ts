/**
 * The oracle of the design, on the dataflow alone: after any history of steps, snapshots that complete, fail or are
 * given up, crashes, and restores at another parallelism, what is committed equals a plain computation over the
 * input, and so does the state.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteReader } from '../../src/codec/reader.js';
import { schema } from '../../src/codec/schema.js';
import { EntryWriter, readEntry } from '../../src/format/entry.js';
import { state } from '../../src/graph/declare-state.js';
import type { JobBuilder } from '../../src/graph/define.js';
import { defineSink } from '../../src/graph/define-sink.js';
import type { Transaction } from '../../src/graph/sink.js';
import { type } from '../../src/graph/type.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { type TakenSnapshot, take } from '../../src/testing/taken.js';
import fc from '../helpers/property.js';
import { Driven, splitsOf } from './driving.js';

const SPLITS = 5;
const A_SPLIT = 40;
const MAX_PARALLELISM = 8;
/** Milliseconds: after all timers. */
const END_OF_TIME = 1_000_000;

interface Element {
  readonly split: string;
  readonly n: number;
}

const INPUT = Object.fromEntries(
  Array.from({ length: SPLITS }, (_, i) => {
    const split = `split-${i}`;
    return [split, Array.from({ length: A_SPLIT }, (_, n): Element => ({ split, n: n * SPLITS + i }))];
  }),
);

/** A target outside of any attempt: what is committed, each transaction once. */
class Target {
  readonly committed = new Map<string, readonly string[]>();

  sink() {
    return defineSink<string, readonly string[]>({
      transaction: schema<readonly string[]>({
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: (value) => ({ value: value as readonly string[] }),
        },
      }),
      open: () => {
        let open: string[] = [];
        return {
          write: (elements) => void open.push(...elements),
          async prepare() {
            const sealed = open;
            open = [];
            return sealed.length === 0 ? undefined : sealed;
          },
        };
      },
      committer: () => ({
        recover: async (transactions) => this.#commit(transactions),
        commit: async (transactions) => this.#commit(transactions),
      }),
    });
  }

  get lines(): string[] {
    return [...this.committed.values()].flat().sort();
  }

  #commit(transactions: readonly Transaction<readonly string[]>[]): void {
    for (const { id, value } of transactions) this.committed.set(JSON.stringify(id), value);
  }
}

/** State of every kind, timers, a side output, a union; every line depends on all that came before for its key. */
function build(target: Target) {
  return (job: JobBuilder): void => {
    const source = job.source('in', splitsOf(INPUT, 3));
    // A key's elements come from one split and so in order.
    const ordered = source
      .keyBy(({ split, n }) => `${split}/${n % 3}`)
      .process('ordered', {
        state: {
          count: state.number(0),
          last: state.value<{ readonly n: number }>(),
          recent: state.list<number>(),
          tally: state.map<number, number>(),
        },
        timers: { later: 'processing' },
        sides: { odd: type<string>() },
        emits: type<string>(),
        onElement({ n }, ctx) {
          const { count, last, recent, tally } = ctx.state;
          const before = last.get()?.n ?? null;
          count.add(1);
          last.set({ n });
          recent.update((kept) => [...kept, n].slice(-4));
          tally.set(n % 4, (tally.get(n % 4) ?? 0) + 1);
          if (n % 7 === 0) tally.delete(0);
          const tallied = [...tally.entries()].sort(([a], [b]) => a - b);
          ctx.emit(
            JSON.stringify({ key: ctx.key, count: count.get(), before, recent: recent.get(), tallied }),
          );
          if (n % 2 === 1) ctx.side.odd(`odd ${n}`);
          ctx.timers.later.set(n * 10);
          if (n % 5 === 0) ctx.timers.later.delete(n * 10);
        },
        onTimer: { later: (at, ctx) => ctx.emit(`timer ${ctx.key} ${at}`) },
      });
    // A key's elements come from all splits: only what does not depend on their order counts.
    const mixed = source
      .keyBy(({ n }) => n % 6)
      .process('mixed', {
        state: { count: state.number(0) },
        emits: type<string>(),
        onElement(_element, ctx) {
          ctx.state.count.add(1);
          ctx.emit(`mixed ${ctx.key} ${ctx.state.count.get()}`);
        },
      });
    ordered.side.odd.union(ordered, mixed).sink('out', target.sink());
  };
}

/** The same without tidemark. */
function expected(): string[] {
  const lines: string[] = [];
  for (const elements of Object.values(INPUT)) {
    for (const rest of [0, 1, 2]) {
      const own = elements.filter(({ n }) => n % 3 === rest);
      const tally = new Map<number, number>();
      own.forEach(({ split, n }, i) => {
        tally.set(n % 4, (tally.get(n % 4) ?? 0) + 1);
        if (n % 7 === 0) tally.delete(0);
        const key = `${split}/${rest}`;
        const before = own[i - 1]?.n ?? null;
        const recent = own.slice(Math.max(0, i - 3), i + 1).map((element) => element.n);
        const tallied = [...tally].sort(([a], [b]) => a - b);
        lines.push(JSON.stringify({ key, count: i + 1, before, recent, tallied }));
        if (n % 2 === 1) lines.push(`odd ${n}`);
        if (n % 5 !== 0) lines.push(`timer ${key} ${n * 10}`);
      });
    }
  }
  const all = Object.values(INPUT).flat();
  for (const rest of [0, 1, 2, 3, 4, 5]) {
    const count = all.filter(({ n }) => n % 6 === rest).length;
    for (let i = 1; i <= count; i++) lines.push(`mixed ${rest} ${i}`);
  }
  return lines.sort();
}

type Event =
  | { readonly kind: 'steps'; readonly count: number }
  | { readonly kind: 'time'; readonly ms: number }
  /** A snapshot drained in slices between steps; then it completes, and is committed or not, or it is given up. */
  | {
      readonly kind: 'snapshot';
      readonly stepsBetween: number;
      readonly end: 'committed' | 'completed' | 'aborted';
    }
  | { readonly kind: 'crash'; readonly parallelism: number };

const events: fc.Arbitrary<Event[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('steps' as const), count: fc.integer({ min: 1, max: 12 }) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 700 }) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('snapshot' as const),
        stepsBetween: fc.integer({ min: 0, max: 6 }),
        end: fc.constantFrom('committed', 'committed', 'completed', 'aborted'),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('crash' as const),
        parallelism: fc.integer({ min: 1, max: MAX_PARALLELISM }),
      }),
    },
  ),
  { minLength: 1, maxLength: 25 },
);

/** A job over its attempts. */
class History {
  readonly target = new Target();
  readonly #clock = new ManualClock();
  #driven: Driven | undefined;
  #attempt = 0;
  #checkpoint = 0;
  #last: TakenSnapshot | undefined;

  async begin(parallelism: number): Promise<void> {
    this.#driven = await Driven.open(build(this.target), {
      parallelism,
      maxParallelism: MAX_PARALLELISM,
      clock: this.#clock,
      attempt: ++this.#attempt,
      restore: this.#last,
    });
  }

  get driven(): Driven {
    assert.ok(this.#driven);
    return this.#driven;
  }

  async obey(event: Event): Promise<void> {
    switch (event.kind) {
      case 'steps':
        for (let i = 0; i < event.count; i++) await this.driven.step();
        return;
      case 'time':
        this.#clock.advance(event.ms);
        return;
      case 'snapshot':
        return this.#snapshot(event);
      case 'crash':
        return this.begin(event.parallelism);
    }
  }

  /** To the end of input and of time, with a last checkpoint. */
  async finish(): Promise<void> {
    await this.driven.settle();
    this.#clock.advance(END_OF_TIME);
    await this.driven.settle();
    assert.equal(this.driven.dataflow.ended, true);
    await this.#snapshot({ stepsBetween: 0, end: 'committed' });
  }

  async #snapshot({ stepsBetween, end }: Omit<Extract<Event, { kind: 'snapshot' }>, 'kind'>): Promise<void> {
    const { dataflow } = this.driven;
    const checkpoint = ++this.#checkpoint;
    const chunks: { payload: Buffer; entries: number }[] = [];
    const snapshot = dataflow.freeze(
      checkpoint,
      new EntryWriter(
        {
          take: (bytes) => Buffer.alloc(bytes),
          full: (chunk, used, entries) => void chunks.push({ payload: chunk.subarray(0, used), entries }),
        },
        256,
      ),
    );
    for (let i = 0; i < stepsBetween; i++) {
      snapshot.slice(() => true);
      await this.driven.step();
    }
    if (end === 'aborted') return snapshot.abort();
    while (!snapshot.slice(() => true));
    await snapshot.prepared;
    snapshot.finish();
    const { barrierTime } = snapshot;
    this.#last = {
      checkpoint,
      barrierTime,
      maxParallelism: MAX_PARALLELISM,
      tables: dataflow.tables,
      chunks,
    };
    if (end === 'committed') await dataflow.commit(checkpoint);
  }
}

test('any history ends with the output and the state of a plain computation', async () => {
  const wanted = expected();
  const numRuns = process.env['TIDEMARK_TEST_LONG'] === '1' ? 2_000 : 80;
  let digest: string | undefined;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: MAX_PARALLELISM }), events, async (parallelism, happened) => {
      const history = new History();
      await history.begin(parallelism);
      for (const event of happened) {
        await history.obey(event);
        const lines = history.target.lines;
        assert.equal(new Set(lines).size, lines.length, 'a committed line stands twice');
      }
      await history.finish();
      assert.deepEqual(history.target.lines, wanted);
      const final = stateOf(await take(history.driven.dataflow, 1_000_000));
      digest ??= final;
      assert.equal(final, digest, 'the state at the end does not depend on the history');
    }),
    { numRuns },
  );
});

/** All entries but transactions, in an order of their own. */
function stateOf({ chunks, tables }: TakenSnapshot): string {
  const rows: string[] = [];
  for (const { payload, entries } of chunks) {
    const reader = new ByteReader(payload);
    for (let i = 0; i < entries; i++) {
      const { table, group, key, mapKey, value } = readEntry(reader);
      assert.notEqual(tables[table]?.kind, 'transactions', 'everything is committed');
      const bytes = [key, mapKey ?? Buffer.alloc(0), value].map((part) => part.toString('hex'));
      rows.push(`${table} ${group} ${bytes.join(' ')}`);
    }
  }
  return rows.sort().join('\n');
}

/** What may be so when a job is to wait at the positions of another. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { schema } from '../../src/codec/schema.js';
import type { JobBuilder } from '../../src/graph/define.js';
import { defineSource } from '../../src/graph/define-source.js';
import { state } from '../../src/index.js';
import { entriesOf, type TakenSnapshot, take } from '../../src/testing/taken.js';
import { Driven } from './driving.js';

/** Splits of numbers, in batches of two; they come up to `limits`, and wait there for more. */
class Input {
  readonly splits: Record<string, readonly number[]>;
  readonly limits: Record<string, number> = {};
  /** Nobody can tell how its positions lie, and it has no more splits. */
  readonly plain: boolean;
  readonly #waiting = new Set<() => void>();

  constructor(splits: Record<string, readonly number[]>, plain = false) {
    this.splits = splits;
    this.plain = plain;
  }

  /** Lets so much of a split come. */
  give(split: string, limit: number): void {
    this.limits[split] = limit;
    for (const wake of this.#waiting) wake();
  }

  source() {
    return defineSource({
      position: schema(z.number()),
      ...(this.plain ? {} : { rediscover: 1, compare: (a: number, b: number) => a - b }),
      splits: () => Object.keys(this.splits).map((id) => ({ id, start: 0 })),
      read: (request) => this.#read(request),
    });
  }

  async *#read(request: {
    split: string;
    position: number;
    batch: number;
    until?: number | undefined;
    signal: AbortSignal;
  }) {
    const { split, position, batch, until, signal } = request;
    const all = this.splits[split] ?? [];
    for (let at = position; at < all.length; ) {
      const limit = this.limits[split] ?? all.length;
      if (at >= limit) {
        if (signal.aborted) return;
        await this.#more(signal);
        continue;
      }
      const end = Math.min(at + Math.min(batch, 2), until !== undefined && until > at ? until : limit, limit);
      yield { elements: all.slice(at, end), position: end };
      at = end;
    }
  }

  #more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }
}

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

const timed = (job: JobBuilder, input: Input, uid = 'in') =>
  job.source(uid, input.source()).assignTimestamps((n) => n, { outOfOrderness: 0, idle: 1000 });

const counting =
  (input: Input, uid = 'in') =>
  (job: JobBuilder) =>
    void timed(job, input, uid)
      .keyBy((n) => n % 3)
      .process('count', {
        state: { seen: state.number(0), fired: state.number(0) },
        timers: { later: 'event' },
        onElement(n, ctx) {
          ctx.state.seen.update((seen) => seen + 1);
          ctx.timers.later.set(n + 3);
        },
        onTimer: { later: (at, ctx) => ctx.state.fired.update((fired) => fired + at) },
      });

const open = (input: Input) => Driven.open(counting(input));

/** All that can come has come. */
async function quiet(driven: Driven): Promise<void> {
  for (let still = 0; still < 5; ) still = (await driven.step()) ? 0 : still + 1;
}

function held(snapshot: TakenSnapshot): readonly string[] {
  const told = [...entriesOf(snapshot)].map(({ table, group, key, value }) =>
    [table, group, key.toString('hex'), value.toString('hex')].join(' '),
  );
  return told.sort();
}

function holdAt({ dataflow }: Driven, at: TakenSnapshot): void {
  const kinds = at.tables.map(({ kind }) => kind);
  const entries = [...entriesOf(at)].filter(({ table }) =>
    ['splits', 'watermark'].includes(kinds[table] ?? ''),
  );
  dataflow.hold({ tables: at.tables, entries });
}

const watermark = ({ dataflow }: Driven) => dataflow.compiled.times.get('count')?.watermark;

describe('waiting at the positions of another', () => {
  test('that a split has ended is not known where the other did not know it', async () => {
    const blue = await open(new Input({ a: [1, 2], b: numbers(1, 8) }));
    await new Promise<void>((resolve) => setImmediate(resolve));
    // At once: its end is not heard of.
    blue.dataflow.step(0);
    const at = await take(blue.dataflow, 1);
    const input = new Input({ a: [1, 2], b: numbers(1, 8) });
    input.give('b', 0);
    const green = await open(input);
    await quiet(green);
    assert.deepEqual(
      green.dataflow.compiled.sources.flatMap((source) => [...source.positions()]).map(({ done }) => done),
      [true, false],
    );
    holdAt(green, at);
    input.give('b', 8);
    await quiet(green);
    assert.ok(green.dataflow.held?.settled);
    assert.deepEqual(held(await take(green.dataflow, 1)), held(at));
    green.dataflow.release();
    await quiet(green);
    await quiet(blue);
    assert.deepEqual(held(await take(green.dataflow, 2)), held(await take(blue.dataflow, 2)));
  });

  test('event time comes to where it was, also where a split was idle there', async () => {
    const input = new Input({ a: numbers(1, 4), b: numbers(1, 20) });
    input.give('a', 2);
    input.give('b', 2);
    const blue = await open(input);
    await quiet(blue);
    assert.equal(watermark(blue), 1);
    blue.clock.advance(2000);
    input.give('b', 12);
    await quiet(blue);
    assert.equal(watermark(blue), 11);
    const at = await take(blue.dataflow, 1);

    const green = await open(new Input({ a: numbers(1, 4), b: numbers(1, 20) }));
    holdAt(green, at);
    await quiet(green);
    assert.ok(green.dataflow.held?.settled);
    assert.deepEqual(held(await take(green.dataflow, 1)), held(at));
    // Those that wait are not idle.
    green.clock.advance(60_000);
    await quiet(green);
    assert.equal(watermark(green), 11);
    assert.deepEqual(held(await take(green.dataflow, 1)), held(at));
  });

  test('event time that was ahead there is refused, and so is its end', async () => {
    const input = new Input({ a: numbers(1, 9) });
    input.give('a', 6);
    const green = await open(input);
    await quiet(green);
    const early = await open(input);
    for (let left = 3; left > 0; left--) await early.step();
    assert.equal(watermark(early), 3);
    const behind = await take(early.dataflow, 1);
    assert.throws(() => holdAt(green, behind), {
      code: 'POSITION_PASSED',
      message: /event time of operator count is at 5, beyond 3/,
    });
    const drained = await open(input);
    drained.dataflow.drain();
    await quiet(drained);
    const end = await take(drained.dataflow, 1);
    assert.throws(() => holdAt(green, end), { code: 'DRAINED' });
    const other = await Driven.open(counting(input, 'other'));
    const foreign = await take(other.dataflow, 1);
    assert.throws(() => holdAt(green, foreign), {
      code: 'INCOMPATIBLE',
      message: /has a source other, which/,
    });
    assert.equal(green.dataflow.isHeld, false);
    input.give('a', 8);
    await quiet(green);
    assert.equal(watermark(green), 7);
  });

  test('event time of operators that are not here any more is of no matter', async () => {
    const input = new Input({ a: numbers(1, 9) });
    input.give('a', 4);
    const last = (uids: readonly string[]) => (job: JobBuilder) => {
      const all = timed(job, input);
      for (const uid of uids)
        all
          .keyBy((n) => n)
          .process(uid, { state: { n: state.number(0) }, onElement: (n, ctx) => ctx.state.n.set(n) });
    };
    const blue = await Driven.open(last(['count', 'gone']));
    await quiet(blue);
    const at = await take(blue.dataflow, 1);
    input.give('a', 9);
    const green = await Driven.open(last(['count']));
    holdAt(green, at);
    await quiet(green);
    assert.ok(green.dataflow.held?.settled);
    assert.equal(watermark(green), watermark(blue));
  });

  test('a split that is not known there stays unread, one that is not known here is waited for', async () => {
    const before = new Input({ a: numbers(1, 6) });
    before.give('a', 4);
    const blue = await open(before);
    await quiet(blue);
    const at = await take(blue.dataflow, 1);
    const more = { a: numbers(1, 6), b: numbers(1, 6) };
    const input = new Input({ a: more.a });
    input.give('a', 2);
    const green = await open(input);
    await quiet(green);
    holdAt(green, at);
    input.splits['b'] = more.b;
    input.give('a', 6);
    await green.dataflow.compiled.sources[0]?.rediscover();
    await quiet(green);
    assert.ok(green.dataflow.held?.settled);
    assert.deepEqual(held(await take(green.dataflow, 1)), held(at));
    green.dataflow.release();
    await quiet(green);
    assert.equal(green.dataflow.elements, 12);

    const both = await open(new Input(more));
    for (let steps = 4; steps > 0; steps--) await both.step();
    both.dataflow.pause();
    await both.step();
    const later = await take(both.dataflow, 1);
    const late = new Input({ a: more.a });
    late.give('a', 0);
    const third = await open(late);
    holdAt(third, later);
    late.give('a', 6);
    await quiet(third);
    assert.deepEqual(third.dataflow.held?.progress, { splits: 2, arrived: 1, away: ['in/b'] });
    late.splits['b'] = more.b;
    await third.dataflow.compiled.sources[0]?.rediscover();
    await quiet(third);
    assert.ok(third.dataflow.held?.settled);
    assert.deepEqual(held(await take(third.dataflow, 1)), held(later));
  });

  test('what a reader waits for as it is released is read once', async () => {
    const blue = await open(new Input({ a: numbers(1, 9) }, true));
    for (let steps = 4; steps > 0; steps--) await blue.step();
    const at = await take(blue.dataflow, 1);
    const input = new Input({ a: numbers(1, 9) }, true);
    input.give('a', 3);
    const green = await open(input);
    await green.step();
    holdAt(green, at);
    await quiet(green);
    assert.equal(green.dataflow.held?.progress.arrived, 0);
    // The reader that is given up has just got what the next one reads again.
    input.give('a', 9);
    green.dataflow.release();
    await quiet(green);
    assert.equal(green.dataflow.elements, 9);
  });
});

/**
 * A window operator by itself, on a memory backend: the test is the caller that the duties of keyed operators speak of,
 * pushes elements with their timestamps and moves time.
 */
import assert from 'node:assert/strict';
import { keyGroupOf } from '../../src/base/key-groups.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { listCodec } from '../../src/codec/list.js';
import { ByteReader } from '../../src/codec/reader.js';
import { valueCodec } from '../../src/codec/value.js';
import { type ChunkPool, type Entry, EntryWriter, readEntry } from '../../src/format/entry.js';
import type { WindowSpec } from '../../src/graph/window.js';
import { EventTime, NO_WATERMARK } from '../../src/runtime/event-time.js';
import type { KeyedOperator } from '../../src/runtime/operator.js';
import { ProcessingTime } from '../../src/runtime/processing-time.js';
import { Where } from '../../src/runtime/where.js';
import { windowTables } from '../../src/runtime/window/layout.js';
import { createWindowOperator } from '../../src/runtime/window/window-operator.js';
import type { BackendOptions, Drain, KeyedBackend } from '../../src/state/backend.js';
import { createMemoryBackend } from '../../src/state/memory/backend.js';
import { ManualClock } from '../../src/testing/manual-clock.js';

const MAX_PARALLELISM = 16;
const NODE = 3;
const CHUNK_BYTES = 1024;
const keys = keyCodecById('auto');

/** Something that came out, with the timestamp that was current then. */
export interface Out {
  readonly value: unknown;
  readonly timestamp: number;
}

/** A snapshot under way: what the backend held when it was begun. */
export class Taking {
  readonly drain: Drain;
  readonly #chunks: Buffer[] = [];
  readonly #out: EntryWriter;

  constructor(backend: KeyedBackend) {
    const pool: ChunkPool = {
      take: (bytes) => Buffer.alloc(bytes),
      full: (chunk, used) => void this.#chunks.push(chunk.subarray(0, used)),
    };
    this.#out = new EntryWriter(pool, CHUNK_BYTES);
    this.drain = backend.freeze(this.#out);
  }

  finish(): Entry[] {
    while (!this.drain.slice(() => false));
    this.#out.flush();
    const entries: Entry[] = [];
    for (const chunk of this.#chunks) {
      const reader = new ByteReader(chunk);
      while (reader.position < chunk.length) entries.push(readEntry(reader));
    }
    return entries;
  }
}

export class WindowRun {
  readonly results: Out[] = [];
  readonly late: Out[] = [];
  readonly where = new Where();
  readonly eventTime = new EventTime();
  readonly time = { watermark: NO_WATERMARK, furthest: NO_WATERMARK };
  readonly clock = new ManualClock();
  #spec: WindowSpec;
  readonly #mode: BackendOptions['snapshots'];
  #backend: KeyedBackend;
  #operator: KeyedOperator;

  constructor(spec: WindowSpec, mode: BackendOptions['snapshots'] = 'all') {
    this.#spec = spec;
    this.#mode = mode;
    this.where.nameNodes(() => 'windows');
    this.#backend = this.#newBackend();
    this.#operator = this.#newOperator();
  }

  get operator(): KeyedOperator {
    return this.#operator;
  }

  push(key: string | number, value: unknown, timestamp: number): void {
    const normal = keys.normalise(key);
    const hash = keys.hash(normal);
    this.eventTime.timestamp = timestamp;
    this.#operator.pushKeyed(value, normal, keyGroupOf(hash, MAX_PARALLELISM), hash);
    assert.ok(Object.is(this.eventTime.timestamp, timestamp), 'the timestamp is put back');
    assert.ok(this.#backend.nextTimer('event') > this.time.watermark, 'no timer is left in the past');
  }

  /** The watermark comes to `time`, if it was not there already, and what is due fires. */
  advance(time: number): void {
    this.time.watermark = Math.max(this.time.watermark, time);
    let last = Number.NEGATIVE_INFINITY;
    for (;;) {
      const next = this.#backend.nextTimer('event');
      assert.ok(next >= last, 'timers fire in the order of their times');
      last = next;
      if (!this.#operator.fireTimer('event', this.time.watermark)) return;
    }
  }

  /** The wall clock comes to `time`, and what is due fires. */
  elapse(time: number): void {
    this.clock.advance(time - this.clock.now());
    while (this.#operator.fireTimer('processing', time));
  }

  nextTimer(time: 'event' | 'processing'): number {
    return this.#backend.nextTimer(time);
  }

  /** Live entries by name of the table. */
  counts(): Readonly<Record<string, number>> {
    const names = windowTables(this.#spec).map(({ name }) => name);
    return Object.fromEntries(this.#backend.counts().map(({ table, entries }) => [names[table], entries]));
  }

  begin(): Taking {
    return new Taking(this.#backend);
  }

  /** Goes on in another operator, with another backend that was given what this one held; by another definition, too. */
  move(spec = this.#spec): void {
    this.#spec = spec;
    const entries = this.begin().finish();
    if (this.#mode === 'changes') this.#backend.settle(true);
    this.#backend = this.#newBackend();
    for (const entry of entries) this.#backend.restore(entry);
    this.#operator = this.#newOperator();
  }

  #newBackend(): KeyedBackend {
    const tables = windowTables(this.#spec).map((table, index) => ({ ...table, table: index }));
    const { keeps } = this.#spec;
    const kept = keeps.kind === 'list' ? listCodec(keeps.codec) : keeps.codec;
    return createMemoryBackend({
      range: { start: 0, end: MAX_PARALLELISM - 1 },
      maxParallelism: MAX_PARALLELISM,
      subtask: 0,
      keys,
      states: tables
        .filter(({ kind }) => kind !== 'timer' && kind !== 'event-timer')
        .map(({ table, name, kind }) => {
          const codec = kind === 'value' ? valueCodec : kept;
          return { table, name, kind: 'panes', codec, initial: undefined };
        }),
      timers: tables
        .filter(({ kind }) => kind === 'timer' || kind === 'event-timer')
        .map(({ table, name, kind }) => ({ table, name, time: kind === 'timer' ? 'processing' : 'event' })),
      snapshots: this.#mode,
      time: { now: 0 },
    });
  }

  #newOperator(): KeyedOperator {
    const into = (list: Out[]) => ({
      push: (value: unknown) => {
        list.push({ value, timestamp: this.eventTime.timestamp });
      },
    });
    return createWindowOperator(
      { id: NODE, kind: 'window', uid: 'windows', formerly: [], input: 2, spec: this.#spec },
      {
        subtask: 0,
        parallelism: 1,
        range: { start: 0, end: MAX_PARALLELISM - 1 },
        keys,
        backend: this.#backend,
        processingTime: new ProcessingTime(this.clock),
        eventTime: this.eventTime,
        time: this.time,
        where: this.where,
        next: into(this.results),
        sides: { late: into(this.late) },
        log: () => undefined,
      },
    );
  }
}

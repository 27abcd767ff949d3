/** A backend and its model, changed together; what was touched, and the drain that runs. */
import assert from 'node:assert/strict';
import type { Key } from '../../src/codec/key.js';
import type { Entry } from '../../src/format/entry.js';
import {
  adopt,
  entryOf,
  INITIAL_NUMBER,
  identity,
  keyBytes,
  keys,
  lines,
  Recording,
  type Setup,
  type Subject,
  subject,
  TABLES,
  timeBytes,
} from './harness.js';
import { Model, type ModelKey, type ModelTimer, TIMES, timerTable } from './model.js';

interface Running {
  readonly recording: Recording;
  readonly expected: readonly string[];
  readonly touched: ReadonlySet<string>;
  done: boolean;
}

export class World {
  readonly setup: Setup;
  readonly s: Subject;
  readonly model: Model;
  key: Key = 'a';
  #running: Running | undefined;
  /** Identities of entries that may have changed since the last freeze that was kept. */
  #touched = new Set<string>();
  /** Identities of entries that may have been written alive, kept or not. */
  readonly #written = new Set<string>();

  /** With a model of what is restored first, and which keys of it were kept. */
  constructor(setup: Setup, model = new Model(), kept: ReadonlySet<string> = new Set()) {
    this.setup = setup;
    this.s = subject(setup);
    this.model = model;
    for (const entry of model.entries()) {
      if (kept.has(entry.key.toString('hex'))) {
        adopt(this.s, entry);
        this.#written.add(identity(entry));
      } else {
        this.s.backend.restore(entry);
        this.#touched.add(identity(entry));
      }
    }
    this.select('a');
  }

  get here(): ModelKey {
    return this.model.at(this.key);
  }

  select(key: Key): void {
    this.key = key;
    this.s.select(key);
  }

  /** An entry of the current key is about to change. */
  touch(table: number, mapKey?: Buffer): void {
    if (this.setup.mode === 'all') return;
    this.#touched.add(identity(entryOf(table, this.key, mapKey, Buffer.alloc(0))));
  }

  /** The map of the current key is. */
  touchMap(): void {
    for (const { key } of this.here.map.values()) this.touch(TABLES.map, keyBytes(key));
  }

  touchTimers(which: (timer: ModelTimer) => boolean): void {
    for (const { index, key, time } of this.model.timers.filter(which)) {
      const entry = entryOf(timerTable(index), key, timeBytes(time), Buffer.alloc(0));
      this.#touched.add(identity(entry));
    }
  }

  freeze(): void {
    if (this.#running !== undefined) return;
    const touched = this.#touched;
    this.#touched = new Set();
    this.#running = {
      expected: this.model.lines(),
      recording: new Recording(this.s),
      touched,
      done: false,
    };
  }

  slice(looks: number): void {
    const running = this.#running;
    if (running === undefined || running.done || !running.recording.slice(looks)) return;
    running.done = true;
    if (this.setup.mode === 'all') this.settle(true);
  }

  /** What becomes of a drain that is done. If it is kept, all that were must hold what the model had at the freeze. */
  settle(kept: boolean): void {
    const running = this.#running;
    if (running === undefined || !running.done) return;
    this.#running = undefined;
    if (this.setup.mode === 'changes') this.#checkWritten(running.recording.drained(), running.touched);
    if (kept) {
      assert.deepEqual(lines(running.recording.finish()), running.expected);
    } else {
      running.recording.settle(false);
      this.#lose(running);
    }
  }

  /** Runs the drain to its end and keeps it. */
  finish(): void {
    if (this.#running === undefined) return;
    this.#running.recording.drained();
    this.#running.done = true;
    this.settle(true);
  }

  abort(): void {
    const running = this.#running;
    if (running === undefined) return;
    if (running.done) return this.settle(false);
    running.recording.drain.abort();
    this.#running = undefined;
    this.#lose(running);
  }

  /** What the drain was to write is to be written by the next, which need not know how far this one came. */
  #lose({ touched }: Running): void {
    for (const entry of touched) {
      this.#touched.add(entry);
      this.#written.add(entry);
    }
  }

  /** Only what was touched is written, and no tombstone of what never was. */
  #checkWritten(drained: readonly Entry[], touched: ReadonlySet<string>): void {
    for (const entry of drained) {
      const of = identity(entry);
      assert.ok(touched.has(of), `${of} was written and had not changed`);
      assert.ok(!entry.tombstone || this.#written.has(of), `${of} was never written and has a tombstone`);
      if (!entry.tombstone) this.#written.add(of);
    }
  }

  /** What a backend iterates in some order, in that of the model where any will do. */
  inOrder(found: Iterable<[unknown, unknown]>, { map }: ModelKey): [unknown, unknown][] {
    const entries = [...found];
    if (this.setup.order === 'insertion') return entries;
    const places = [...map.keys()];
    const placeOf = ([key]: [unknown, unknown]) => places.indexOf(keys.identity(key));
    return entries.sort((a, b) => placeOf(a) - placeOf(b));
  }

  /** All of one key is as the model has it. */
  check(expected: ModelKey): void {
    const { s } = this;
    s.select(expected.key);
    assert.deepEqual(s.value.get(), expected.value.of);
    assert.equal(s.number.get(), expected.number ?? INITIAL_NUMBER);
    assert.deepEqual(s.list.get(), expected.list);
    assert.deepEqual(
      this.inOrder(s.map.entries(), expected),
      [...expected.map.values()].map(({ key, value }) => [key, value]),
    );
  }

  /** Takes all timers out of both, which must be the same in the same order. */
  fireAll(): void {
    const { model, s } = this;
    for (const time of TIMES) {
      for (let next = model.next(time); next !== undefined; next = model.next(time)) {
        const first = next;
        assert.deepEqual(s.backend.fireTimer(time, Number.MAX_SAFE_INTEGER), { ...first });
        model.deleteTimers((timer) => timer === first);
      }
      assert.equal(s.backend.fireTimer(time, Number.MAX_SAFE_INTEGER), undefined);
    }
  }
}

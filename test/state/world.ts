/** A backend and its model, changed together; what was touched, and the drain that runs. */
import assert from 'node:assert/strict';
import type { Key, KeyIdentity } from '../../src/codec/key.js';
import type { Entry, Namespace } from '../../src/format/entry.js';
import type { PaneWindow } from '../../src/state/backend.js';
import {
  adopt,
  entryOf,
  FADING_MAPS,
  FADING_VALUES,
  type FadingIndex,
  INITIAL_NUMBER,
  identity,
  keyBytes,
  keys,
  lines,
  liveEntries,
  namespaceOf,
  Recording,
  type Setup,
  type Subject,
  subject,
  TABLES,
  timeBytes,
} from './harness.js';
import { type Fading, Model, type ModelKey, type ModelTimer, TIMES, timerTable } from './model.js';

interface Running {
  readonly recording: Recording;
  readonly expected: readonly string[];
  readonly touched: ReadonlySet<string>;
  /** What had expired by the freeze, as World has it. */
  readonly expired: ReadonlyMap<string, number>;
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
  /** Identities of entries that may have been written alive, kept or not; and the latest stamp, Infinity for none. */
  readonly #written = new Map<string, number>();
  /** Identities of entries that expired with a stamp, and were not touched since. */
  readonly #expired = new Map<string, number>();

  /** With a model of what is restored first, and which keys of it were kept. */
  constructor(setup: Setup, model = new Model(), kept: ReadonlySet<string> = new Set()) {
    this.setup = setup;
    this.s = subject(setup);
    this.s.time.now = model.now;
    this.model = model;
    for (const entry of model.entries()) {
      if (kept.has(entry.key.toString('hex'))) {
        adopt(this.s, entry);
        this.#note(entry);
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
  touch(table: number, mapKey?: Buffer, namespace?: Namespace): void {
    const more = namespace === undefined ? {} : { namespace };
    this.#touch(entryOf(table, this.key, mapKey, Buffer.alloc(0), more));
  }

  touchPane(window: PaneWindow): void {
    this.touch(TABLES.panes, undefined, namespaceOf(window));
  }

  /** A map of the current key is. */
  touchMap(table: number = TABLES.map, map: ReadonlyMap<KeyIdentity, { key: Key }> = this.here.map): void {
    for (const { key } of map.values()) this.touch(table, keyBytes(key));
  }

  #touch(entry: Entry): void {
    if (this.setup.mode === 'all') return;
    const of = identity(entry);
    this.#touched.add(of);
    this.#expired.delete(of);
  }

  /** Time goes on. */
  advance(by: number): void {
    const expired = this.model.advance(by);
    this.s.time.now = this.model.now;
    for (const entry of expired) {
      this.#touch(entry);
      this.#expired.set(identity(entry), Number(entry.stamp));
    }
  }

  /** What expires and is there has been read: it is renewed where reading does that. */
  read(index: FadingIndex, table: number, fading: Fading, mapKey?: Buffer): void {
    const stamp = this.model.stamp(index);
    if (index === 0 || fading.stamp === stamp) return;
    fading.stamp = stamp;
    this.touch(table, mapKey);
  }

  touchTimers(which: (timer: ModelTimer) => boolean): void {
    for (const { index, key, time } of this.model.timers.filter(which)) {
      this.#touch(entryOf(timerTable(index), key, timeBytes(time), Buffer.alloc(0)));
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
      expired: new Map(this.#expired),
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
    if (this.setup.mode === 'changes') this.#checkWritten(running.recording.drained(), running);
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
  #lose({ touched, recording, done }: Running): void {
    for (const entry of recording.entries()) if (!entry.tombstone) this.#note(entry);
    // A backend need not know which of the others were in it, or as what.
    for (const entry of touched) {
      this.#touched.add(entry);
      if (!done || !this.#written.has(entry)) this.#written.set(entry, Number.POSITIVE_INFINITY);
    }
  }

  /** Only what was touched is written, and no tombstone of what never was. */
  #checkWritten(drained: readonly Entry[], { touched, expired }: Running): void {
    for (const entry of drained) {
      const of = identity(entry);
      assert.ok(touched.has(of), `${of} was written and had not changed`);
      if (!entry.tombstone) this.#note(entry);
      else this.#checkTombstone(of, expired.get(of));
    }
  }

  #checkTombstone(of: string, stamp: number | undefined): void {
    const written = this.#written.get(of);
    assert.ok(written !== undefined, `${of} was never written and has a tombstone`);
    assert.ok(
      stamp === undefined || written > stamp,
      `${of} has expired in all there is, and has a tombstone`,
    );
  }

  /** An entry is written. */
  #note(entry: Entry): void {
    const of = identity(entry);
    const stamp = entry.stamp === undefined ? Number.POSITIVE_INFINITY : Number(entry.stamp);
    this.#written.set(of, Math.max(stamp, this.#written.get(of) ?? 0));
  }

  /** What a backend iterates in some order, in that of the model where any will do. */
  inOrder(found: Iterable<[unknown, unknown]>, map: ReadonlyMap<KeyIdentity, unknown>): [unknown, unknown][] {
    const entries = [...found];
    if (this.setup.order === 'insertion') return entries;
    const places = [...map.keys()];
    const placeOf = ([key]: [unknown, unknown]) => places.indexOf(keys.identity(key));
    return entries.sort((a, b) => placeOf(a) - placeOf(b));
  }

  /** All of one key is as the model has it. Reads it, too. */
  check(expected: ModelKey): void {
    const { s } = this;
    this.select(expected.key);
    assert.deepEqual(s.value.get(), expected.value.of);
    assert.equal(s.number.get(), expected.number ?? INITIAL_NUMBER);
    assert.deepEqual(s.list.get(), expected.list);
    assert.deepEqual(
      this.inOrder(s.map.entries(), expected.map),
      [...expected.map.values()].map(({ key, value }) => [key, value]),
    );
    this.checkPanes();
    for (const index of [0, 1] as const) {
      this.checkFading(index);
      this.checkFadingMap(index);
    }
  }

  /** Those of the current key. */
  checkPanes(): void {
    const { panes } = this.s;
    const expected = [...this.here.panes.values()].sort((a, b) => a.window.start - b.window.start);
    const windows = [...panes.windows()].sort((a, b) => a.start - b.start);
    assert.deepEqual(
      windows,
      expected.map(({ window }) => window),
    );
    assert.deepEqual(
      windows.map(({ start }) => panes.get(start)),
      expected.map(({ value }) => value),
    );
    assert.equal(panes.size, windows.length);
  }

  checkFading(index: FadingIndex): unknown {
    const expected = this.here.fading[index];
    if (expected !== undefined) this.read(index, FADING_VALUES[index], expected);
    const found = this.s.fading[index].get();
    assert.deepEqual(found, expected === undefined ? 'initial' : expected.value);
    return found;
  }

  checkFadingMap(index: FadingIndex): void {
    const handle = this.s.fadingMaps[index];
    const map = this.here.fadingMaps[index];
    assert.equal(handle.size, map.size);
    assert.equal([...handle.keys()].length, map.size);
    for (const member of map.values()) {
      this.read(index, FADING_MAPS[index], member, keyBytes(member.key));
    }
    assert.deepEqual(
      this.inOrder(handle.entries(), map),
      [...map.values()].map(({ key, value }) => [key, value]),
    );
  }

  /** Nothing is left out that is there; what has expired may be counted for a while where that is allowed. */
  checkCounts(): void {
    const counted = liveEntries(this.s);
    const expected = this.model.entries().length;
    if (this.setup.exactCounts === true) assert.equal(counted, expected);
    else assert.ok(counted >= expected, `${counted} counted of ${expected}`);
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

/**
 * What the contract suites work with: one backend with a state of each kind, its drains taken apart into entries, and
 * what all its kept drains hold together.
 */
import assert from 'node:assert/strict';
import { type KeyGroupRange, keyGroupOf } from '../../src/base/key-groups.js';
import type { Key } from '../../src/codec/key.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { ByteReader } from '../../src/codec/reader.js';
import { valueCodec } from '../../src/codec/value.js';
import { ByteWriter } from '../../src/codec/writer.js';
import { type Entry, EntryWriter, type Namespace, readEntry } from '../../src/format/entry.js';
import { timerKey } from '../../src/format/timer-key.js';
import type {
  BackendOptions,
  Drain,
  KeyedBackend,
  ListHandle,
  MapHandle,
  NumberHandle,
  PanesHandle,
  PaneWindow,
  StateTable,
  StepTime,
  TimerHandle,
  ValueHandle,
} from '../../src/state/backend.js';

export type BackendFactory = (options: BackendOptions) => KeyedBackend;
export type Mode = BackendOptions['snapshots'];
/** In which order maps are iterated: since the last restore that of insertion, or any. */
export type MapOrder = 'insertion' | 'any';

/** What a suite is run on. */
export interface Setup {
  readonly create: BackendFactory;
  readonly mode: Mode;
  readonly order: MapOrder;
  /** Whether what has expired is not counted at once, rather than from the next freeze on. */
  readonly exactCounts?: boolean | undefined;
}

export const MAX_PARALLELISM = 16;
export const ALL: KeyGroupRange = { start: 0, end: MAX_PARALLELISM - 1 };
export const INITIAL_NUMBER = 7;
export const TABLES = {
  value: 3,
  number: 1,
  list: 4,
  map: 0,
  panes: 6,
  fading: 7,
  fadingRead: 8,
  fadingMap: 10,
  fadingMapRead: 11,
  early: 9,
  late: 2,
  due: 5,
} as const;
/** How long entries live that are renewed when they are set, and those that also are when they are read. */
export const AFTER = [10, 6] as const;
export type FadingIndex = 0 | 1;
const REFRESH = ['write', 'read'] as const;
/** Their tables, by that. */
export const FADING_VALUES = [TABLES.fading, TABLES.fadingRead] as const;
export const FADING_MAPS = [TABLES.fadingMap, TABLES.fadingMapRead] as const;
/** The window that is always open. */
export const GLOBAL: PaneWindow = { start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY };
export const keys = keyCodecById('auto');
/** Small, so that the chunks of a drain change hands often. */
const CHUNK_BYTES = 512;

export interface Subject {
  readonly mode: Mode;
  /** Under `changes`: what kept drains hold, the newest of each identity, and no tombstones. */
  readonly kept: Map<string, Entry>;
  readonly backend: KeyedBackend;
  readonly value: ValueHandle;
  readonly number: NumberHandle;
  readonly list: ListHandle;
  readonly map: MapHandle;
  readonly panes: PanesHandle;
  /** Those renewed when they are set; those also when they are read. */
  readonly fading: readonly [ValueHandle, ValueHandle];
  readonly fadingMaps: readonly [MapHandle, MapHandle];
  /** Two names in processing time, and one in event time. */
  readonly timers: readonly [TimerHandle, TimerHandle, TimerHandle];
  /** What the backend goes by. */
  readonly time: StepTime;
  select(key: Key): void;
}

export function groupOf(key: Key): number {
  return keyGroupOf(keys.hash(key), MAX_PARALLELISM);
}

export function subject({ create, mode }: Setup, range = ALL): Subject {
  const codec = valueCodec;
  const fading = ([0, 1] as const).map((i) => ({
    codec,
    initial: 'initial',
    ttl: { after: AFTER[i], refresh: REFRESH[i] },
  }));
  const time = { now: 0 };
  const backend = create({
    range,
    subtask: 0,
    snapshots: mode,
    maxParallelism: MAX_PARALLELISM,
    keys,
    states: [
      { table: TABLES.value, name: 'value', kind: 'value', codec, initial: undefined },
      { table: TABLES.number, name: 'number', kind: 'number', codec, initial: INITIAL_NUMBER },
      { table: TABLES.list, name: 'list', kind: 'list', codec, initial: undefined },
      { table: TABLES.map, name: 'map', kind: 'map', codec, mapKeys: keys, initial: undefined },
      { table: TABLES.panes, name: 'panes', kind: 'panes', codec, initial: undefined },
      ...fading.map(
        (state, i): StateTable => ({
          ...state,
          table: FADING_VALUES[i as FadingIndex],
          name: `fading ${i}`,
          kind: 'value',
        }),
      ),
      ...fading.map(
        (state, i): StateTable => ({
          ...state,
          table: FADING_MAPS[i as FadingIndex],
          name: `fading map ${i}`,
          kind: 'map',
          mapKeys: keys,
        }),
      ),
    ],
    timers: [
      { table: TABLES.early, name: 'early', time: 'processing' },
      { table: TABLES.late, name: 'late', time: 'processing' },
      { table: TABLES.due, name: 'due', time: 'event' },
    ],
    time,
  });
  return {
    mode,
    kept: new Map(),
    backend,
    value: backend.state(0) as ValueHandle,
    number: backend.state(1) as NumberHandle,
    list: backend.state(2) as ListHandle,
    map: backend.state(3) as MapHandle,
    panes: backend.state(4) as PanesHandle,
    fading: [backend.state(5) as ValueHandle, backend.state(6) as ValueHandle],
    fadingMaps: [backend.state(7) as MapHandle, backend.state(8) as MapHandle],
    timers: [backend.timer(0), backend.timer(1), backend.timer(2)],
    time,
    select(key) {
      const normal = keys.normalise(key);
      backend.select(normal, keys.identity(normal), groupOf(normal));
    },
  };
}

/** A drain in progress and what it has written. */
export class Recording {
  readonly drain: Drain;
  readonly #subject: Subject;
  readonly #chunks: Buffer[] = [];
  readonly #out: EntryWriter;
  /** When it was frozen. */
  readonly #now: number;

  constructor(of: Subject) {
    this.#subject = of;
    this.#now = of.time.now;
    this.#out = new EntryWriter(
      {
        take: (bytes) => Buffer.alloc(bytes),
        full: (chunk, used) => this.#chunks.push(chunk.subarray(0, used)),
      },
      CHUNK_BYTES,
    );
    this.drain = of.backend.freeze(this.#out);
  }

  /** Drains until the deadline was looked at `looks` times; true when done. */
  slice(looks: number): boolean {
    let left = looks;
    return this.drain.slice(() => --left <= 0);
  }

  /** Drains all, keeps it, and gives the state as it was at the freeze. */
  finish(): Entry[] {
    const drained = this.drained();
    this.settle(true);
    return this.#subject.mode === 'all' ? drained : alive(this.#subject.kept, this.#now);
  }

  /** Drains all, and gives what was written. */
  drained(): Entry[] {
    while (!this.slice(1000));
    return this.entries();
  }

  /** What becomes of a drain that is done. */
  settle(kept: boolean): void {
    if (this.#subject.mode === 'all') return;
    this.#subject.backend.settle(kept);
    if (kept) fold(this.#subject.kept, this.entries());
  }

  /** What was written so far. */
  entries(): Entry[] {
    this.#out.flush();
    const entries = this.#chunks.flatMap((chunk) => {
      const from = new ByteReader(chunk);
      const found: Entry[] = [];
      while (from.remaining > 0) found.push(readEntry(from));
      return found;
    });
    const identities = entries.map(identity);
    assert.equal(new Set(identities).size, identities.length, 'an entry was written twice');
    for (const { stamp } of entries) assert.ok(stamp === undefined || stamp > this.#now, 'had expired');
    return entries;
  }
}

function fold(into: Map<string, Entry>, entries: readonly Entry[]): void {
  for (const entry of entries) {
    if (entry.tombstone) into.delete(identity(entry));
    else into.set(identity(entry), entry);
  }
}

/** What is not gone by a time, of what drains hold together. */
function alive(of: ReadonlyMap<string, Entry>, now: number): Entry[] {
  return [...of.values()].filter(({ stamp }) => stamp === undefined || stamp > now);
}

/** The state as it is now. Under `changes`, all of it is kept by then. */
export function snapshot(of: Subject): Entry[] {
  return new Recording(of).finish();
}

/** The state as it is now, too, but nothing is kept: what has changed is still to be written. */
export function peek(of: Subject): Entry[] {
  const recording = new Recording(of);
  const drained = recording.drained();
  recording.settle(false);
  if (of.mode === 'all') return drained;
  const together = new Map(of.kept);
  fold(together, drained);
  return alive(together, of.time.now);
}

/** Restores an entry as one that a kept drain holds. */
export function adopt(of: Subject, entry: Entry): void {
  of.backend.restore(entry, entry.table, true);
  of.kept.set(identity(entry), entry);
}

/** Live entries of all tables. */
export function liveEntries(of: Subject): number {
  return of.backend.counts().reduce((sum, { entries }) => sum + entries, 0);
}

/** What tells an entry from others. */
export function identity({ table, group, key, mapKey, namespace }: Entry): string {
  return [table, group, key.toString('hex'), shown(namespace), mapKey?.toString('hex') ?? '-'].join(' ');
}

function shown(namespace: Namespace): string {
  return namespace.kind === 'window' ? `${namespace.start}..${namespace.end}` : namespace.kind;
}

/** An entry as one comparable line, all its bytes in it. */
export function line(entry: Entry): string {
  const { value, stamp, tombstone } = entry;
  return [identity(entry), value.toString('hex'), stamp ?? '-', tombstone].join(' ');
}

export function lines(entries: readonly Entry[]): string[] {
  return entries.map(line).sort();
}

/** The line of the entry that a backend should write for this. */
export function expectedLine(table: number, key: Key, mapKey: Buffer | undefined, value: Buffer): string {
  return line(entryOf(table, key, mapKey, value));
}

/** The line of its tombstone. */
export function tombstoneLine(table: number, key: Key, mapKey?: Buffer): string {
  return line({ ...entryOf(table, key, mapKey, Buffer.alloc(0)), tombstone: true });
}

export function entryOf(
  table: number,
  key: Key,
  mapKey: Buffer | undefined,
  value: Buffer,
  more: Partial<Entry> = {},
): Entry {
  return {
    table,
    group: groupOf(key),
    key: bytesOf(keys, key),
    namespace: { kind: 'none' },
    mapKey,
    stamp: undefined,
    tombstone: false,
    value,
    ...more,
  };
}

/** The entry of a pane. */
export function paneOf(key: Key, window: PaneWindow, value: Buffer): Entry {
  return entryOf(TABLES.panes, key, undefined, value, { namespace: namespaceOf(window) });
}

export function namespaceOf({ start, end }: PaneWindow): Namespace {
  if (start === GLOBAL.start) return { kind: 'global' };
  return { kind: 'window', start: BigInt(start), end: BigInt(end) };
}

export function bytesOf<T>(codec: { write(value: T, out: ByteWriter): void }, value: T): Buffer {
  const out = new ByteWriter();
  codec.write(value, out);
  return out.copy();
}

export const valueBytes = (value: unknown) => bytesOf(valueCodec, value);
export const keyBytes = (key: Key) => bytesOf(keys, key);
export const timeBytes = (time: number) => bytesOf(timerKey, time);

/** What the contract suite works with: one backend with a state of each kind, its drains taken apart into entries. */
import { type KeyGroupRange, keyGroupOf } from '../../src/base/key-groups.js';
import type { Key } from '../../src/codec/key.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { ByteReader } from '../../src/codec/reader.js';
import { valueCodec } from '../../src/codec/value.js';
import { ByteWriter } from '../../src/codec/writer.js';
import { type Entry, EntryWriter, readEntry } from '../../src/format/entry.js';
import { timerKey } from '../../src/format/timer-key.js';
import type {
  BackendOptions,
  Drain,
  KeyedBackend,
  ListHandle,
  MapHandle,
  NumberHandle,
  TimerHandle,
  ValueHandle,
} from '../../src/state/backend.js';

export type BackendFactory = (options: BackendOptions) => KeyedBackend;

export const MAX_PARALLELISM = 16;
export const ALL: KeyGroupRange = { start: 0, end: MAX_PARALLELISM - 1 };
export const INITIAL_NUMBER = 7;
export const TABLES = { value: 3, number: 1, list: 4, map: 0, early: 9, late: 2 } as const;
export const keys = keyCodecById('auto');
/** Small, so that the chunks of a drain change hands often. */
const CHUNK_BYTES = 512;

export interface Subject {
  readonly backend: KeyedBackend;
  readonly value: ValueHandle;
  readonly number: NumberHandle;
  readonly list: ListHandle;
  readonly map: MapHandle;
  readonly timers: readonly [TimerHandle, TimerHandle];
  select(key: Key): void;
}

export function groupOf(key: Key): number {
  return keyGroupOf(keys.hash(key), MAX_PARALLELISM);
}

export function subject(create: BackendFactory, range = ALL): Subject {
  const codec = valueCodec;
  const backend = create({
    range,
    subtask: 0,
    snapshots: 'all',
    maxParallelism: MAX_PARALLELISM,
    keys,
    states: [
      { table: TABLES.value, name: 'value', kind: 'value', codec, initial: undefined },
      { table: TABLES.number, name: 'number', kind: 'number', codec, initial: INITIAL_NUMBER },
      { table: TABLES.list, name: 'list', kind: 'list', codec, initial: undefined },
      { table: TABLES.map, name: 'map', kind: 'map', codec, mapKeys: keys, initial: undefined },
    ],
    timers: [
      { table: TABLES.early, name: 'early' },
      { table: TABLES.late, name: 'late' },
    ],
  });
  return {
    backend,
    value: backend.state(0) as ValueHandle,
    number: backend.state(1) as NumberHandle,
    list: backend.state(2) as ListHandle,
    map: backend.state(3) as MapHandle,
    timers: [backend.timer(0), backend.timer(1)],
    select(key) {
      const normal = keys.normalise(key);
      backend.select(normal, keys.identity(normal), groupOf(normal));
    },
  };
}

/** A drain in progress and what it has written. */
export class Recording {
  readonly drain: Drain;
  readonly #chunks: Buffer[] = [];
  readonly #out: EntryWriter;

  constructor(backend: KeyedBackend) {
    this.#out = new EntryWriter(
      {
        take: (bytes) => Buffer.alloc(bytes),
        full: (chunk, used) => this.#chunks.push(chunk.subarray(0, used)),
      },
      CHUNK_BYTES,
    );
    this.drain = backend.freeze(this.#out);
  }

  /** Drains until the deadline was looked at `looks` times; true when done. */
  slice(looks: number): boolean {
    let left = looks;
    return this.drain.slice(() => --left <= 0);
  }

  finish(): Entry[] {
    while (!this.slice(1000));
    return this.entries();
  }

  /** What was written so far. */
  entries(): Entry[] {
    this.#out.flush();
    return this.#chunks.flatMap((chunk) => {
      const from = new ByteReader(chunk);
      const entries: Entry[] = [];
      while (from.remaining > 0) entries.push(readEntry(from));
      return entries;
    });
  }
}

export function snapshot(backend: KeyedBackend): Entry[] {
  return new Recording(backend).finish();
}

/** An entry as one comparable line, all its bytes in it. */
export function line(entry: Entry): string {
  const { table, group, key, mapKey, value, namespace, stamp, tombstone } = entry;
  const parts = [table, group, key.toString('hex'), mapKey?.toString('hex') ?? '-', value.toString('hex')];
  return [...parts, namespace.kind, stamp ?? '-', tombstone].join(' ');
}

export function lines(entries: readonly Entry[]): string[] {
  return entries.map(line).sort();
}

/** The line of the entry that a backend should write for this. */
export function expectedLine(table: number, key: Key, mapKey: Buffer | undefined, value: Buffer): string {
  return line({
    table,
    group: groupOf(key),
    key: bytesOf(keys, key),
    namespace: { kind: 'none' },
    mapKey,
    stamp: undefined,
    tombstone: false,
    value,
  });
}

export function bytesOf<T>(codec: { write(value: T, out: ByteWriter): void }, value: T): Buffer {
  const out = new ByteWriter();
  codec.write(value, out);
  return out.copy();
}

export const valueBytes = (value: unknown) => bytesOf(valueCodec, value);
export const keyBytes = (key: Key) => bytesOf(keys, key);
export const timeBytes = (time: number) => bytesOf(timerKey, time);

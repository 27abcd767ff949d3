/**
 * The memory backend by itself. Run by hand after a build:
 *
 *     node dist/test/bench/micro-state.js [count|drain|restore|map|changes|panes|fading]
 *
 * count    100,000 string keys: key group, select, get and set of a number against a bare loop that hashes the key,
 *          finds it in a Map, adds one and passes {key, count} to a function; alternating runs, medians
 * drain    1,000,000 rows: freeze, slices of 2 ms, the longest slice
 * restore  the same rows back, against a bare loop that decodes and inserts into Maps
 * map      one key with 1,000,000 map entries: the same as drain, and clearing it while it drains
 * changes  snapshots of what changed: rows and map entries, tombstones of all of them, lost and kept
 * panes    1,000,000 keys with one pane each: what they take, what `get` and `set` of a pane that is there costs
 * fading   the same with values that expire, set and read; how long it takes to let go of all of them in small steps
 */
import { keyGroupOf } from '../../src/base/key-groups.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { ByteReader } from '../../src/codec/reader.js';
import { valueCodec } from '../../src/codec/value.js';
import { EntryWriter, readEntry } from '../../src/format/entry.js';
import type {
  BackendOptions,
  KeyedBackend,
  MapHandle,
  NumberHandle,
  PanesHandle,
  StateTable,
  StepTime,
  ValueHandle,
} from '../../src/state/backend.js';
import { createMemoryBackend } from '../../src/state/memory/backend.js';

const KEYS = 100_000;
const EVENTS = 2_000_000;
const ROWS = 1_000_000;
const MAX_PARALLELISM = 128;
const PAIRS = 15;
const SLICE_MS = 2;
const CHUNK_BYTES = 1024 * 1024;
const keys = keyCodecById('auto');

const NUMBER: StateTable = { table: 0, name: 'n', kind: 'number', codec: valueCodec, initial: 0 };
const VALUE: StateTable = { ...NUMBER, kind: 'value', initial: undefined };
const MAP: StateTable = { ...NUMBER, kind: 'map', mapKeys: keys, initial: undefined };

const PANES: StateTable = { ...VALUE, kind: 'panes' };
const FADING: StateTable = { ...VALUE, ttl: { after: 3_600_000, refresh: 'write' } };
/** How much of what expires is let go of at a time. */
const STEP = 1000;

type Mode = BackendOptions['snapshots'];

function backendOf(state: StateTable, snapshots: Mode = 'all', time: StepTime = { now: 0 }): KeyedBackend {
  const range = { start: 0, end: MAX_PARALLELISM - 1 };
  return createMemoryBackend({
    range,
    maxParallelism: MAX_PARALLELISM,
    subtask: 0,
    keys,
    states: [state],
    timers: [],
    snapshots,
    time,
  });
}

function select(backend: KeyedBackend, key: string): void {
  backend.select(key, key, keyGroupOf(keys.hash(key), MAX_PARALLELISM));
}

let sum = 0;
function emit(row: { readonly key: string; readonly count: number }): void {
  sum = (sum + row.count) | 0;
}

/** The same random keys on both sides. */
function events(): string[] {
  const names = Array.from({ length: KEYS }, (_, i) => `user-${(i * 7919) % KEYS}`);
  let seed = 1;
  return Array.from({ length: EVENTS }, () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return names[Math.floor((seed / 2 ** 32) * KEYS)] ?? '';
  });
}

function bareLoop(input: readonly string[]): () => void {
  const counts = new Map<string, number>();
  return () => {
    let hashes = 0;
    for (let i = 0; i < input.length; i++) {
      const key = input[i] as string;
      hashes ^= keys.hash(key);
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      emit({ key, count });
    }
    sum = (sum + hashes) | 0;
  };
}

function backendLoop(input: readonly string[], hashGiven: boolean, mode: Mode): () => void {
  const backend = backendOf(NUMBER, mode);
  const seen = backend.state(0) as NumberHandle;
  return () => {
    for (let i = 0; i < input.length; i++) {
      const key = input[i] as string;
      const hash = keys.hash(key);
      backend.select(key, key, keyGroupOf(hash, MAX_PARALLELISM), hashGiven ? hash : undefined);
      const count = seen.get() + 1;
      seen.set(count);
      emit({ key, count });
    }
  };
}

function timed(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}

function count(): void {
  const input = events();
  const bare = bareLoop(input);
  const variants: [boolean, Mode][] = [
    [true, 'all'],
    [false, 'all'],
    [true, 'changes'],
  ];
  for (const [hashGiven, mode] of variants) {
    const ours = backendLoop(input, hashGiven, mode);
    for (const run of [bare, ours, bare, ours]) run();
    const pairs = Array.from({ length: PAIRS }, () => ({ bare: timed(bare), ours: timed(ours) }));
    const perEvent = (side: 'bare' | 'ours') =>
      `${((median(pairs.map((pair) => pair[side])) / EVENTS) * 1e6).toFixed(0)} ns`;
    const ratio = median(pairs.map((pair) => pair.bare / pair.ours)).toFixed(2);
    const how = hashGiven ? 'with the hash' : 'without the hash';
    console.log(
      `count: bare ${perEvent('bare')}, backend ${how}, mode ${mode}, ${perEvent('ours')}: ${ratio} of bare`,
    );
  }
}

/** Buffers go round, as between the data thread and the one that writes. */
function writer(kept?: Buffer[]): EntryWriter {
  const idle: Buffer[] = [];
  return new EntryWriter(
    {
      take: (bytes) => idle.pop() ?? Buffer.allocUnsafeSlow(bytes),
      full(chunk, used) {
        if (kept === undefined) idle.push(chunk);
        else kept.push(Buffer.from(chunk.subarray(0, used)));
      },
    },
    CHUNK_BYTES,
  );
}

function fill(backend: KeyedBackend, put: (row: number) => void): void {
  for (let row = 0; row < ROWS; row++) {
    select(backend, `user-${row}`);
    put(row);
  }
}

function drainOnce(
  name: string,
  backend: KeyedBackend,
  kept?: Buffer[],
  between: () => void = () => {},
): void {
  const out = writer(kept);
  let start = performance.now();
  const drain = backend.freeze(out);
  const freeze = performance.now() - start;
  let longest = 0;
  let total = 0;
  let slices = 0;
  for (let done = false; !done; slices++) {
    start = performance.now();
    const end = start + SLICE_MS;
    done = drain.slice(() => performance.now() >= end);
    const took = performance.now() - start;
    longest = Math.max(longest, took);
    total += took;
    between();
  }
  out.flush();
  console.log(
    `${name}: ${out.entries} entries, ${(out.bytes / 1e6).toFixed(1)} MB, freeze ${freeze.toFixed(3)} ms, drain ${total.toFixed(0)} ms in ${slices} slices of ${SLICE_MS} ms, longest ${longest.toFixed(2)} ms`,
  );
}

function filled(state: StateTable): KeyedBackend {
  const backend = backendOf(state);
  const handle = backend.state(0);
  if (state.kind === 'number') fill(backend, (row) => (handle as NumberHandle).set(row));
  else
    fill(backend, (row) => (handle as ValueHandle).set({ id: row, name: `name ${row}`, tags: ['a', 'b'] }));
  return backend;
}

function drain(): void {
  for (const state of [NUMBER, VALUE]) {
    const backend = filled(state);
    for (let i = 0; i < 4; i++) drainOnce(`drain ${state.kind}`, backend);
    const out = writer();
    const aborted = backend.freeze(out);
    aborted.slice(() => true);
    console.log(`abort ${state.kind}: ${timed(() => aborted.abort()).toFixed(3)} ms`);
  }
}

function restore(): void {
  for (const state of [NUMBER, VALUE]) {
    const chunks: Buffer[] = [];
    drainOnce(`drain ${state.kind}`, filled(state), chunks);
    for (let i = 0; i < 3; i++) {
      const bare = timed(() => {
        const groups = new Map<number, Map<string, unknown>>();
        each(chunks, (entry) => {
          const group = groups.get(entry.group) ?? new Map<string, unknown>();
          groups.set(entry.group, group);
          group.set(
            keys.read(new ByteReader(entry.key)) as string,
            valueCodec.read(new ByteReader(entry.value)),
          );
        });
      });
      const backend = backendOf(state);
      const ours = timed(() => each(chunks, (entry) => backend.restore(entry)));
      console.log(
        `restore ${state.kind}: bare ${bare.toFixed(0)} ms, backend ${ours.toFixed(0)} ms, ${(ours / bare).toFixed(2)}x`,
      );
    }
  }
}

function each(chunks: readonly Buffer[], take: (entry: ReturnType<typeof readEntry>) => void): void {
  for (const chunk of chunks) {
    const from = new ByteReader(chunk);
    while (from.remaining > 0) take(readEntry(from));
  }
}

function map(): void {
  const backend = backendOf(MAP);
  const handle = backend.state(0) as MapHandle;
  select(backend, 'the one');
  for (let row = 0; row < ROWS; row++) handle.set(`user-${row}`, row);
  for (let i = 0; i < 3; i++) drainOnce('drain map', backend);
  let cleared = false;
  drainOnce('drain map, cleared after the first slice', backend, undefined, () => {
    if (cleared) return;
    cleared = true;
    console.log(`clear: ${timed(() => handle.clear()).toFixed(2)} ms`);
  });
}

/** Rows and map entries of which 1 % change, then all: what a drain of changes costs beside one of everything. */
function changes(): void {
  const rows = backendOf(NUMBER, 'changes');
  const number = rows.state(0) as NumberHandle;
  const entries = backendOf(MAP, 'changes');
  const map = entries.state(0) as MapHandle;
  select(entries, 'the one');
  for (const each of [1, 100, 100, 1, 1]) {
    for (let row = 0; row < ROWS; row += each) {
      select(rows, `user-${row}`);
      number.add(1);
      map.set(`user-${row}`, row);
    }
    drainOnce(`changes, one row in ${each}`, rows);
    console.log(`settle: ${timed(() => rows.settle(true)).toFixed(3)} ms`);
    drainOnce(`changes, one map entry in ${each}`, entries);
    console.log(`settle: ${timed(() => entries.settle(true)).toFixed(3)} ms`);
  }
  console.log(`clear: ${timed(() => map.clear()).toFixed(2)} ms`);
  for (let row = 0; row < ROWS; row++) {
    select(rows, `user-${row}`);
    number.clear();
  }
  for (const backend of [rows, entries]) {
    for (const kept of [false, true]) {
      drainOnce('tombstones', backend);
      console.log(`settle ${kept}: ${timed(() => backend.settle(kept)).toFixed(3)} ms`);
    }
  }
}

function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

/** Two rounds over all keys, twice: nanoseconds each of the last. */
function perKey(backend: KeyedBackend, names: readonly string[], touch: (row: number) => void): string {
  let took = 0;
  for (let round = 0; round < 3; round++) {
    took = timed(() => {
      for (let row = 0; row < names.length; row++) {
        select(backend, names[row] as string);
        touch(row);
      }
    });
  }
  return `${((took / names.length) * 1e6).toFixed(0)} ns`;
}

function panes(): void {
  for (const mode of ['all', 'changes'] as const) panesIn(mode);
}

function panesIn(mode: Mode): void {
  const names = Array.from({ length: ROWS }, (_, row) => `user-${row}`);
  const before = heapBytes();
  const backend = backendOf(PANES, mode);
  const handle = backend.state(0) as PanesHandle<number>;
  const window = { start: 1_700_000_000_000, end: 1_700_000_060_000 };
  fill(backend, (row) => handle.set(window, row));
  const bytes = (heapBytes() - before) / ROWS;
  const idle = perKey(backend, names, () => {});
  const took = perKey(backend, names, (row) =>
    handle.set(window, ((handle.get(window.start) ?? 0) + row) | 0),
  );
  console.log(`panes, ${mode}: ${bytes.toFixed(0)} bytes a key, select ${idle}, with get and set ${took}`);
  drainOnce('drain panes', backend);
}

function fading(): void {
  for (const state of [VALUE, FADING]) fadingIn(state);
}

function fadingIn(state: StateTable): void {
  const names = Array.from({ length: ROWS }, (_, row) => `user-${row}`);
  const before = heapBytes();
  const time = { now: 0 };
  const backend = backendOf(state, 'all', time);
  const handle = backend.state(0) as ValueHandle<number>;
  fill(backend, (row) => handle.set(row));
  const bytes = (heapBytes() - before) / ROWS;
  const took = perKey(backend, names, (row) => {
    time.now++;
    handle.set((handle.get() + row) | 0);
  });
  const ttl = state.ttl === undefined ? 'none' : 'some';
  console.log(`fading, ttl ${ttl}: ${bytes.toFixed(0)} bytes a key, select, get and set ${took}`);
  if (state.ttl === undefined) return;
  time.now += state.ttl.after;
  let longest = 0;
  let all = 0;
  for (let done = false; !done; ) {
    const step = timed(() => {
      done = backend.expire(STEP);
    });
    longest = Math.max(longest, step);
    all += step;
  }
  console.log(`expire, ${STEP} a step: all in ${all.toFixed(0)} ms, longest ${longest.toFixed(2)} ms`);
}

const parts: Readonly<Record<string, () => void>> = { count, drain, restore, map, changes, panes, fading };
const asked = process.argv.slice(2);
for (const name of asked.length > 0 ? asked : Object.keys(parts)) parts[name]?.();
if (!Number.isFinite(sum)) throw new Error('nothing was counted');

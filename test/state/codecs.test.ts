/** State that is kept by other codecs than that of values: as a plain Map would have it, on both backends, in every kind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Codec } from '../../src/codec/codec.js';
import { codec } from '../../src/codec/codecs.js';
import { jsonCodec } from '../../src/codec/json.js';
import { keyCodecById } from '../../src/codec/keys.js';
import type { Entry } from '../../src/format/entry.js';
import type { ListHandle, MapHandle, PanesHandle, ValueHandle } from '../../src/state/backend.js';
import { createMemoryBackend } from '../../src/state/memory/backend.js';
import fc from '../helpers/property.js';
import { diskFactory } from './disk-factory.js';
import { collector } from './disk-files.js';
import { ALL, type BackendFactory, groupOf, keys, MAX_PARALLELISM } from './harness.js';

const BACKENDS: Readonly<Record<string, BackendFactory>> = {
  memory: createMemoryBackend,
  'disk, a cache for all': diskFactory({ cacheBytes: 1024 ** 3, mergeEvery: 3 }),
  'disk, no cache': diskFactory({ cacheBytes: 1, mergeEvery: 2, rowsPerLook: 1 }),
};

const doubled = codec.define<number>({
  id: 'doubled',
  encode: (n) => Buffer.from(String(n * 2)),
  decode: (bytes) => Number(Buffer.from(bytes).toString()) / 2,
});

const KINDS: readonly (readonly [Codec<never>, fc.Arbitrary<unknown>])[] = [
  [
    jsonCodec as unknown as Codec<never>,
    fc.array(fc.tuple(fc.integer(), fc.string()).map(([a, b]) => ({ a, b }))),
  ],
  [codec.number as unknown as Codec<never>, fc.double()],
  [codec.string as unknown as Codec<never>, fc.string()],
  [codec.bytes as unknown as Codec<never>, fc.uint8Array({ maxLength: 10 })],
  [doubled as unknown as Codec<never>, fc.integer()],
];
const KEYS = ['a', 'b', 'c'];

/** What is there of each key: a value, a list, a map and the panes of two windows. */
type Model = Map<string, unknown>;

function opened(create: BackendFactory, by: Codec<never>) {
  const one = { codec: by as unknown as Codec<unknown>, initial: undefined };
  const mapKeys = keyCodecById('int');
  const backend = create({
    range: ALL,
    subtask: 0,
    snapshots: 'changes',
    maxParallelism: MAX_PARALLELISM,
    keys,
    states: [
      { ...one, table: 0, name: 'value', kind: 'value' },
      { ...one, table: 1, name: 'list', kind: 'list' },
      { ...one, table: 2, name: 'map', kind: 'map', mapKeys },
      { ...one, table: 3, name: 'panes', kind: 'panes' },
      { ...one, table: 4, name: 'fading', kind: 'value', ttl: { after: 10, refresh: 'write' } },
    ],
    timers: [],
    time: { now: 0 },
  });
  const handles = {
    value: backend.state(0) as ValueHandle,
    list: backend.state(1) as ListHandle,
    map: backend.state(2) as MapHandle,
    panes: backend.state(3) as PanesHandle,
    fading: backend.state(4) as ValueHandle,
  };
  return { backend, handles, select: (key: string) => backend.select(key, keys.identity(key), groupOf(key)) };
}

type Opened = ReturnType<typeof opened>;

function change(
  { handles: { value, list, map, panes, fading }, select }: Opened,
  model: Model,
  change: Change,
) {
  const { key, kind, made, to } = change;
  select(key);
  if (kind === 'value') value.set(made);
  if (kind === 'fading') fading.set(made);
  if (kind === 'list') list.add(made);
  if (kind === 'map') map.set(to, made);
  if (kind === 'panes') panes.set({ start: to, end: to + 1 }, made);
  const at = `${key} ${kind}`;
  if (kind === 'map' || kind === 'panes') model.set(`${at} ${to}`, made);
  else model.set(at, kind === 'list' ? [...((model.get(at) as unknown[]) ?? []), made] : made);
}

interface Change {
  readonly key: string;
  readonly kind: string;
  readonly made: unknown;
  readonly to: number;
}

function hold({ handles: { value, list, map, panes, fading }, select }: Opened, model: Model): void {
  for (const key of KEYS) {
    select(key);
    assert.deepEqual(value.get(), model.get(`${key} value`));
    assert.deepEqual(fading.get(), model.get(`${key} fading`));
    assert.deepEqual([...list.get()], model.get(`${key} list`) ?? []);
    for (const to of [0, 1]) {
      assert.deepEqual(map.get(to), model.get(`${key} map ${to}`));
      assert.deepEqual(panes.get(to), model.get(`${key} panes ${to}`));
    }
  }
}

function drained({ backend }: Opened): Entry[] {
  const { out, entries } = collector();
  const drain = backend.freeze(out);
  while (!drain.slice(() => false));
  const found = entries();
  backend.settle(true);
  return found;
}

for (const [name, create] of Object.entries(BACKENDS)) {
  for (const [by, values] of KINDS) {
    test(`${by.id}, ${name}: what is kept, drained in parts and restored is what was set`, () => {
      const changes = fc.array(
        fc.record({
          key: fc.constantFrom(...KEYS),
          kind: fc.constantFrom('value', 'list', 'map', 'panes', 'fading'),
          made: values,
          to: fc.constantFrom(0, 1),
        }),
      );
      fc.assert(
        fc.property(fc.array(changes, { maxLength: 4 }), (rounds) => {
          const from = opened(create, by);
          const model: Model = new Map();
          const kept = new Map<string, Entry>();
          for (const round of rounds) {
            for (const one of round) change(from, model, one);
            for (const entry of drained(from)) kept.set(identityOf(entry), entry);
            hold(from, model);
          }
          const again = opened(create, by);
          for (const entry of kept.values()) again.backend.restore(entry);
          hold(again, model);
        }),
        { numRuns: 25 },
      );
    });
  }
}

function identityOf({ table, key, mapKey, namespace }: Entry): string {
  const window = namespace.kind === 'window' ? namespace.start : '';
  return [table, key.toString('hex'), mapKey?.toString('hex'), window].join(' ');
}

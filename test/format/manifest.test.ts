import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { operatorId } from '../../src/base/operator-id.js';
import {
  decodeManifest,
  encodeManifest,
  type Manifest,
  type ManifestWindow,
  TABLE_KINDS,
} from '../../src/format/manifest.js';
import fc from '../helpers/property.js';

const operator = (uid: string) => ({
  uid,
  operatorId: operatorId(uid),
  kind: 'process' as const,
  maxParallelism: 128,
  keyType: 'tuple(string,long)',
});
const table = (id: number) => ({
  id,
  operator: 'count',
  name: 'seen',
  kind: 'number' as const,
  codec: { id: 'value', version: 1 },
  schemaVersion: 1,
  mapKey: null,
  entries: 3,
  bytes: 40,
});
const sound: Manifest = {
  formatVersion: 1,
  layout: 'native',
  mode: 'full',
  backend: 'memory',
  job: { id: '0123456789ab', name: 'word-count' },
  checkpointId: 7,
  parallelism: 2,
  barrierTime: 1_700_000_000_000,
  operators: [operator('count'), { ...operator('in'), kind: 'source', keyType: null }],
  tables: [table(0), { ...table(1), kind: 'map', mapKey: 'auto' }],
  entries: 6,
  bytes: 80,
};

const withExpiries = (expiries: unknown) => ({
  ...sound,
  tables: [{ ...table(0), subtasks: [1, 2], expiries }, ...sound.tables.slice(1)],
});

const withWindow = (window: unknown) => ({
  ...sound,
  tables: [{ ...table(0), window }, ...sound.tables.slice(1)],
});

const corrupt = (error: unknown) =>
  error instanceof TidemarkError &&
  error.code === 'MANIFEST_CORRUPT' &&
  error.message.startsWith('checkpoint 7 has a damaged manifest: ') &&
  error.message.length < 600;

test('a manifest comes back through JSON', () => {
  const json: unknown = JSON.parse(JSON.stringify(encodeManifest(sound)));
  assert.deepEqual(decodeManifest(json, 'checkpoint 7'), sound);
});

test('entries may be told by subtask', () => {
  const told = { ...sound, tables: [{ ...table(0), subtasks: [1, 2] }, ...sound.tables.slice(1)] };
  const json: unknown = JSON.parse(JSON.stringify(encodeManifest(told)));
  assert.deepEqual(decodeManifest(json, 'checkpoint 7'), told);
});

test('entries that expire may be told by when they do', () => {
  const expiries = [[[0, 10, 1] as const], [[-5, 0, 0] as const, [7, 9, 2] as const]];
  const told = { ...sound, tables: [{ ...table(0), subtasks: [1, 2], expiries }, ...sound.tables.slice(1)] };
  const json: unknown = JSON.parse(JSON.stringify(encodeManifest(told)));
  assert.deepEqual(decodeManifest(json, 'checkpoint 7'), told);
});

test('of panes it may be told of which windows they are', () => {
  const windows: readonly ManifestWindow[] = [
    { assign: { kind: 'tumbling', size: 5, offset: -2 } },
    { assign: { kind: 'sliding', size: 10, slide: 4, offset: 0 }, slice: 2, lateness: 7 },
    { assign: { kind: 'session', gap: 5 }, trigger: 'count(3)' },
    { assign: { kind: 'session', gap: null } },
    { assign: { kind: 'global' }, trigger: '' },
  ];
  for (const window of windows) {
    const told = { ...sound, tables: [{ ...table(0), window }, ...sound.tables.slice(1)] };
    const json: unknown = JSON.parse(JSON.stringify(encodeManifest(told)));
    assert.deepEqual(decodeManifest(json, 'checkpoint 7'), told);
  }
});

test('all kinds of table there will be are taken already', () => {
  const tables = TABLE_KINDS.map((kind, id) => ({
    ...table(id),
    kind,
    mapKey: kind === 'map' || kind === 'broadcast' ? 'auto' : null,
  }));
  const [entries, bytes] = [3 * tables.length, 40 * tables.length];
  assert.equal(decodeManifest({ ...sound, tables, entries, bytes }, 'x').tables.length, 15);
});

test('one that could not be read back is not written', () => {
  assert.throws(() => encodeManifest({ ...sound, parallelism: 0 }), /assertion failed/);
  assert.throws(() => encodeManifest({ ...sound, tables: [table(0), table(0)] }), /assertion failed/);
});

test('a later version says so, whatever else is in it', () => {
  assert.throws(() => decodeManifest({ formatVersion: 2, new: true }, 'checkpoint 7'), {
    code: 'FORMAT_NEWER',
    message: /^checkpoint 7 has format version 2/,
  });
});

describe('damaged', () => {
  const cases: Readonly<Record<string, unknown>> = {
    'no object': null,
    'a list': [],
    'a text': 'manifest',
    'no version': { ...sound, formatVersion: undefined },
    'a version that is none': { ...sound, formatVersion: 1.5 },
    'an unknown field': { ...sound, color: 'red' },
    'an unknown field in a table': { ...sound, tables: [{ ...table(0), ttl: 1 }] },
    'a negative count': { ...sound, entries: -1 },
    'a broken count': { ...sound, bytes: 0.5 },
    'an unsafe count': { ...sound, bytes: 2 ** 53 },
    'a job id that is none': { ...sound, job: { id: '../../etc/pwd', name: 'x' } },
    'a long name': { ...sound, job: { ...sound.job, name: 'x'.repeat(256) } },
    'a huge parallelism': { ...sound, parallelism: 32_769 },
    'a parallelism above maxParallelism': { ...sound, parallelism: 129 },
    'an unknown kind': { ...sound, tables: [{ ...table(0), kind: 'queue' }] },
    'a table id beyond the limit': { ...sound, tables: [table(65_536)] },
    'a table twice': { ...sound, tables: [table(0), table(0)] },
    'a table of no operator': { ...sound, tables: [{ ...table(0), operator: 'other' }] },
    'a map without a type of map key': { ...sound, tables: [{ ...table(0), kind: 'map' }] },
    'a number with a type of map key': { ...sound, tables: [{ ...table(0), mapKey: 'auto' }] },
    'an operator twice': { ...sound, operators: [operator('count'), operator('count')] },
    'the id of another operator': {
      ...sound,
      operators: [{ ...operator('count'), operatorId: operatorId('x') }],
    },
    'a key type that is none': { ...sound, operators: [{ ...operator('count'), keyType: '__proto__' }] },
    'a total that is not the sum': { ...sound, entries: 7 },
    'a total of bytes that is not the sum': { ...sound, bytes: 79 },
    'expiries without subtasks': {
      ...sound,
      tables: [{ ...table(0), expiries: [[]] }, ...sound.tables.slice(1)],
    },
    'windows of timers': {
      ...sound,
      tables: [
        { ...table(0), kind: 'timer', window: { assign: { kind: 'global' } } },
        ...sound.tables.slice(1),
      ],
    },
    'windows without a length': withWindow({ assign: { kind: 'tumbling', size: 0, offset: 0 } }),
    'windows of half milliseconds': withWindow({ assign: { kind: 'session', gap: 0.5 } }),
    'windows of an unknown kind': withWindow({ assign: { kind: 'moon' } }),
    'windows of which more is said': withWindow({ assign: { kind: 'global', size: 5 } }),
    'windows with a long trigger': withWindow({ assign: { kind: 'global' }, trigger: 'x'.repeat(256) }),
    'expiries of other subtasks': withExpiries([[]]),
    'more entries that expire than there are': withExpiries([[[0, 10, 2]], []]),
    'spans that overlap': withExpiries([
      [],
      [
        [0, 10, 1],
        [9, 12, 1],
      ],
    ]),
    'an empty span': withExpiries([[], [[4, 4, 1]]]),
    'a span of two numbers': withExpiries([[], [[4, 5]]]),
    'a span of half milliseconds': withExpiries([[], [[4, 5.5, 1]]]),
    'subtasks whose entries are not all': {
      ...sound,
      tables: [{ ...table(0), subtasks: [3, 1] }, ...sound.tables.slice(1)],
    },
    'too many operators': {
      ...sound,
      operators: Array.from({ length: 16_385 }, (_, i) => operator(`o${i}`)),
    },
    'text where a number is due': { ...sound, checkpointId: '7'.repeat(10_000) },
  };
  for (const [name, json] of Object.entries(cases)) {
    test(name, () => assert.throws(() => decodeManifest(json, 'checkpoint 7'), corrupt));
  }

  test('with any field replaced by anything', () => {
    const fields = fc.constantFrom(...Object.keys(sound));
    fc.assert(
      fc.property(fields, fc.jsonValue(), (field, json) => {
        try {
          decodeManifest({ ...sound, [field]: json }, 'checkpoint 7');
        } catch (error) {
          assert.ok(corrupt(error) || (error instanceof TidemarkError && error.code === 'FORMAT_NEWER'));
        }
      }),
    );
  });
});

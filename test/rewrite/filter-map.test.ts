/** Filters against plain filters, maps against plain maps. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromTagged } from '../../src/archive/tagged.js';
import { TidemarkError } from '../../src/base/errors.js';
import { keyGroupOf } from '../../src/base/key-groups.js';
import type { Codec } from '../../src/codec/codec.js';
import { jsonCodec } from '../../src/codec/json.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { bytesCodec, numberCodec, stringCodec } from '../../src/codec/typed-codecs.js';
import { codec } from '../../src/index.js';
import type { MapEntry } from '../../src/rewrite/table-map.js';
import { Blocks, operator, table } from '../archive/blocks.js';
import fc from '../helpers/property.js';
import { digestOf, diskOf, type Line, linesIn, refusal, rewritten } from './rewriting.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const WINDOW_START = 0;

/** `c.s` of the values given, by string keys. */
function valuesOf(values: ReadonlyMap<string, unknown>) {
  const blocks = new Blocks(512);
  for (const [key, value] of values) blocks.value(0, key, value, 'string');
  return diskOf({ tables: [table(0, 'c', 's')], operators: [operator('c', 'process', 'string')], blocks });
}

const plainValues = fc
  .array(
    fc.tuple(
      fc.string({ maxLength: 6 }),
      fc.oneof(
        fc.integer(),
        fc.double({ noNaN: true }),
        fc.string({ maxLength: 5 }),
        fc.boolean(),
        fc.constant(null),
        fc.record({ n: fc.integer({ min: -5, max: 5 }), tags: fc.array(fc.constantFrom('a', 'b')) }),
        fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
      ),
    ),
    { maxLength: 60 },
  )
  .map((pairs) => new Map<string, unknown>(pairs));

/** Pairs of an expression and what it should mean. */
const FILTERS: readonly (readonly [sql: string, keeps: (key: string, value: unknown) => boolean])[] = [
  ["value ->> '$.n' > 2", (_, value) => numberIn(value) > 2],
  [
    "typeof(value) = 'integer' AND value < 0",
    (_, value) => (typeof value === 'bigint' || Number.isSafeInteger(value)) && Number(value) < 0,
  ],
  [
    "typeof(value) = 'integer' AND value IN (0, 1)",
    (_, value) => value === 0 || value === 1 || typeof value === 'boolean' || value === 0n || value === 1n,
  ],
  ['value IS NULL', (_, value) => value === null],
  ['value = key', (key, value) => value === key],
  ['length(key) > 3 -- and a comment', (key) => [...key].length > 3 && !key.includes('\0')],
  ['key_group >= 64', () => true],
  [
    'namespace IS NOT NULL OR window_start IS NOT NULL OR map_key IS NOT NULL OR expires IS NOT NULL',
    () => false,
  ],
];

function numberIn(value: unknown): number {
  return typeof value === 'object' && value !== null && 'n' in value
    ? Number(value.n)
    : Number.NEGATIVE_INFINITY;
}

test('a filter keeps what a plain filter keeps', async () => {
  const printable = plainValues.map(
    (values) =>
      new Map(
        [...values].filter(([key]) => !key.includes('\0')).map(([key, value]) => [key, jsonOnly(value)]),
      ),
  );
  await fc.assert(
    fc.asyncProperty(printable, fc.nat(FILTERS.length - 1), async (values, which) => {
      const [sql, keeps] = FILTERS[which] ?? ['1', () => true];
      const disk = await valuesOf(values);
      const before = await linesIn(disk);
      const { report } = await rewritten(disk, { filter: [`c.s=${guarded(sql)}`] });
      const stays = ({ key, value, keyGroup }: Line) =>
        keeps(String(key), fromTagged(value)) && (sql !== 'key_group >= 64' || (keyGroup ?? 0) >= 64);
      const expected = before.filter(stays);
      assert.deepEqual(await linesIn(disk), expected);
      const [state] = report.states;
      assert.deepEqual(
        [state?.before, state?.after, state?.removed],
        [before.length, expected.length, before.length - expected.length],
      );
    }),
    { numRuns: LONG ? 1000 : 40 },
  );
});

/** Text that is no JSON makes `->>` fail, as SQLite has it. */
function guarded(sql: string): string {
  return sql.includes('->>') ? `json_valid(value) AND ${sql}` : sql;
}

/** Text that looks like JSON would be taken for it by a guard. */
function jsonOnly(value: unknown): unknown {
  return typeof value === 'string' ? `text ${value}` : value;
}

describe('what a filter sees', () => {
  test('of windows, maps, timers and what expires: their columns', async () => {
    const disk = await diskOf();
    const before = await linesIn(disk);
    const windowed = ({ namespace }: Line) =>
      typeof namespace === 'object' && namespace !== null && 'window' in namespace;
    const keep = async (label: string, sql: string, stays: (line: Line) => boolean) => {
      const fresh = await diskOf();
      await rewritten(fresh, { filter: [`${label}=${sql}`] });
      const of = ({ operator: uid, state }: Line) => `${uid}.${state}` === label;
      const expected = before.filter((line) => !of(line) || stays(line));
      assert.deepEqual(await linesIn(fresh), expected, sql);
      assert.notEqual(expected.length, before.length, sql);
    };
    await keep('window.sum', `window_start = ${WINDOW_START}`, (line) =>
      JSON.stringify(line.namespace).includes('[0,'),
    );
    await keep('window.most', "namespace = 'global'", ({ namespace }) => namespace === 'global');
    await keep(
      'window.most',
      "namespace <> 'global' AND namespace ->> '$.value.session' = 1",
      ({ namespace }) =>
        typeof namespace === 'object' && namespace !== null && !windowed({ namespace } as Line),
    );
    await keep('window.sum', "key ->> '$[0]' = 'JFK'", ({ key }) => Array.isArray(key) && key[0] === 'JFK');
    await keep('count.byDay', "map_key = 'monday'", ({ mapKey }) => mapKey === 'monday');
    await keep('count.byDay', 'expires IS NOT NULL', ({ expires }) => expires !== undefined);
    await keep('count.quiet', 'map_key > 0', ({ mapKey }) => Number(mapKey) > 0);
    await keep('zulu.splits', "value ->> '$.done'", ({ value }) => (value as { done: boolean }).done);
    await keep('count.rules', "map_key = 'nothing'", () => false);
  });

  test('several of one state are all to be true', async () => {
    const disk = await valuesOf(new Map([1, 2, 3, 4].map((n) => [`k${n}`, n])));
    await rewritten(disk, { filter: ['c.s=value > 1', 'c.s=value < 4'] });
    assert.deepEqual((await linesIn(disk)).map(({ value }) => value).sort(), [2, 3]);
  });

  test('one that fails at an entry says which', async () => {
    const disk = await valuesOf(new Map([['the key', 'no JSON']]));
    const error = await refusal(disk, { filter: ["c.s=value ->> '$.n' = 1"] });
    assert.equal(error.code, 'USAGE');
    assert.match(error.message, /^--filter c\.s: malformed JSON, at the entry of key "the key"$/);
  });
});

describe('a map', () => {
  test('changes what a plain map changes, and takes away what it gives nothing for', async () => {
    await fc.assert(
      fc.asyncProperty(plainValues, async (values) => {
        const disk = await valuesOf(values);
        const before = await linesIn(disk);
        const change = (key: unknown, value: unknown): unknown => {
          if (typeof value === 'number' && Number.isInteger(value))
            return value > 0 ? { n: value, key } : undefined;
          return typeof value === 'bigint' ? new Map([[key, value]]) : value;
        };
        const { report } = await rewritten(
          disk,
          { map: ['c.s=f.ts'] },
          { maps: { 'f.ts': ({ key, value }) => change(key, value) } },
        );
        const expected = new Map<unknown, unknown>();
        let changed = 0;
        for (const { key, value } of before) {
          const old = fromTagged(value);
          const made = change(key, old);
          if (made !== undefined) expected.set(key, made);
          if (made !== undefined && made !== old) changed++;
        }
        const found = new Map((await linesIn(disk)).map(({ key, value }) => [key, fromTagged(value)]));
        assert.deepEqual(found, expected);
        const [state] = report.states;
        assert.deepEqual([state?.changed, state?.after], [changed, expected.size]);
      }),
      { numRuns: LONG ? 500 : 20 },
    );
  });

  test('sees keys, windows, map keys and expiries, and leaves them as they are', async () => {
    const disk = await diskOf();
    const [digest, before] = [await digestOf(disk), await linesIn(disk)];
    const seen: MapEntry[] = [];
    const same = (entry: MapEntry) => {
      seen.push(entry);
      return entry.value;
    };
    const all = [
      'count.byDay',
      'window.sum',
      'window.most',
      'count.recent',
      'zulu.splits',
      'count.rules',
      'count.watermark',
      'zulu.mine',
    ];
    await rewritten(disk, { map: all.map((label) => `${label}=same`) }, { maps: { same } });
    assert.equal(await digestOf(disk), digest);
    assert.equal(seen.length, before.filter((line) => all.includes(`${line.operator}.${line.state}`)).length);
    assert.ok(seen.some(({ mapKey, expires }) => mapKey === 'monday' && typeof expires === 'number'));
    assert.ok(
      seen.some(
        ({ namespace }) =>
          typeof namespace === 'object' &&
          namespace !== null &&
          'window' in namespace &&
          namespace.window[0] === 0,
      ),
    );
    assert.ok(seen.some(({ key }) => Array.isArray(key) && key[0] === 'LHR'));
  });

  test('is refused what the state cannot hold, with the key', async () => {
    const cases: readonly (readonly [label: string, value: unknown, code: string, message: RegExp])[] = [
      [
        'count.seen',
        'text',
        'VALUE_REFUSED',
        /^--map count\.seen, key .*: the new value: a string, no number/,
      ],
      ['count.recent', [], 'VALUE_REFUSED', /not a list with elements/],
      ['count.last', () => 1, 'VALUE_REFUSED', /function/],
      ['zulu.splits', { position: 1 }, 'VALUE_REFUSED', /not the position of a split/],
      ['count.watermark', 1.5, 'VALUE_REFUSED', /not a watermark/],
      ['count.last', Promise.resolve(1), 'USER_PROMISE', /it returned a promise/],
    ];
    for (const [label, value, code, message] of cases) {
      const disk = await diskOf();
      const error = await refusal(disk, { map: [`${label}=f`] }, { maps: { f: () => value } });
      assert.equal(error.code, code, label);
      assert.match(error.message, message);
    }
    const throwing = () => {
      throw new TypeError('cannot');
    };
    const error = await refusal(await diskOf(), { map: ['count.last=f'] }, { maps: { f: throwing } });
    assert.ok(error instanceof TidemarkError);
    assert.equal(error.code, 'USER_CODE');
    assert.match(error.message, /^--map count\.last, key ".*": TypeError: cannot$/);
  });

  test('comes after the filter, and before re-keying', async () => {
    const disk = await valuesOf(new Map([1, 2, 3].map((n) => [`k${n}`, n])));
    await rewritten(
      disk,
      { rename: ['c=d', 'c.s=t'], filter: ['d.t=value > 1'], map: ['d.t=ten'], maxParallelism: '3' },
      { maps: { ten: ({ value }) => Number(value) * 10 } },
    );
    const found = (await linesIn(disk)).map((line) => [line.operator, line.state, line.key, line.value]);
    assert.deepEqual(found.sort(), [
      ['d', 't', 'k2', 20],
      ['d', 't', 'k3', 30],
    ]);
  });
});

describe('values of other codecs', () => {
  const KINDS = {
    json: { codec: jsonCodec, value: { n: 1 } },
    number: { codec: numberCodec, value: 1.5 },
    string: { codec: stringCodec, value: 'text' },
    bytes: { codec: bytesCodec, value: Uint8Array.of(1, 2) },
  };

  async function diskOfKinds() {
    const blocks = new Blocks();
    const keys = keyCodecById('string');
    Object.values(KINDS).forEach(({ codec, value }, id) => {
      blocks.out.begin(id, keyGroupOf(keys.hash('k'), 128));
      blocks.out.key(keys, 'k');
      blocks.out.value(codec as Codec<unknown>, value);
    });
    const own = codec.define<string>({ id: 'own', encode: (text) => Buffer.from(text), decode: String });
    blocks.out.begin(4, keyGroupOf(keys.hash('k'), 128));
    blocks.out.key(keys, 'k');
    blocks.out.value(own, 'own');
    const tables = [...Object.keys(KINDS), 'own'].map((id, i) => ({
      ...table(i, 'c', id),
      codec: { id, version: 1 },
    }));
    return await diskOf({ tables, operators: [operator('c', 'process', 'string')], blocks });
  }

  test('are filtered, mapped and edited as what they are', async () => {
    const disk = await diskOfKinds();
    const request = {
      filter: [
        "c.json=value ->> '$.n' = 1",
        'c.number=value = 1.5',
        "c.string=value = 'text'",
        'c.own=key_group >= 0',
      ],
      map: ['c.json=f', 'c.number=f', 'c.string=f', 'c.bytes=f'],
      maxParallelism: '12',
    };
    const f = ({ value }: MapEntry): unknown => {
      if (typeof value === 'number') return value * 2;
      if (typeof value === 'string') return `${value}!`;
      return value instanceof Uint8Array ? Uint8Array.of(...value, 3) : { twice: value };
    };
    const edits = [
      { operator: 'c', state: 'json', key: 'new', value: [1] },
      { operator: 'c', state: 'own', key: 'new', value: { $bytes: 'AQI=' } },
    ];
    await rewritten(disk, request, {
      maps: { f },
      edits: edits.map((one) => JSON.stringify(one)).join('\n'),
    });
    const found = (await linesIn(disk)).map(({ state, key, value }) => [state, key, value]);
    assert.deepEqual(found.sort(), [
      ['bytes', 'k', { $bytes: 'AQID' }],
      ['json', 'k', { twice: { n: 1 } }],
      ['json', 'new', [1]],
      ['number', 'k', 3],
      ['own', 'k', { $bytes: Buffer.from('own').toString('base64') }],
      ['own', 'new', { $bytes: 'AQI=' }],
      ['string', 'k', 'text!'],
    ]);
  });

  test("those of a definition's own are no business of filters by value, and of maps", async () => {
    const disk = await diskOfKinds();
    const error = await refusal(
      disk,
      { filter: ['c.own=value = 1'], map: ['c.own=f'] },
      { maps: { f: () => 1 } },
    );
    assert.match(error.message, /--filter c\.own: its values are of codec own, which only its job knows/);
    assert.match(error.message, /--map: values of c\.own are of codec own, which only its job knows/);
    const wrong = await refusal(disk, { map: ['c.number=f'] }, { maps: { f: () => 'text' } });
    assert.equal(wrong.code, 'VALUE_REFUSED');
  });
});

/** What is exported and imported again is the same state, by its digest: for every format and every kind of state. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { convertArchive } from '../../src/archive/convert.js';
import type { Archive } from '../../src/archive/read.js';
import type { TableShape } from '../../src/archive/table-list.js';
import { toTagged } from '../../src/archive/tagged.js';
import { present } from '../../src/base/assert.js';
import { realDisk } from '../../src/base/real-disk.js';
import type { GivenEntry } from '../../src/rewrite/entry-from-view.js';
import { operator, table } from '../archive/blocks.js';
import { everything, OPERATORS, TABLES, VALUES } from '../archive/everything.js';
import { goldenPath } from '../archive/golden.js';
import fc from '../helpers/property.js';
import { value as anyValue, text } from '../helpers/values.js';
import { type Format, Port, type State } from './porting.js';

const EVERYTHING: State = { operators: OPERATORS, tables: TABLES };
const FORMATS: readonly Format[] = ['jsonl', 'csv', 'sqlite'];

let port: Port;
before(async () => {
  port = await Port.make();
});
after(() => port.remove());

/** The archive that all data of another make of an empty one. */
async function roundTrip(archive: Archive, state: State, format: Format): Promise<Archive> {
  let made = await port.empty(state);
  for (const [label, path] of await port.export(archive, format)) {
    const only = label === '' ? {} : { only: label };
    made = (await port.import(made, { path }, format, only)).archive;
  }
  return made;
}

describe('every kind of state, namespace and value', () => {
  for (const format of FORMATS)
    test(`by way of ${format}`, async () => {
      const archive = await port.archive(EVERYTHING, everything());
      const again = await roundTrip(archive, EVERYTHING, format);
      assert.equal(again.manifest.digest, archive.manifest.digest);
      assert.equal(again.manifest.entries, archive.manifest.entries);
      assert.equal(again.provenance.parentDigest === null, false);
    });

  test('and of an archive into itself', async () => {
    const archive = await port.archive(EVERYTHING, everything());
    const [[, path] = ['', '']] = await port.export(archive, 'jsonl');
    for (const merge of [false, true]) {
      const { archive: again, imported } = await port.import(archive, { path }, 'jsonl', { merge });
      assert.equal(again.manifest.digest, archive.manifest.digest);
      for (const { rows, before: were, after: are } of imported.states)
        assert.deepEqual([were, are], [rows, rows]);
    }
  });
});

test('of native archives, what their savepoint would be', async () => {
  for (const name of ['native-full.tar', 'native-chain.tar', 'native-sorted.tar']) {
    const output = { path: port.path('tar') };
    const common = { disk: realDisk, spoolFolder: port.folder };
    const converted = await convertArchive({ ...common, input: goldenPath(name), output });
    await converted.commit();
    const native = await port.open(goldenPath(name));
    for (const format of ['jsonl', 'sqlite'] as const) {
      const [[, path] = ['', '']] = await port.export(native, format);
      const merge = format === 'sqlite';
      const { archive } = await port.import(native, { path }, format, { merge });
      assert.equal(archive.manifest.digest, converted.digest, `${name} by way of ${format}`);
    }
  }
});

test('values of every codec', async () => {
  const codecs = ['value', 'json', 'number', 'string', 'bytes', 'my.sketch'];
  const tables = codecs.flatMap((id, i) => [
    { ...table(2 * i, 'count', `one-${id}`), codec: { id, version: 1 } },
    { ...table(2 * i + 1, 'count', `many-${id}`, 'list'), codec: { id, version: 1 } },
  ]);
  const state = { operators: [operator('count', 'process', 'string')], tables };
  const samples: Readonly<Record<string, readonly unknown[]>> = {
    value: VALUES.filter((each) => each !== undefined),
    json: [null, '', 'true', '[1]', 1.5, { a: { $b: 1 } }, { $x: 1 }, [null, {}]],
    number: [0, -0, 1, 0.1, Number.NaN, -1 / 0, 2 ** 60],
    string: ['', 'x', '"', '{"a":1}', 'true', '5', 'null', 'a,b\r\n"c"', '\u0000', ' spaced '],
    bytes: [new Uint8Array(0), Uint8Array.of(0, 255)],
    'my.sketch': [new Uint8Array(0), Uint8Array.of(1, 2)],
  };
  const entries = tables.flatMap(({ id, kind, codec }): (readonly [number, GivenEntry])[] => {
    const values = present(samples[codec.id], codec.id);
    if (kind === 'list') return [[id, { key: 'all', value: toTagged(values) }]];
    return values.map((value, i) => [id, { key: `k${i}`, value: toTagged(value) }] as const);
  });
  const archive = await port.given(state, entries);
  for (const format of FORMATS)
    assert.equal((await roundTrip(archive, state, format)).manifest.digest, archive.manifest.digest, format);
});

test('names that others would take for one, or cannot have', async () => {
  const uids = ['Count', 'count', 'sqlite_x', 'a "quoted" one', 'ünï'];
  const tables: TableShape[] = uids.flatMap((uid, i) => [
    table(4 * i, uid, 'seen'),
    table(4 * i + 1, uid, 'Seen'),
    table(4 * i + 2, uid, 'same', 'number'),
    table(4 * i + 3, uid, 'same', 'event-timer'),
  ]);
  const state = { operators: uids.map((uid) => operator(uid)), tables };
  const entries = tables.map(({ id, kind }): readonly [number, GivenEntry] =>
    kind === 'event-timer' ? [id, { key: 1, mapKey: id }] : [id, { key: id, value: id }],
  );
  const archive = await port.given(state, entries);
  for (const format of ['jsonl', 'sqlite'] as const)
    assert.equal((await roundTrip(archive, state, format)).manifest.digest, archive.manifest.digest, format);
});

test('any keys and values', { timeout: 1_200_000 }, async () => {
  const state = {
    operators: [
      operator('a', 'process', 'auto'),
      operator('b', 'process', 'tuple(string,tuple(long,double))'),
    ],
    tables: [table(0, 'a', 'one'), table(1, 'a', 'many', 'map'), table(2, 'b', 'sum', 'aggregating')],
  };
  const long = fc.oneof(fc.maxSafeInteger(), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n));
  const double = fc.oneof(fc.double({ noNaN: true }), fc.integer());
  const auto = fc.oneof(text, long, double, fc.boolean(), fc.tuple(text, fc.tuple(long, fc.boolean())));
  const shown = <T>(arbitrary: fc.Arbitrary<T>) => arbitrary.map((each) => toTagged(each));
  const value = shown(anyValue);
  const expires = fc.option(fc.constantFrom(2 ** 52, 4e12), { nil: undefined });
  const window = fc.record({ window: fc.tuple(shown(long), shown(long)) });
  const namespace = fc.oneof(fc.constant(null), fc.constant('global'), window, fc.record({ value }));
  const entry = fc.oneof(
    fc.tuple(fc.constant(0), fc.record({ key: shown(auto), value, expires })),
    fc.tuple(fc.constant(1), fc.record({ key: shown(auto), mapKey: shown(auto), value, expires })),
    fc.tuple(
      fc.constant(2),
      fc.record({ key: shown(fc.tuple(text, fc.tuple(long, double))), namespace, value }),
    ),
  );
  const entries = fc.uniqueArray(entry, {
    minLength: 1,
    maxLength: 12,
    selector: ([id, given]) => JSON.stringify([id, { ...given, value: 0, expires: 0 }]),
  });
  const numRuns = process.env['TIDEMARK_TEST_LONG'] === '1' ? 300 : 15;
  await fc.assert(
    fc.asyncProperty(entries, fc.constantFrom(...FORMATS), async (some, format) => {
      const once = new Map(some.map((each) => [identityOf(each), each]));
      const archive = await port.given(state, [...once.values()]);
      const again = await roundTrip(archive, state, format);
      assert.equal(again.manifest.digest, archive.manifest.digest);
      await port.close();
    }),
    { numRuns },
  );
});

/** −0 and 0 are one key, and so are 5 and 5n where keys are longs. */
function identityOf([id, { key, mapKey = null, namespace = null }]: readonly [number, GivenEntry]): string {
  const plain = (json: unknown): unknown => {
    if (Array.isArray(json)) return json.map(plain);
    if (JSON.stringify(json) === '{"$number":"-0"}') return 0;
    const bigint = id === 2 ? /^\{"\$bigint":"(-?\d+)"\}$/.exec(JSON.stringify(json) ?? '')?.[1] : undefined;
    return bigint !== undefined && Number.isSafeInteger(Number(bigint)) ? Number(bigint) : json;
  };
  return JSON.stringify([id, plain(key), plain(mapKey), namespace]);
}

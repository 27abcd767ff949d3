/** Edits against a plain Map; and lines that are wrong. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Findings } from '../../src/rewrite/findings.js';
import { linesOf } from '../../src/rewrite/text-lines.js';
import { memoryDisk } from '../archive/archives.js';
import { Blocks, operator, PROVENANCE, table } from '../archive/blocks.js';
import { everythingTwice, packChain } from '../archive/natives.js';
import fc from '../helpers/property.js';
import {
  digestOf,
  diskOf,
  type Line,
  linesIn,
  pieces,
  refusal,
  rewritten,
  withoutGroups,
} from './rewriting.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const base = fc.uniqueArray(fc.constantFrom(...KEYS), { maxLength: KEYS.length });
const edit = fc.record({
  key: fc.constantFrom(...KEYS),
  state: fc.constantFrom('s', 'm'),
  mapKey: fc.nat(1),
  value: fc.option(fc.oneof(fc.integer(), fc.string({ maxLength: 3 })), { nil: undefined }),
});
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

function lineOf({ key, state, mapKey, value }: Edit): string {
  const named = { operator: 'c', state, key, ...(state === 'm' ? { mapKey } : {}) };
  return JSON.stringify(value === undefined ? { ...named, delete: true } : { ...named, value });
}

function idOf({ key, state, mapKey }: Omit<Edit, 'value'>): string {
  return JSON.stringify([state, key, state === 'm' ? mapKey : null]);
}

function diskWithKeys(keys: readonly string[]) {
  const blocks = new Blocks(100);
  const mapKeys = 'auto';
  for (const key of keys) blocks.value(0, key, `old ${key}`, 'string');
  const shapes = [table(0, 'c', 's'), table(1, 'c', 'm', 'map', mapKeys)];
  return diskOf({ tables: shapes, operators: [operator('c', 'process', 'string')], blocks });
}

test('edits do what they would do to a plain Map, and what is not there cannot be taken away', async () => {
  await fc.assert(
    fc.asyncProperty(
      base,
      fc.array(edit, { maxLength: 25 }),
      fc.constantFrom(undefined, '16'),
      async (keys, edits, maxParallelism) => {
        const map = new Map<string, unknown>(
          keys.map((key) => [idOf({ key, state: 's', mapKey: 0 }), `old ${key}`]),
        );
        const wrong: number[] = [];
        edits.forEach((one, i) => {
          const id = idOf(one);
          if (one.value !== undefined) map.set(id, one.value);
          else if (!map.delete(id)) wrong.push(i + 1);
        });
        const disk = await diskWithKeys(keys);
        const text = edits.map(lineOf).join('\n');
        if (wrong.length > 0) {
          const error = await refusal(disk, { maxParallelism }, { edits: text });
          assert.equal(error.code, 'KEY_NOT_FOUND');
          const named = [...error.message.matchAll(/line (\d+):/g)].map(([, line]) => Number(line));
          assert.ok(
            named.every((line) => wrong.includes(line)),
            error.message,
          );
          assert.ok(named.length > 0);
          return;
        }
        const before = keys.length;
        const { report } = await rewritten(disk, { maxParallelism }, { edits: text });
        const found = new Map(
          (await linesIn(disk)).map((line) => [
            idOf({ key: String(line.key), state: line.state, mapKey: Number(line.mapKey) } as Edit),
            line.value,
          ]),
        );
        assert.deepEqual(found, map);
        const sum = (of: 'added' | 'removed') => report.states.reduce((total, state) => total + state[of], 0);
        assert.equal(before + sum('added') - sum('removed'), map.size);
      },
    ),
    { numRuns: LONG ? 1000 : 40 },
  );
});

describe('an archive with everything in it', () => {
  test('given its own entries as edits, stays what it is, and is made anew from them alone', async () => {
    for (const make of [diskOf, everythingNative]) {
      const disk = await make();
      const plain = await diskOf();
      const digest = await digestOf(plain);
      const text = (await linesIn(plain)).map((line) => JSON.stringify(line)).join('\n');
      const { report, provenance } = await rewritten(disk, {}, { edits: text });
      assert.equal(provenance.edited, true);
      assert.equal(await digestOf(disk), digest);
      for (const { from, changed, added, removed } of report.states)
        assert.deepEqual([changed, added, removed], [0, 0, 0], from);
      const labels = report.states.map(({ from }) => from);
      const emptied = await diskOf();
      const made = await rewritten(
        emptied,
        { filter: [...new Set(labels)].map((label) => `${label}=0`) },
        { edits: text },
      );
      assert.equal(await digestOf(emptied), digest);
      assert.equal(made.report.entries.after, made.report.entries.before);
    }
  });

  test('loses any one of its entries, and no other', async () => {
    const before = await linesIn(await diskOf());
    for (const gone of before.filter((_, i) => i % (LONG ? 1 : 25) === 0)) {
      const disk = await diskOf();
      const { value: _, ...named } = gone;
      await rewritten(disk, {}, { edits: `${JSON.stringify({ ...named, delete: true })}\n` });
      assert.deepEqual(
        withoutGroups(await linesIn(disk)),
        withoutGroups(before.filter((line) => line !== gone)),
      );
    }
  });

  async function everythingNative() {
    const disk = await memoryDisk();
    await packChain(disk, everythingTwice());
    return disk;
  }
});

describe('lines that are wrong', () => {
  const seen = { operator: 'count', state: 'seen' };
  const CASES: readonly (readonly [line: unknown, says: RegExp])[] = [
    ['{', /not JSON: /],
    [
      '{"operator":"count","state":"seen","key":"a","value":9007199254740993}',
      /9007199254740993 would be rounded/,
    ],
    ['[]', /it is no object/],
    ['7', /it is no object/],
    ['{"__proto__":1}', /no field "__proto__"/],
    [{ ...seen, key: 'a', value: 1, extra: 1 }, /no field "extra"; there are: operator, state,/],
    [{ state: 'seen', key: 'a', value: 1 }, /operator is missing/],
    [{ operator: 'count', key: 'a', value: 1 }, /state is missing/],
    [{ ...seen, value: 1 }, /key is missing/],
    [{ ...seen, key: 'a' }, /value is missing; to take the entry away: "delete": true/],
    [{ ...seen, key: 'a', delete: 'yes' }, /delete: expected true or false/],
    [{ ...seen, key: 'a', value: 'text' }, /count\.seen: value: a string, no number/],
    [{ ...seen, key: null, value: 1 }, /count\.seen: key: /],
    [{ ...seen, key: { $number: 'NaN' }, value: 1 }, /count\.seen: key: /],
    [{ ...seen, key: { $nonsense: 1 }, value: 1 }, /count\.seen: key: .*no tag/],
    [{ ...seen, key: 'a', value: 1, mapKey: 1 }, /count\.seen: mapKey: /],
    [{ ...seen, key: 'a', value: 1, namespace: 'somewhere' }, /count\.seen: namespace: /],
    [{ ...seen, key: 'a', value: 1, namespace: { window: [0] } }, /count\.seen: namespace: /],
    [{ ...seen, key: 'a', value: 1, expires: 'soon' }, /count\.seen: expires: /],
    [{ ...seen, key: 'a', value: 1, expires: PROVENANCE.barrierTime }, /expires: it is over at the barrier/],
    [{ operator: 'count', state: 'byDay', key: 'a', value: 1 }, /count\.byDay: mapKey: there is none/],
    [
      { operator: 'count', state: 'recent', key: 'a', value: [] },
      /count\.recent: value: not a list with elements/,
    ],
    [
      { operator: 'count', state: 'quiet', key: 'a', mapKey: 1.5, value: null },
      /count\.quiet: mapKey: the time of a timer/,
    ],
    [
      { operator: 'count', state: 'quiet', key: 'a', mapKey: 1, value: 1 },
      /count\.quiet: value: a timer has none/,
    ],
    [{ operator: 'window', state: 'sum', key: ['JFK'], value: 1 }, /window\.sum: key: /],
    [
      { operator: 'zulu', state: 'splits', key: 'c.txt', value: { position: 1 } },
      /not the position of a split/,
    ],
    [
      { operator: 'zulu', state: 'watermark', key: 0, value: 'late' },
      /zulu\.watermark: value: not a watermark/,
    ],
  ];
  const text = CASES.map(([line]) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');

  test('are all told, each with its number', async () => {
    const error = await refusal(await diskOf(), {}, { edits: text });
    assert.equal(error.code, 'USAGE');
    const lines = error.message.split('\n');
    assert.match(lines[0] ?? '', new RegExp(`^the edits are wrong: ${CASES.length} findings$`));
    CASES.forEach(([line, says], i) => {
      const found = lines[i + 1] ?? '';
      assert.match(found, new RegExp(`^line ${i + 1}: `), JSON.stringify(line));
      assert.match(found, says);
    });
  });

  test('a few are shown and all are counted', async () => {
    const many = `${'{\n'.repeat(1000)}`;
    const error = await refusal(await diskOf(), {}, { edits: many });
    assert.match(error.message, /^the edits are wrong: 1000 findings\n/);
    assert.match(error.message, /\nand 950 more$/);
    const gone = Array.from({ length: 400 }, (_, i) =>
      JSON.stringify({ ...seen, key: `gone ${i}`, delete: true }),
    );
    const missing = await refusal(await diskOf(), {}, { edits: gone.join('\n') });
    assert.equal(missing.code, 'KEY_NOT_FOUND');
    assert.match(
      missing.message,
      /^the edits are wrong: 400 findings\nline 1: there is no entry count\.seen "gone 0"/,
    );
  });

  test('a state that is not there; one that was renamed or dropped', async () => {
    const line = JSON.stringify({ ...seen, key: 'a', value: 1 });
    const code = async (request: Parameters<typeof refusal>[1]) =>
      (await refusal(await diskOf(), request, { edits: line })).code;
    assert.equal(await code({ drop: ['count.seen'] }), 'STATE_NOT_FOUND');
    assert.equal(await code({ rename: ['count.seen=total'] }), 'STATE_NOT_FOUND');
    await rewritten(await diskOf(), { rename: ['count.seen=total', 'count.last=seen'] }, { edits: line });
  });

  test('what is no text, or has no end', async () => {
    const findings = new Findings();
    const lines: string[] = [];
    for await (const { line, text: its } of linesOf(pieces('a\r\n\n  \nbü😀\nlast', 2), findings))
      lines.push(`${line} ${its}`);
    assert.deepEqual([lines, findings.count], [['1 a', '4 bü😀', '5 last'], 0]);
    async function* bytes() {
      yield Buffer.from([0x61, 0x0a, 0xff, 0x0a, 0x62]);
    }
    const found: number[] = [];
    for await (const { line } of linesOf(bytes(), findings)) found.push(line);
    assert.deepEqual([found, findings.count], [[1, 3], 1]);
    for await (const { line } of linesOf(pieces('x'.repeat(101)), findings, 100)) assert.fail(`line ${line}`);
    assert.equal(findings.count, 2);
  });
});

test('a line for a name that a state and a timer share is for the one it fits, or that its kind names', async () => {
  const shapes = [table(0, 'c', 's'), table(1, 'c', 's', 'timer')];
  const disk = await diskOf({
    tables: shapes,
    operators: [operator('c', 'process', 'string')],
    blocks: new Blocks(),
  });
  const lines = [
    { operator: 'c', state: 's', key: 'a', value: 1 },
    { operator: 'c', state: 's', key: 'a', mapKey: 5, value: null },
    { operator: 'c', state: 's', key: 'a', mapKey: 6 },
    { operator: 'c', state: 's', kind: 'timer', key: 'b', mapKey: 7, value: null },
    { operator: 'c', state: 's', kind: 'value', key: 'b', value: 2 },
  ];
  await rewritten(disk, {}, { edits: lines.map((line) => JSON.stringify(line)).join('\n') });
  const found: Line[] = await linesIn(disk);
  assert.deepEqual(
    found.map(({ mapKey, value }) => [mapKey, value]),
    [
      [7, null],
      [5, null],
      [6, null],
      [undefined, 2],
      [undefined, 1],
    ],
  );
});

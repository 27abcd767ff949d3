/** The ledger against a set of ids, and against damage. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import {
  asideLine,
  type Commit,
  commitLine,
  emptyLedger,
  foldedText,
  isCommitted,
  parseLedger,
  union,
  withBegun,
  withCommitted,
} from '../../src/connectors/file-sink/ledger.js';
import { partName } from '../../src/connectors/file-sink/names.js';
import { insertRun, type Run } from '../../src/connectors/file-sink/runs.js';
import fc from '../helpers/property.js';

const id = fc.record({
  job: fc.constantFrom('a', 'b'),
  attempt: fc.integer({ min: 1, max: 2 }),
  sink: fc.constantFrom('out', 'out-1'),
  subtask: fc.integer({ min: 0, max: 1 }),
  checkpoint: fc.integer({ min: 0, max: 30 }),
});
const ids = fc.array(id, { maxLength: 60 });
const keyOf = (each: Omit<Commit, 'pending' | 'part'>) =>
  [each.job, each.attempt, each.sink, each.subtask, each.checkpoint].join('/');
const commitOf = (each: Omit<Commit, 'pending' | 'part'>): Commit => ({
  ...each,
  pending: `.pending-${keyOf(each).replaceAll('/', '-')}`,
  part: `part-${keyOf(each).replaceAll('/', '-')}`,
});

test('exactly what was put in is in, also after folding and joining', () => {
  fc.assert(
    fc.property(ids, ids, ids, (first, second, asked) => {
      const members = new Set([...first, ...second].map(keyOf));
      const parsed = parseLedger(foldedText(withCommitted(emptyLedger, first)));
      assert.ok(parsed.ok);
      const ledger = union(parsed.ledger, withCommitted(emptyLedger, second));
      for (const each of [...first, ...second, ...asked]) {
        assert.equal(isCommitted(ledger, each), members.has(keyOf(each)), keyOf(each));
      }
    }),
  );
});

test('runs neither overlap nor touch', () => {
  const run = fc.tuple(fc.nat(50), fc.nat(5)).map(([first, length]): Run => [first, first + length]);
  fc.assert(
    fc.property(fc.array(run), (runs) => {
      const ranges = runs.reduce<readonly Run[]>((all, each) => insertRun(all, each), []);
      const members = new Set(
        runs.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i)),
      );
      const kept = ranges.flatMap(([first, last]) =>
        Array.from({ length: last - first + 1 }, (_, i) => first + i),
      );
      assert.deepEqual(
        kept,
        [...members].sort((a, b) => a - b),
      );
      for (const [i, [first]] of ranges.entries())
        assert.ok(i === 0 || first > (ranges[i - 1]?.[1] ?? 0) + 1);
    }),
  );
});

test('cut anywhere after its first line it has whole commits only', () => {
  const commits = [1, 2, 3].map((checkpoint) =>
    commitOf({ job: 'a', attempt: 1, sink: 'out', subtask: 0, checkpoint }),
  );
  const head = foldedText(emptyLedger);
  const text = head + commits.map((each) => commitLine([each])).join('');
  for (let length = 0; length <= text.length; length++) {
    const parsed = parseLedger(text.slice(0, length));
    if (length < head.length) {
      assert.ok(!parsed.ok, `cut at ${length}`);
      continue;
    }
    assert.ok(parsed.ok);
    const whole = text.slice(head.length, length).split('\n').length - 1;
    assert.deepEqual(parsed.commits, commits.slice(0, whole));
  }
});

test('with any byte changed it is refused, or has lost its last line and no other', () => {
  const commits = [1, 2].map((checkpoint) =>
    commitOf({ job: 'a', attempt: 1, sink: 'out', subtask: 0, checkpoint }),
  );
  const text = foldedText(emptyLedger) + commits.map((each) => commitLine([each])).join('');
  const last = text.trimEnd().lastIndexOf('\n') + 1;
  for (let i = 0; i < text.length; i++) {
    const damaged = Buffer.from(text);
    damaged[i] = (damaged[i] ?? 0) ^ 2;
    const parsed = parseLedger(damaged.toString('latin1'));
    // Without the line end before it, the last line is longer and as wrong.
    if (i === last - 1) continue;
    if (i < last) assert.ok(!parsed.ok, `byte ${i}`);
    else if (parsed.ok) assert.deepEqual(parsed.commits, commits.slice(0, 1));
  }
});

test('lines whose checksum holds and which are none of a ledger are refused', async () => {
  const { crc32 } = await import('node:zlib');
  const sealed = (content: object) => {
    const json = JSON.stringify(content);
    return `{"crc":"${crc32(json).toString(16).padStart(8, '0')}",${json.slice(1)}\n`;
  };
  const head = foldedText(emptyLedger);
  const writer = { job: 'a', attempt: 1, sink: 's', subtask: 0 };
  assert.ok(parseLedger(head + sealed({ committed: [{ ...writer, ranges: [[1, 2]] }] })).ok);
  for (const bad of [
    sealed({ format: 'tidemark-ledger', version: 2 }),
    sealed({ format: 'other', version: 1 }),
    head + sealed({ committed: [{ ...writer, ranges: [[2, 1]] }] }),
    head +
      sealed({
        committed: [
          {
            ...writer,
            ranges: [
              [1, 3],
              [2, 4],
            ],
          },
        ],
      }),
    head + sealed({ committed: 5 }),
    head + sealed({ commit: [{ ...writer, checkpoint: 1, pending: '../x', part: 'y' }] }),
    head + sealed({ commit: [{ ...writer, checkpoint: -1, pending: 'x', part: 'y' }] }),
    head + sealed({ commit: [{ ...writer, checkpoint: 1, pending: 'x', part: '.y' }] }),
    head + sealed({ committed: [{ ...writer, ranges: [[1, 2]], prefix: '../x' }] }),
    head + sealed({ begun: [{ job: 'a', lineage: [{ job: 'b', checkpoint: '1' }] }] }),
    head + sealed({ begun: [{ job: 'a' }] }),
    head + sealed({ aside: [{ ...writer, ranges: [[2, 1]] }], parts: [] }),
    head + sealed({ aside: [], parts: ['.tidemark'] }),
    head + sealed({ aside: [], parts: ['../x'] }),
    head + sealed({ aside: [], later: [] }),
    head + sealed({}),
    head + sealed({ ['__proto__']: [] }),
  ]) {
    assert.ok(!parseLedger(bad).ok, bad);
  }
});

test('FORMAT.md shows what the code reads and writes', async () => {
  const page = await readFile(new URL('../../../src/format/FORMAT.md', import.meta.url), 'utf8');
  const shown = page.split('\n').filter((line) => line.startsWith('    {"crc":"'));
  const text = shown.map((line) => `${line.trim()}\n`).join('');
  const parsed = parseLedger(text);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  const { ledger, commits, parts } = parsed;
  const [commit] = commits;
  assert.ok(commit !== undefined);
  assert.equal(commit.part, partName('part', commit));
  assert.deepEqual(parts, [commit.part]);
  const writer = { job: commit.job, attempt: 1, sink: 'out', subtask: 0 };
  const before = withCommitted(
    emptyLedger,
    [1, 2, 4].map((checkpoint) => ({
      ...writer,
      checkpoint,
      part: partName('part', { ...writer, checkpoint }),
    })),
  );
  const [[job = '', lineage = []] = []] = ledger.begun;
  const aside = [{ ...writer, ranges: [[6, 6] as const] }];
  const written = foldedText(withBegun(before, job, lineage)) + commitLine(commits) + asideLine(aside, parts);
  assert.equal(text, written);
});

/** What is ahead of a snapshot, and runs of checkpoints, against sets of ids. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  asideLine,
  asideOf,
  begunLine,
  type Commit,
  emptyLedger,
  foldedText,
  isCommitted,
  type Ledger,
  parseLedger,
  union,
  withAside,
  withBegun,
  withCommitted,
} from '../../src/connectors/file-sink/ledger.js';
import { aheadOf, idsOf, lackingOf } from '../../src/connectors/file-sink/lineage.js';
import { partName, prefixOf } from '../../src/connectors/file-sink/names.js';
import { partsIn } from '../../src/connectors/file-sink/parts.js';
import { after, countOf, holds, insertRun, type Run, without } from '../../src/connectors/file-sink/runs.js';
import type { LineageEntry, TransactionId } from '../../src/graph/sink.js';
import fc from '../helpers/property.js';

const ALL = Number.MAX_SAFE_INTEGER;
const JOBS = ['a', 'b', 'c', 'd'];
const job = fc.constantFrom(...JOBS);
const checkpoint = fc.integer({ min: 0, max: 9 });
const plain = { noNullPrototype: true };
const id: fc.Arbitrary<TransactionId> = fc.record(
  {
    job,
    attempt: fc.integer({ min: 1, max: 2 }),
    sink: fc.constantFrom('out', 'out-1'),
    subtask: fc.integer({ min: 0, max: 1 }),
    checkpoint,
  },
  plain,
);
const lineage = fc.array(fc.record({ job, checkpoint }, plain), { maxLength: 3 });
const keyOf = (each: TransactionId) =>
  [each.job, each.attempt, each.sink, each.subtask, each.checkpoint].join('/');
const keysOf = (ids: readonly TransactionId[]) => ids.map(keyOf).sort();

interface Case {
  readonly ids: readonly TransactionId[];
  readonly aside: ReadonlySet<string>;
  readonly begun: ReadonlyMap<string, readonly LineageEntry[]>;
  readonly ledger: Ledger;
}

/** A ledger, and the sets it stands for. */
const cases: fc.Arbitrary<Case> = fc
  .record({
    ids: fc.uniqueArray(id, { maxLength: 40, selector: keyOf }),
    cut: fc.nat(40),
    begun: fc.uniqueArray(fc.tuple(job, lineage), { selector: ([name]) => name, maxLength: 3 }),
  })
  .map(({ ids, cut, begun }) => {
    const aside = ids.slice(0, Math.min(cut, ids.length));
    const writers = [...withCommitted(emptyLedger, aside).committed.values()];
    let ledger = withAside(withCommitted(emptyLedger, ids), writers);
    for (const [name, entries] of begun) ledger = withBegun(ledger, name, entries);
    return { ids, aside: new Set(aside.map(keyOf)), begun: new Map(begun), ledger };
  });

const includes = (entries: readonly LineageEntry[], each: TransactionId) =>
  entries.some(({ job, checkpoint }) => job === each.job && checkpoint >= each.checkpoint);

test('ahead is what is committed, not included, of the same past, not set aside, and not its own', () => {
  let seen = 0;
  fc.assert(
    fc.property(cases, job, lineage, ({ ids, aside, begun, ledger }, own, entries) => {
      const past = new Set(entries.map(({ job }) => job));
      const related = (name: string) =>
        past.has(name) || (begun.get(name) ?? []).some((entry) => past.has(entry.job));
      const expected = ids.filter(
        (each) =>
          each.job !== own && !includes(entries, each) && related(each.job) && !aside.has(keyOf(each)),
      );
      seen += expected.length;
      const ahead = aheadOf(ledger, own, entries);
      assert.deepEqual(keysOf(idsOf(ahead, ALL)), keysOf(expected));
      // Once they are set aside, nothing is ahead any more, and all of it stays committed.
      const rewound = withAside(ledger, ahead);
      assert.deepEqual(aheadOf(rewound, own, entries), []);
      for (const each of ids) assert.ok(isCommitted(rewound, each));
    }),
  );
  assert.ok(seen > 0);
});

test('lacking is what is included and set aside', () => {
  fc.assert(
    fc.property(cases, lineage, ({ ids, aside, ledger }, entries) => {
      const expected = ids.filter((each) => includes(entries, each) && aside.has(keyOf(each)));
      assert.deepEqual(keysOf(idsOf(lackingOf(ledger, entries), ALL)), keysOf(expected));
    }),
  );
});

test('unrelated jobs are never ahead, and without a lineage nothing is', () => {
  const of = (name: string, checkpoint: number) => ({
    job: name,
    attempt: 1,
    sink: 'out',
    subtask: 0,
    checkpoint,
  });
  const ids = [of('a', 4), of('a', 6), of('fork', 7), of('stranger', 9)];
  const ledger = withBegun(withCommitted(emptyLedger, ids), 'fork', [{ job: 'a', checkpoint: 3 }]);
  const ahead = (entries: readonly LineageEntry[]) => keysOf(idsOf(aheadOf(ledger, 'new', entries), ALL));
  assert.deepEqual(ahead([]), []);
  assert.deepEqual(ahead([{ job: 'a', checkpoint: 4 }]), keysOf([of('a', 6), of('fork', 7)]));
  assert.deepEqual(
    ahead([
      { job: 'fork', checkpoint: 7 },
      { job: 'a', checkpoint: 3 },
    ]),
    keysOf([of('a', 4), of('a', 6)]),
  );
  assert.deepEqual(ahead([{ job: 'elsewhere', checkpoint: 1 }]), []);
});

test('the newest of long runs are named first, and no more than asked for', () => {
  const writer = { job: 'a', attempt: 1, sink: 'out', subtask: 0 };
  const ids = idsOf([{ ...writer, ranges: [[0, ALL - 1]] }], 3);
  assert.deepEqual(
    ids.map(({ checkpoint }) => checkpoint),
    [ALL - 1, ALL - 2, ALL - 3],
  );
});

test('a ledger keeps what was set aside and where jobs began, also after folding and joining', () => {
  fc.assert(
    fc.property(cases, cases, (first, second) => {
      const parsed = parseLedger(foldedText(first.ledger));
      assert.ok(parsed.ok);
      assert.deepEqual(parsed.ledger, first.ledger);
      const both = union(parsed.ledger, second.ledger);
      for (const each of [...first.ids, ...second.ids]) {
        const aside = first.aside.has(keyOf(each)) || second.aside.has(keyOf(each));
        assert.equal(holds(asideOf(both, each), each.checkpoint), aside, keyOf(each));
      }
      assert.deepEqual(both.begun, new Map([...first.begun, ...second.begun]));
    }),
  );
});

test('a rewind is in the ledger whole or not at all, however its line is cut', () => {
  const writer = { job: 'a', attempt: 1, sink: 'out', subtask: 0, ranges: [[3, 5] as const] };
  const head = foldedText(emptyLedger) + begunLine('b', [{ job: 'a', checkpoint: 2 }]);
  const line = asideLine([writer], ['part-3', 'part-4']);
  for (let length = 0; length < line.length; length++) {
    const parsed = parseLedger(head + line.slice(0, length));
    assert.ok(parsed.ok);
    assert.deepEqual([parsed.parts, parsed.ledger.aside.size, parsed.ledger.begun.size], [[], 0, 1]);
  }
  const whole = parseLedger(head + line);
  assert.ok(whole.ok);
  assert.deepEqual(whole.parts, ['part-3', 'part-4']);
  assert.deepEqual([...whole.ledger.aside.values()], [writer]);
});

const runs = fc
  .array(fc.tuple(fc.nat(30), fc.nat(4)), { maxLength: 8 })
  .map((all) => all.reduce<Run[]>((set, [first, length]) => insertRun(set, [first, first + length]), []));
const members = (ranges: readonly Run[]) =>
  ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i));

test('runs are sets', () => {
  fc.assert(
    fc.property(runs, runs, fc.nat(35), (a, b, n) => {
      const other = new Set(members(b));
      assert.deepEqual(
        members(without(a, b)),
        members(a).filter((each) => !other.has(each)),
      );
      // Each on its own, as a listing of files gives them.
      const single = members(b).map((each): Run => [each, each]);
      assert.deepEqual(without(a, single), without(a, b));
      assert.deepEqual(
        members(after(a, n)),
        members(a).filter((each) => each > n),
      );
      assert.equal(holds(a, n), members(a).includes(n));
      assert.equal(countOf(a), members(a).length);
    }),
  );
});

test('parts are found by their whole names, those of other prefixes, uids and jobs are not', () => {
  const commit = (more: Partial<Commit>): Commit => {
    const one = { job: 'a', attempt: 1, sink: 'out', subtask: 0, checkpoint: 4, ...more };
    return { ...one, pending: '.pending-x', part: partName('part', one), ...more };
  };
  const mine = [
    commit({}),
    commit({ checkpoint: 123_456_789 }),
    commit({ sink: 'a-1-out-0' }),
    commit({ part: 'x', subtask: 7 }),
  ];
  const parsed = parseLedger(foldedText(withCommitted(emptyLedger, mine)));
  assert.ok(parsed.ok);
  // Several files of one transaction, and what a consumer compressed where it lay.
  const shapes = ['-00001.jsonl', '-00002.jsonl', '.jsonl.gz', '.csv', '-10000.csv.gz'].map(
    (rest) => `part-a-0001-out-000-00000004${rest}`,
  );
  const names = [
    ...mine.slice(0, 2).map(({ part }) => part),
    ...['', '0', 'taken-'].map((before) => `${before}part-a-0001-out-000-00000005.jsonl`),
    ...['done-part', 'part-b', 'part-a-0001'].map((stem) => `${stem}-a-0001-out-000-00000004.jsonl`),
    'part-a-0001-out-000-000000004.jsonl',
    'part-a-0001-out-000-00000004.jsonl.zst',
    'part-a-0001-out-000-00000004-0001.jsonl',
    ...shapes,
    '.aside-part-a-0001-a-1-out-0-000-00000004.jsonl',
  ];
  const { parts, missing } = partsIn(names, [...parsed.ledger.committed.values()]);
  assert.deepEqual(parts, [...mine.slice(0, 2).map(({ part }) => part), ...shapes]);
  for (const part of shapes) assert.equal(prefixOf(part, commit({})), 'part', part);
  assert.deepEqual(keysOf(idsOf(missing, ALL)), ['a/1/a-1-out-0/0/4', 'a/1/out/7/4']);
});

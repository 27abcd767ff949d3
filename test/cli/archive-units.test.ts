import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EntryView } from '../../src/archive/entries-view.js';
import { TidemarkError } from '../../src/base/errors.js';
import { COMMANDS } from '../../src/cli/command-list.js';
import { complete } from '../../src/cli/complete.js';
import { entryRow } from '../../src/cli/inspect-view.js';
import { Printer, type Stream } from '../../src/cli/printer.js';
import { restoreLines, restoreView } from '../../src/cli/restore-view.js';
import { RowWriter } from '../../src/cli/row-writer.js';
import { savingText } from '../../src/cli/saving-text.js';
import { archiveOperand, snapshotOperand } from '../../src/cli/snapshot-operand.js';
import { limitOf, tablesNamed } from '../../src/cli/state-name.js';
import { destinationOf } from '../../src/cli/take-savepoint.js';
import { resolveSettings } from '../../src/graph/resolve-settings.js';
import type { RestorePlan } from '../../src/job/restore.js';
import { archiveName } from '../../src/job/savepoint.js';
import fc from '../helpers/property.js';

const plain = (text: string) => text;
const PAINT = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain };

function printerOf(json: boolean, isTTY = false) {
  const out = { text: '' };
  const stream: Stream = {
    isTTY,
    write(text, done) {
      out.text += String(text);
      done?.();
      return true;
    },
  };
  const options = { json, quiet: false, colour: false, environment: {}, stdout: stream, stderr: stream };
  return { out, printer: new Printer(options) };
}

function code(act: () => unknown): string | undefined {
  try {
    act();
  } catch (error) {
    return error instanceof TidemarkError ? error.code : String(error);
  }
  return undefined;
}

describe('a snapshot operand', () => {
  it('is a file with a slash or ending in .tar, else a job, or one of its checkpoints', () => {
    const file = (path: string) => ({ kind: 'file', path });
    assert.deepEqual(snapshotOperand('a.tar', '/w'), file('/w/a.tar'));
    assert.deepEqual(snapshotOperand('./job', '/w'), file('/w/job'));
    assert.deepEqual(snapshotOperand('/x/job@3', '/w'), file('/x/job@3'));
    assert.deepEqual(snapshotOperand('job@3.tar', '/w'), file('/w/job@3.tar'));
    assert.deepEqual(snapshotOperand('job', '/w'), { kind: 'job', job: 'job', checkpoint: undefined });
    assert.deepEqual(snapshotOperand('job@12', '/w'), { kind: 'job', job: 'job', checkpoint: 12 });
    for (const text of ['job@', 'job@0', 'job@-1', 'job@1e3', 'job@01', 'job@1@2', 'job@9999999999999999'])
      assert.equal(
        code(() => snapshotOperand(text, '/w')),
        'USAGE',
        text,
      );
    assert.equal(
      code(() => archiveOperand('job', '/w', (job) => `hint ${job}`)),
      'USAGE',
    );
    const here = import.meta.url.slice(import.meta.url.lastIndexOf('/') + 1);
    for (const [name, hint] of [
      ['job', 'hint job'],
      [here, `if the file is meant: ./${here}`],
    ] as const)
      assert.throws(() => archiveOperand(name, import.meta.dirname, (job) => `hint ${job}`), { hint });
  });

  it('never is anything else, whatever is typed', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const found = code(() => snapshotOperand(text, '/w'));
        assert.ok(found === undefined || found === 'USAGE');
      }),
    );
  });
});

describe('where a savepoint goes', () => {
  const at = (option: string | undefined, isTTY = false) =>
    destinationOf(option, { cwd: '/w', printer: printerOf(false, isTTY).printer }, '/h/jobs/id');

  it('is the folder of the command, a folder, a file, or the way to stdout', () => {
    assert.deepEqual(at(undefined), { output: '/w/', piped: false });
    assert.deepEqual(at('b/'), { output: '/w/b/', piped: false });
    assert.deepEqual(at('/'), { output: '/', piped: false });
    assert.deepEqual(at('b.tar'), { output: '/w/b.tar', piped: false });
    const piped = at('-');
    assert.equal(piped.piped, true);
    assert.match(piped.output, /^\/h\/jobs\/id\/stdout-[0-9a-f]{12}\.savepoint\.tar$/);
  });

  it('is never a terminal', () => {
    assert.equal(
      code(() => at('-', true)),
      'USAGE',
    );
    assert.equal(
      code(() => at('')),
      'USAGE',
    );
  });

  it('has a name that says the job and the checkpoint', () => {
    assert.equal(archiveName('word-count', 12), 'word-count-12.savepoint.tar');
  });
});

describe('a savepoint under way', () => {
  it('is told in words, from whatever a status says', () => {
    const text = (saving: unknown) => savingText({ id: 'x', saving });
    assert.equal(text({ phase: 'checkpoint', entries: 0, bytes: 0 }), 'taking its checkpoint');
    assert.equal(text({ phase: 'sort', entries: 1_234, bytes: 2_048 }), 'sorting, 1,234 entries, 2 KiB');
    assert.equal(text({ phase: 'later', entries: 1, bytes: 0 }), 'later, 1 entries');
    for (const saving of [null, undefined, 'x']) assert.equal(text(saving), undefined);
    for (const status of [null, 'x', {}]) assert.equal(savingText(status), undefined);
    const waiting = (held: unknown) => text({ phase: 'hold', entries: 0, bytes: 0, held });
    assert.equal(
      waiting({ splits: 1200, arrived: 1, away: ['in/a', 'in/b'] }),
      'waiting for 1,199 of 1,200 splits to come to where they were: in/a, in/b, …',
    );
    assert.equal(
      waiting({ splits: 2, arrived: 2, away: [] }),
      'waiting for event time to come to where it was',
    );
    for (const held of [null, 5, {}]) assert.equal(waiting(held), 'waiting for its splits');
    assert.equal(text({}), 'under way');
  });
});

describe('names of states', () => {
  const table = (operator: string, name: string, kind: 'value' | 'timer' | 'splits') => ({
    operator,
    name,
    kind,
  });
  const tables = [table('a', 'x', 'value'), table('a', 'x', 'timer'), table('s', '', 'splits')];

  it('find the state, its namesakes, and what is only called by its kind', () => {
    assert.deepEqual(tablesNamed('a.x', tables, 'f'), tables.slice(0, 2));
    assert.deepEqual(tablesNamed('s.splits', tables, 'f'), tables.slice(2));
    assert.equal(
      code(() => tablesNamed('a', tables, 'f')),
      'STATE_NOT_FOUND',
    );
    assert.throws(
      () => tablesNamed('a.y', tables, 'f'),
      (error) => {
        assert.ok(error instanceof TidemarkError);
        assert.equal(error.hint, 'it has a.x, s.splits');
        return true;
      },
    );
    assert.equal(
      code(() => tablesNamed('a.x', [], 'f')),
      'STATE_NOT_FOUND',
    );
  });

  it('a limit is a whole number from 1', () => {
    assert.equal(limitOf(undefined), undefined);
    assert.equal(limitOf('10'), 10);
    for (const text of ['0', '-1', '1.5', 'x', '', '1e3'])
      assert.equal(
        code(() => limitOf(text)),
        'USAGE',
      );
  });
});

describe('rows', () => {
  const columns = [{ title: 'N', right: true }];
  const write = async (json: boolean, rows: number) => {
    const { out, printer } = printerOf(json);
    const writer = new RowWriter(printer, columns);
    for (let n = 0; n < rows; n++)
      await writer.row(
        () => ({ n }),
        () => [String(n)],
      );
    await writer.end();
    assert.equal(writer.rows, rows);
    return out.text;
  };

  it('come as JSON lines, or as a table with its titles once, however many there are', async () => {
    assert.equal(await write(true, 2), '{"n":0}\n{"n":1}\n');
    assert.equal(await write(false, 0), '');
    const lines = (await write(false, 2_500)).trimEnd().split('\n');
    assert.equal(lines.length, 2_501);
    assert.deepEqual(
      lines.map((line) => line.trim()),
      ['N', ...Array.from({ length: 2_500 }, (_, n) => String(n))],
    );
    assert.equal((await write(true, 20_000)).split('\n').length, 20_001);
  });

  it('show keys that read as something else in quotes, and long values cut, unless they stand alone', () => {
    const entry = (over: Partial<EntryView>): EntryView => {
      return { operator: 'o', state: 's', keyGroup: 7, key: 'k', namespace: null, value: 1, ...over };
    };
    assert.deepEqual(entryRow(entry({}), false), ['7', 'k', '', '1']);
    assert.equal(entryRow(entry({ key: '42' }), false)[1], '"42"');
    assert.equal(entryRow(entry({ key: null }), false)[1], 'null');
    assert.equal(entryRow(entry({ key: null, keyGroup: null }), false)[1], '-', 'there are no keys');
    assert.equal(entryRow(entry({ key: 'null' }), false)[1], '"null"');
    assert.equal(entryRow(entry({ key: 'a b' }), false)[1], '"a b"');
    assert.deepEqual(
      entryRow(entry({ keyGroup: null, mapKey: 'm', namespace: 'global' }), false).slice(0, 3),
      ['-', 'k', 'global m'],
    );
    const long = entry({ value: 'x'.repeat(1_000), expires: 5 });
    assert.equal(entryRow(long, false)[3]?.length, 161 + ' (expires 1970-01-01T00:00:00.005Z)'.length);
    assert.equal(entryRow(long, true)[3], `"${'x'.repeat(1_000)}" (expires 1970-01-01T00:00:00.005Z)`);
    const windowed = entry({ namespace: { window: [0, 3_600_000] } });
    assert.equal(entryRow(windowed, false)[2], '1970-01-01T00:00:00.000Z to 1970-01-01T01:00:00.000Z');
    const far = entry({ namespace: { window: [-9e15, { $bigint: '9007199254740993' }] } });
    assert.equal(entryRow(far, false)[2], '-9000000000000000 to {"$bigint":"9007199254740993"}');
    const timer = entry({ mapKey: 5, value: null });
    assert.deepEqual(entryRow(timer, false, 'event-timer').slice(2), ['1970-01-01T00:00:00.005Z', '-']);
    assert.deepEqual(entryRow(timer, false, 'map').slice(2), ['5', 'null']);
    assert.ok(
      !entryRow(entry({ value: '\u001b[2J' }), true)
        .join('')
        .includes('\u001b'),
    );
  });
});

describe('the plan of a restore', () => {
  const state = {
    operator: 'o',
    entries: 3,
    bytes: 2_048,
    kind: 'value',
    to: null,
    versions: null,
    codecs: null,
    proven: true,
    unproven: null,
    missing: false,
    message: null,
    advice: null,
  };
  const plan: RestorePlan = {
    snapshot: {
      path: '/w/a.tar',
      digest: 'd'.repeat(64),
      kind: 'savepoint',
      layout: 'canonical',
      mode: 'full',
      backend: null,
      drained: true,
      job: { id: 'i', name: 'j' },
      checkpointId: 4,
      entries: 6,
      bytes: 4_096,
    },
    convert: false,
    definition: '/w/job.ts',
    bundle: 'b'.repeat(64),
    name: 'k',
    parallelism: { from: 2, to: 4 },
    maxParallelism: 128,
    states: [
      { ...state, name: 'o.a', state: 'a', action: 'kept' },
      { ...state, name: 'o.b', state: 'b', action: 'moved', message: 'is o.bb now' },
      { ...state, name: 'o.c', state: 'c', action: 'dropped', message: 'it would be lost' },
      { ...state, name: 'o.d', state: 'd', action: 'impossible', message: 'was a list', advice: 'go back' },
      { ...state, name: 'o.e', state: 'e', action: 'new', message: 'starts empty' },
    ],
    values: { looked: 0, entries: 6, states: [], splits: [] },
    sinks: [{ uid: 'out', target: '/w/out', mode: 'rewind', ahead: 3 }],
    params: { input: 'x' },
    settings: resolveSettings({}, { parallelism: 4 }),
  };

  it('names every state with a sign, what becomes of it, and the sinks', () => {
    const text = restoreView(plan, PAINT);
    assert.match(
      text,
      /^snapshot +\/w\/a\.tar\n +savepoint of j \(i\) at checkpoint 4, canonical, drained, 6 state rows, 4 KiB\n/,
    );
    assert.match(text, /^parallelism +2 → 4 of at most 128$/m);
    assert.match(text, /^backend +memory, checkpoints full$/m);
    assert.match(text, /^= +o\.a +value +3 +2 KiB +kept$/m);
    assert.match(text, /^~ +o\.b .*is o\.bb now$/m);
    assert.match(text, /^- +o\.c .*left behind: it would be lost$/m);
    assert.match(text, /^! +o\.d .*was a list\n +go back$/m);
    assert.match(text, /^\+ +o\.e +value +starts empty$/m);
    assert.match(text, /^out +rewind +\/w\/out +3 transactions, set aside$/m);
    assert.match(
      text,
      /\n1 state kept, 1 moved, 1 new, 1 left behind \(3 entries, 2 KiB\), 1 that cannot be restored\n$/,
    );
  });

  it('is told in short before a real run, with what is lost and moved by name', () => {
    assert.deepEqual(restoreLines(plan), [
      'restoring k from /w/a.tar (j at checkpoint 4, 6 state rows)',
      '  at parallelism 2 → 4: 1 state kept, 1 moved, 1 new, 1 left behind (3 entries, 2 KiB), 1 that cannot be restored',
      '  ~ o.b: moved: is o.bb now',
      '  - o.c: left behind: it would be lost (3 entries, 2 KiB)',
      '  sink out: 3 later transactions set aside',
    ]);
  });

  it('says that the archive is converted first, and of which backend it was', () => {
    const native = { ...plan.snapshot, kind: 'checkpoint', layout: 'native', drained: false } as const;
    const snapshot = { ...native, mode: 'incremental', backend: 'disk' } as const;
    const text = restoreView({ ...plan, snapshot, convert: true }, PAINT);
    assert.match(text, /, native of the disk backend, incremental, 6 state rows/);
    assert.match(text, /^ +is converted to a savepoint first, in the home$/m);
    assert.match(
      restoreLines({ ...plan, snapshot, convert: true })[1] ?? '',
      /converted to a savepoint first/,
    );
  });
});

describe('completion of what savepoints need', () => {
  const jobs = () => [{ text: 'word-count', about: 'running' }];

  it('offers jobs and files for a snapshot, files for an archive, modes for sinks', () => {
    const snapshot = complete(['inspect', 'w'], COMMANDS, jobs);
    assert.deepEqual([snapshot.candidates.map(({ text }) => text), snapshot.files], [['word-count'], true]);
    const archive = complete(['verify', ''], COMMANDS, jobs);
    assert.deepEqual([archive.candidates, archive.files], [[], true]);
    assert.deepEqual(
      complete(['restore', 'x.tar', '--sinks', ''], COMMANDS, jobs).candidates.map(({ text }) => text),
      ['live', 'mute', 'rewind'],
    );
    assert.equal(complete(['diff', 'a.tar', ''], COMMANDS, jobs).files, true);
    assert.equal(complete(['savepoint', 'x', '-o', ''], COMMANDS, jobs).files, true);
  });
});

/** `tidemark diff <a> <b> [--exit-code] [--state uid.name]` */
import { type ArchiveDiff, type Difference, diffArchives } from '../../archive/diff.js';
import { type EntryView, viewEntry } from '../../archive/entries-view.js';
import type { Json } from '../../archive/tagged.js';
import { present } from '../../base/assert.js';
import { EXIT, TidemarkError } from '../../base/errors.js';
import { type Comparable, openComparable } from '../comparable.js';
import type { Context, Given } from '../context.js';
import { entryRow } from '../inspect-view.js';
import { printable } from '../printer.js';
import { RowWriter } from '../row-writer.js';
import { onSignal } from '../signals.js';
import { archiveOperand } from '../snapshot-operand.js';
import { damagedEntry } from '../snapshot-view.js';
import { limitOf, stateName, tablesNamed } from '../state-name.js';
import { table as textTable } from '../table.js';
import { count } from '../text.js';

const COUNTS = [
  { title: 'STATE' },
  { title: 'ADDED', right: true },
  { title: 'REMOVED', right: true },
  { title: 'CHANGED', right: true },
];

const ENTRIES = [
  { title: '' },
  { title: 'KEY GROUP', right: true },
  { title: 'KEY' },
  { title: 'AT' },
  { title: 'BEFORE' },
  { title: 'AFTER' },
];
const SIGNS: Readonly<Record<Difference['kind'], string>> = { added: '+', removed: '-', changed: '~' };

export async function run(given: Given, context: Context): Promise<number> {
  const state = given.text('state');
  const limit = limitOf(given.text('limit'));
  if (state === undefined && limit !== undefined) {
    throw new TidemarkError('USAGE', '--limit needs --state', {
      hint: 'tidemark diff a.tar b.tar --state uid.name',
    });
  }
  const hint = (job: string) => `first: tidemark savepoint ${job} -o FILE.tar`;
  const paths = given.operands.map((text) => archiveOperand(text, context.cwd, hint));
  const stop = new AbortController();
  const signals = onSignal(
    () => context.clock.monotonic(),
    () => stop.abort(),
  );
  try {
    const differs = await withArchives(paths, context, stop.signal, (before, after) => {
      // From here on there is nothing to clean up.
      signals.release();
      return state === undefined
        ? showCounts(before, after, context)
        : showEntries(before, after, state, limit, context);
    });
    return differs && given.flag('exit-code') ? EXIT.differs : EXIT.done;
  } catch (error) {
    if (error !== stop.signal.reason || signals.exitCode === undefined) throw error;
    return signals.exitCode;
  } finally {
    signals.release();
  }
}

async function withArchives<T>(
  [first = '', second = '']: readonly string[],
  { printer }: Context,
  signal: AbortSignal,
  use: (before: Comparable, after: Comparable) => Promise<T>,
): Promise<T> {
  const wheel = await printer.spinner(`reading ${first} and ${second}`);
  const opened: Comparable[] = [];
  try {
    for (const path of [first, second]) opened.push(await openComparable(path, signal));
    wheel.stop();
    signal.throwIfAborted();
    const [before, after] = opened as [Comparable, Comparable];
    return await use(before, after);
  } finally {
    wheel.stop();
    for (const { archive } of opened) await archive.close();
  }
}

async function showCounts(before: Comparable, after: Comparable, { printer }: Context): Promise<boolean> {
  const wheel = await printer.spinner(`comparing ${before.path} and ${after.path}`);
  let found: ArchiveDiff;
  try {
    found = await diffArchives(before.archive, after.archive);
  } finally {
    wheel.stop();
  }
  if (printer.json) await printer.document(found);
  else if (found.equal) printer.note(sameText(before, after));
  else if (found.operators.length === 0)
    printer.note('the same entries; only how states or keys are declared differs');
  else await printer.data(textTable(COUNTS, countRows(found)));
  return !found.equal;
}

/** The digest of a native archive names its bytes, not the state. */
function sameText(before: Comparable, after: Comparable): string {
  const named = [before, after].find(({ archive }) => archive.manifest.layout === 'canonical');
  return named === undefined ? 'the same state' : `the same state, digest ${named.archive.manifest.digest}`;
}

function countRows({ operators }: ArchiveDiff): readonly (readonly string[])[] {
  return operators.flatMap(({ uid, states }) =>
    states.map(({ name, added, removed, changed }) => [
      printable(`${uid}.${name}`),
      count(added),
      count(removed),
      count(changed),
    ]),
  );
}

/** Ends a comparison that has given all that was asked for. */
class Enough extends Error {}

async function showEntries(
  before: Comparable,
  after: Comparable,
  state: string,
  limit: number | undefined,
  { printer }: Context,
): Promise<boolean> {
  const tables = [before, after].flatMap(({ archive }) => archive.manifest.tables);
  tablesNamed(state, tables, 'neither archive');
  const out = new RowWriter(printer, ENTRIES);
  try {
    await diffArchives(before.archive, after.archive, async (difference) => {
      const { table } = present(difference.before ?? difference.after, 'a side of a difference');
      if (stateName(table) !== state) return;
      const row = rowOf(difference, `${before.path} or ${after.path}`);
      await out.row(
        () => row,
        () => cells(row),
      );
      if (limit !== undefined && out.rows >= limit) throw new Enough();
    });
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  }
  await out.end();
  if (out.rows === 0) printer.note(`${state} has the same entries in both`);
  return out.rows > 0;
}

/** An entry that is in one archive only, or has another value in each. */
interface DifferenceRow extends Omit<EntryView, 'value' | 'expires'> {
  readonly change: Difference['kind'];
  readonly before: Json;
  readonly after: Json;
}

function rowOf({ kind, before, after }: Difference, label: string): DifferenceRow {
  const [old, fresh] = [before, after].map((side) => {
    if (side === undefined) return undefined;
    try {
      return viewEntry(side.entry, side.table, side.operator);
    } catch (error) {
      throw damagedEntry(error, label, side.table);
    }
  });
  const { value: _value, expires: _expires, ...where } = present(old ?? fresh, 'a side of a difference');
  return { change: kind, ...where, before: old?.value ?? null, after: fresh?.value ?? null };
}

function cells(row: DifferenceRow): readonly string[] {
  const { change, before, after } = row;
  const [group = '', key = '', at = '', was = ''] = entryRow({ ...row, value: before }, false);
  const [, , , is = ''] = entryRow({ ...row, value: after }, false);
  return [SIGNS[change], group, key, at, change === 'added' ? '' : was, change === 'removed' ? '' : is];
}

/** `tidemark inspect <snapshot> [--state uid.name] [--key K] [--limit N]` */
import { type EntryView, parseKey, viewEntry, type WantedKey } from '../../archive/entries-view.js';
import { present } from '../../base/assert.js';
import { EXIT, TidemarkError } from '../../base/errors.js';
import type { ManifestTable } from '../../format/manifest.js';
import type { Context, Given } from '../context.js';
import { ENTRY_COLUMNS, entryRow, summaryView } from '../inspect-view.js';
import { RowWriter } from '../row-writer.js';
import { damagedEntry, type SnapshotView } from '../snapshot-view.js';
import { limitOf, stateName, tablesNamed } from '../state-name.js';
import { count } from '../text.js';
import { withSnapshot } from '../with-snapshot.js';

/** Rows of a table for people, unless they ask for more; JSON lines have no limit of their own. */
const DEFAULT_ROWS = 100;

export function run(given: Given, context: Context): Promise<number> {
  const state = given.text('state');
  const key = given.text('key');
  const limit = limitOf(given.text('limit'));
  if (state === undefined && (key !== undefined || limit !== undefined)) {
    throw new TidemarkError('USAGE', `${key === undefined ? '--limit' : '--key'} needs --state`, {
      hint: 'tidemark inspect <snapshot> lists the states; then: --state uid.name',
    });
  }
  return withSnapshot(given.operands[0] ?? '', context, async (view) => {
    if (state === undefined) await showSummary(view, context);
    else if (key !== undefined) await showKey(view, state, key, limit, context);
    else await showEntries(view, state, limit, context);
    return EXIT.done;
  });
}

async function showSummary(view: SnapshotView, { printer, clock }: Context): Promise<void> {
  const summary = await view.summary();
  if (printer.json) await printer.document(summary);
  else await printer.data(summaryView(view.label, summary, await printer.paint(), clock.now()));
}

async function showEntries(
  view: SnapshotView,
  state: string,
  limit: number | undefined,
  { printer }: Context,
): Promise<void> {
  const tables = tablesNamed(state, view.tables, view.label);
  const most = limit ?? (printer.json ? Number.POSITIVE_INFINITY : DEFAULT_ROWS);
  const out = new RowWriter(printer, ENTRY_COLUMNS);
  await writeRows(out, tables, most, (table) => entryViews(view, table, undefined), false);
  const all = tables.reduce((sum, { entries }) => sum + entries, 0);
  if (limit === undefined && out.rows < all)
    printer.note(`the first ${count(out.rows)} of ${count(all)} entries; --limit N shows more, --json all`);
  else if (all === 0) printer.note(`${state} has no entries`);
}

async function showKey(
  view: SnapshotView,
  state: string,
  text: string,
  limit: number | undefined,
  { printer }: Context,
): Promise<void> {
  const tables = tablesNamed(state, view.tables, view.label);
  const keys = new Map(tables.map((table) => [table, parseKey(text, table, operatorOf(view, table))]));
  const out = new RowWriter(printer, ENTRY_COLUMNS);
  const wheel = await printer.spinner(`looking for ${text} in ${view.label}`);
  try {
    const found = async function* (table: ManifestTable) {
      for await (const entry of entryViews(view, table, keys.get(table))) {
        wheel.stop();
        yield entry;
      }
    };
    await writeRows(out, tables, limit ?? Number.POSITIVE_INFINITY, found, true);
  } finally {
    wheel.stop();
  }
  if (out.rows > 0) return;
  throw new TidemarkError('KEY_NOT_FOUND', `${state} of ${view.label} has nothing for the key ${text}`, {
    hint: `the keys there are: tidemark inspect ${view.label} --state ${state}`,
  });
}

async function writeRows(
  out: RowWriter,
  tables: readonly ManifestTable[],
  limit: number,
  entries: (table: ManifestTable) => AsyncIterable<EntryView>,
  whole: boolean,
): Promise<void> {
  for (const table of tables) {
    if (out.rows >= limit) break;
    for await (const entry of entries(table)) {
      await out.row(
        () => entry,
        () => entryRow(entry, whole, table.kind),
      );
      if (out.rows >= limit) break;
    }
  }
  await out.end();
}

async function* entryViews(
  view: SnapshotView,
  table: ManifestTable,
  only: WantedKey | undefined,
): AsyncGenerator<EntryView> {
  const operator = operatorOf(view, table);
  try {
    for await (const entry of view.entries(table, only)) yield viewEntry(entry, table, operator);
  } catch (error) {
    throw damagedEntry(error, view.label, table);
  }
}

function operatorOf(view: SnapshotView, table: ManifestTable) {
  const operator = view.operators.find(({ uid }) => uid === table.operator);
  return present(operator, `the operator of ${stateName(table)}`);
}

/** `tidemark export <snapshot> [--state uid.name]… [--format jsonl|csv|sqlite] [-o FILE|-] [--force]` */
import { dirname, resolve } from 'node:path';
import type { ArchiveOutput } from '../../archive/output.js';
import { EXIT, TidemarkError } from '../../base/errors.js';
import { realDisk } from '../../base/real-disk.js';
import type { ManifestTable } from '../../format/manifest.js';
import type { ExportWork } from '../../rewrite/export-source.js';
import { exportCsv, exportLines } from '../../rewrite/export-text.js';
import { exportSqlite } from '../../rewrite/sqlite-export.js';
import type { Context, Given } from '../context.js';
import { interruptible } from '../interruptible.js';
import { checkFolder } from '../new-archive.js';
import type { SnapshotView } from '../snapshot-view.js';
import { stateName, tablesNamed } from '../state-name.js';
import { count, counted } from '../text.js';
import { withSnapshot } from '../with-snapshot.js';

type Format = 'jsonl' | 'csv' | 'sqlite';

const BY_ENDING: readonly (readonly [ending: RegExp, format: Format])[] = [
  [/\.(?:csv)$/i, 'csv'],
  [/\.(?:db|sqlite|sqlite3)$/i, 'sqlite'],
];

/** The format that is asked for, else that of the name, else JSON lines. */
export function formatOf(option: string | undefined, file: string | undefined): Format {
  if (option === 'jsonl' || option === 'csv' || option === 'sqlite') return option;
  return BY_ENDING.find(([ending]) => ending.test(file ?? ''))?.[1] ?? 'jsonl';
}

export async function run(given: Given, context: Context): Promise<number> {
  const { printer } = context;
  const option = given.text('output');
  const format = formatOf(given.text('format'), option);
  const output = outputOf(option, given.flag('force'), format, context);
  if ('path' in output) await checkFolder(dirname(output.path));
  return withSnapshot(given.operands[0] ?? '', context, async (view) => {
    const tables = wanted(view, given.list('state'));
    if (format === 'csv' && tables.length !== 1) throw oneState(tables);
    const wheel = await printer.spinner(`exporting ${view.label}`);
    const all = tables.reduce((sum, { entries }) => sum + entries, 0);
    const onProgress = (entries: number) =>
      wheel.say(`exporting ${view.label}: ${count(entries)} of ${count(all)} entries`);
    try {
      const done = await interruptible(context, (signal) => {
        const source = { ...view, entries: (table: ManifestTable) => view.entries(table) };
        return write(format, output, { source, tables, onProgress, signal });
      });
      wheel.stop();
      if (done.interrupted) return done.exitCode;
      await tell(output, format, tables, done.value, context);
      return EXIT.done;
    } finally {
      wheel.stop();
    }
  });
}

function wanted(view: SnapshotView, states: readonly string[]): readonly ManifestTable[] {
  // Output that is prepared belongs to a job, not to its state.
  const tables = view.tables.filter(({ kind }) => kind !== 'transactions');
  if (states.length === 0) return tables;
  return [...new Set(states.flatMap((state) => tablesNamed(state, tables, view.label)))];
}

function write(format: Format, output: ArchiveOutput, work: ExportWork): Promise<number> {
  const [first] = work.tables;
  if (format === 'sqlite' && 'path' in output) return exportSqlite(realDisk, output, work);
  if (format === 'csv' && first !== undefined) return exportCsv(realDisk, output, first, work);
  return exportLines(realDisk, output, work);
}

function outputOf(
  option: string | undefined,
  force: boolean,
  format: Format,
  { cwd, printer }: Context,
): ArchiveOutput {
  if (option?.endsWith('/') === true)
    throw new TidemarkError('USAGE', `-o ${option}: expected the name of a file`, {
      hint: `as in -o ${option}state.jsonl`,
    });
  if (option !== undefined && option !== '-' && option !== '') return { path: resolve(cwd, option), force };
  if (option === '' || format === 'sqlite') {
    throw new TidemarkError('USAGE', '-o: the name of a file is missing', {
      hint: format === 'sqlite' ? 'an SQLite file goes into no pipe: -o state.db' : 'as in -o state.jsonl',
    });
  }
  return { stream: (bytes) => printer.data(bytes) };
}

function oneState(tables: readonly ManifestTable[]): TidemarkError {
  const names = tables.slice(0, 20).map(stateName).join(', ');
  return new TidemarkError('USAGE', `CSV has room for one state, and there are ${tables.length}: ${names}`, {
    hint: 'say which: --state uid.name; or take --format sqlite, which has room for all',
  });
}

async function tell(
  output: ArchiveOutput,
  format: Format,
  tables: readonly ManifestTable[],
  entries: number,
  { printer }: Context,
): Promise<void> {
  const states = tables.map(stateName);
  if (!('path' in output)) {
    printer.note(
      `${count(entries)} ${entries === 1 ? 'entry' : 'entries'} of ${counted(states.length, 'state')}`,
    );
    return;
  }
  const { path } = output;
  if (printer.json) return await printer.document({ path, format, entries, states });
  printer.note(
    `${count(entries)} ${entries === 1 ? 'entry' : 'entries'} of ${counted(states.length, 'state')}`,
  );
  await printer.data(`${path}\n`);
}

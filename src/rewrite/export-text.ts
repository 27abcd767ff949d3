/**
 * Exports as text: JSON lines as `inspect --state --json` prints them, and CSV.
 *
 * A line says the kind of its table where two tables have its name, so that an import knows which is meant.
 */
import type { ArchiveOutput } from '../archive/output.js';
import { tableLabel } from '../archive/table-list.js';
import type { Disk } from '../base/disk.js';
import type { ManifestTable } from '../format/manifest.js';
import { csvCellOf } from './cells.js';
import { withTextOut } from './data-output.js';
import { Entries, type ExportWork, operatorOf, sharedNames } from './export-source.js';
import { columnsOf, isText, partOf } from './table-columns.js';

/** Resolves to how many entries were written. @throws ARCHIVE_CORRUPT, FILE_EXISTS and the disk's errors */
export async function exportLines(disk: Disk, output: ArchiveOutput, work: ExportWork): Promise<number> {
  const entries = new Entries(work);
  const shared = sharedNames(work.source.tables);
  await withTextOut(disk, output, async (out) => {
    for (const table of work.tables) {
      const kind = shared.has(tableLabel(table)) ? { kind: table.kind } : {};
      for await (const view of entries.views(table))
        await out.add(`${JSON.stringify({ ...view, ...kind })}\n`);
    }
  });
  return entries.written;
}

/** One table, with a line of column names. Resolves and rejects as `exportLines`. */
export async function exportCsv(
  disk: Disk,
  output: ArchiveOutput,
  table: ManifestTable,
  work: ExportWork,
): Promise<number> {
  const entries = new Entries(work);
  const columns = columnsOf(table, operatorOf(work, table), await entries.shownOf(table));
  await withTextOut(disk, output, async (out) => {
    await out.add(`${columns.map(({ name }) => name).join(',')}\n`);
    for await (const view of entries.views(table)) {
      const cells = columns.map((column) => {
        const json = partOf(view, column);
        // A value may be null; elsewhere null is that there is none.
        return json === null && column.part !== 'value' ? '' : csvCellOf(json, isText(column));
      });
      await out.add(`${cells.map(quoted).join(',')}\n`);
    }
  });
  return entries.written;
}

/** RFC 4180; a row of one empty cell is told from an empty line. */
function quoted(cell: string, _place: number, all: readonly string[]): string {
  const bare = !/[",\r\n]/.test(cell) && (cell !== '' || all.length > 1);
  return bare ? cell : `"${cell.replaceAll('"', '""')}"`;
}

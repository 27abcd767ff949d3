/** `tidemark list [--all]` */
import { EXIT } from '../../base/errors.js';
import { jobRow } from '../../job/status.js';
import type { Context, Given } from '../context.js';
import { printable } from '../printer.js';
import { withCatalog } from '../session.js';
import { table } from '../table.js';
import { ago, checkpointText, stateText } from '../text.js';

const COLUMNS = [
  { title: 'NAME' },
  { title: 'ID' },
  { title: 'STATE' },
  { title: 'PARALLELISM', right: true },
  { title: 'RESTARTS', right: true },
  { title: 'STARTED' },
  { title: 'LAST CHECKPOINT' },
];

export function run(given: Given, context: Context): Promise<number> {
  const all = given.flag('all');
  return withCatalog(context, false, async (catalog) => {
    const { printer, clock } = context;
    const rows = catalog.jobs({ all }).map((job) => jobRow(job, catalog.latestCheckpoint(job.id)));
    if (printer.json) {
      await printer.document(rows);
      return EXIT.done;
    }
    if (rows.length === 0) {
      printer.note(
        `no ${all ? '' : 'live or resumable '}job in ${catalog.home.root}${all ? '' : '; --all shows the others'}`,
      );
      return EXIT.done;
    }
    const paint = await printer.paint();
    const now = clock.now();
    const cells = rows.map((row) => [
      printable(row.name),
      row.id,
      stateText(row.state, paint),
      String(row.parallelism),
      String(row.restarts),
      ago(row.startedAt, now),
      checkpointText(row.lastCheckpoint, now),
    ]);
    await printer.data(table(COLUMNS, cells));
    return EXIT.done;
  });
}

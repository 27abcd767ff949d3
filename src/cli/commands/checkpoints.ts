/** `tidemark checkpoints <job>` */
import { formatDuration } from '../../base/duration.js';
import { EXIT } from '../../base/errors.js';
import { formatBytes } from '../../base/size.js';
import { type CheckpointRow, checkpointRow } from '../../job/status.js';
import type { Context, Given } from '../context.js';
import { printable } from '../printer.js';
import { withCatalog } from '../session.js';
import { table } from '../table.js';
import { ago } from '../text.js';

const COLUMNS = [
  { title: 'ID', right: true },
  { title: 'STATE' },
  { title: 'KIND' },
  { title: 'MODE' },
  { title: 'TRIGGERED' },
  { title: 'TOOK', right: true },
  { title: 'LONGEST STOP', right: true },
  { title: 'OWN', right: true },
  { title: 'SHARED', right: true },
  { title: 'TOTAL', right: true },
  { title: 'KEPT FOR' },
];

export function run(given: Given, context: Context): Promise<number> {
  return withCatalog(context, false, async (catalog) => {
    const { printer, clock } = context;
    const job = catalog.job(given.operands[0] ?? '');
    const rows = catalog.checkpoints(job.id).map(checkpointRow);
    if (printer.json) {
      await printer.document(rows);
      return EXIT.done;
    }
    if (rows.length === 0) printer.note(`${job.name} has no checkpoint`);
    else
      await printer.data(
        table(
          COLUMNS,
          rows.map((row) => cells(row, clock.now())),
        ),
      );
    return EXIT.done;
  });
}

function cells(row: CheckpointRow, now: number): readonly string[] {
  const { own, shared, total } = row.bytes;
  return [
    String(row.id),
    row.state,
    row.kind,
    row.mode,
    ago(row.triggeredAt, now),
    row.durationMs === null ? '-' : formatDuration(row.durationMs),
    row.longestSliceMs === null ? '-' : `${row.longestSliceMs.toFixed(1)}ms`,
    formatBytes(own),
    formatBytes(shared),
    formatBytes(total),
    row.error === null ? row.retainedBy.join(', ') : printable(row.error.message.split('\n', 1)[0] ?? ''),
  ];
}

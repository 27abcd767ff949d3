/** `tidemark checkpoint <job> [--full]` */
import { formatDuration } from '../../base/duration.js';
import { EXIT, TidemarkError } from '../../base/errors.js';
import { formatBytes } from '../../base/size.js';
import type { Catalog } from '../../catalog/catalog.js';
import { checkpointRow } from '../../job/status.js';
import type { Context, Given } from '../context.js';
import { withCatalog } from '../session.js';
import { ask, deadlineOf } from '../steer.js';

export function run(given: Given, context: Context): Promise<number> {
  const deadline = deadlineOf(given, context);
  return withCatalog(context, false, async (catalog) => {
    const { printer } = context;
    const job = catalog.job(given.operands[0] ?? '');
    const answer = await ask(context, catalog, job, deadline, {
      path: '/v1/checkpoint',
      body: { full: given.flag('full') },
      doing: `taking a checkpoint of ${job.name}`,
    });
    const row = takenCheckpoint(catalog, job.id, answer);
    if (printer.json) await printer.document(row);
    else {
      const took = formatDuration(row.durationMs ?? 0);
      printer.note(`${job.name}: checkpoint ${row.id}, ${formatBytes(row.bytes.total)} in ${took}`);
    }
    return EXIT.done;
  });
}

function takenCheckpoint(catalog: Catalog, job: string, answer: unknown) {
  if (typeof answer === 'object' && answer !== null && 'id' in answer && typeof answer.id === 'number') {
    return checkpointRow(catalog.checkpoint(job, answer.id));
  }
  throw new TidemarkError('NO_ANSWER', "the job's answer names no checkpoint", {
    hint: `tidemark checkpoints ${job}`,
  });
}

/** `tidemark checkpoint <job> [--full] [--with-savepoint FILE]` */
import { formatDuration } from '../../base/duration.js';
import { EXIT, TidemarkError } from '../../base/errors.js';
import { formatBytes } from '../../base/size.js';
import type { Catalog } from '../../catalog/catalog.js';
import { type CheckpointRow, checkpointRow } from '../../job/status.js';
import type { Context, Given } from '../context.js';
import { signingKey } from '../keys.js';
import { withCatalog } from '../session.js';
import { ask, deadlineOf } from '../steer.js';
import { destinationOf, savepointIn } from '../take-savepoint.js';
import { savedText } from '../text.js';

export function run(given: Given, context: Context): Promise<number> {
  const deadline = deadlineOf(given, context);
  return withCatalog(context, false, async (catalog) => {
    const { printer } = context;
    const job = catalog.job(given.operands[0] ?? '');
    const answer = await ask(context, catalog, job, deadline, {
      path: '/v1/checkpoint',
      body: { full: given.flag('full'), ...savepointWish(given, context) },
      doing: `taking a checkpoint of ${job.name}`,
    });
    const row = takenCheckpoint(catalog, job.id, answer);
    const savepoint = savepointIn(answer);
    if (printer.json) await printer.document(savepoint === undefined ? row : { ...row, savepoint });
    else {
      const took = formatDuration(row.durationMs ?? 0);
      printer.note(`${job.name}: checkpoint ${row.id}, ${sizeText(row.bytes)} in ${took}`);
      if (savepoint !== undefined) {
        printer.note(savedText(job.name, savepoint, false));
        await printer.data(`${savepoint.path}\n`);
      }
    }
    return EXIT.done;
  });
}

/** What it wrote, and what it shares with the one before. */
function sizeText({ own, shared, total }: CheckpointRow['bytes']): string {
  return shared === 0 ? formatBytes(total) : `${formatBytes(total)}, ${formatBytes(own)} of it new,`;
}

function savepointWish(given: Given, context: Context): Readonly<Record<string, unknown>> {
  const file = given.text('with-savepoint');
  const reason = given.text('reason');
  const sign = signingKey(given, context)?.path;
  if (file === undefined) {
    if (reason === undefined && sign === undefined && !given.flag('force')) return {};
    throw usage('--force, --sign and --reason are about the savepoint, and none is asked for');
  }
  if (file === '-') throw usage('--with-savepoint takes the name of a file');
  const { output } = destinationOf(file, context, '');
  return {
    withSavepoint: output,
    force: given.flag('force'),
    ...(reason === undefined ? {} : { reason }),
    ...(sign === undefined ? {} : { sign }),
  };
}

function usage(message: string): TidemarkError {
  return new TidemarkError('USAGE', message, {
    hint: 'as in: tidemark checkpoint <job> --with-savepoint noon.savepoint.tar',
  });
}

function takenCheckpoint(catalog: Catalog, job: string, answer: unknown): CheckpointRow {
  if (typeof answer === 'object' && answer !== null && 'id' in answer && typeof answer.id === 'number') {
    return checkpointRow(catalog.checkpoint(job, answer.id));
  }
  throw new TidemarkError('NO_ANSWER', "the job's answer names no checkpoint", {
    hint: `tidemark checkpoints ${job}`,
  });
}

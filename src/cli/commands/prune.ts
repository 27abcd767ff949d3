/** `tidemark prune [job[@CHECKPOINT]...] [--keep-last N] [--older-than DURATION] [--dry-run]` */
import { parseDuration } from '../../base/duration.js';
import { EXIT, TidemarkError } from '../../base/errors.js';
import { realDisk } from '../../base/real-disk.js';
import type { Catalog } from '../../catalog/catalog.js';
import { expected, prune } from '../../checkpoint/prune.js';
import { type PruneWish, planPrune } from '../../checkpoint/prune-plan.js';
import { surveyHome } from '../../checkpoint/survey.js';
import type { Context, Given } from '../context.js';
import { planTables, pruneDocument, prunedText } from '../prune-view.js';
import { withCatalog } from '../session.js';
import { checkpointOperand } from '../snapshot-operand.js';

export function run(given: Given, context: Context): Promise<number> {
  const { printer, clock } = context;
  const dryRun = given.flag('dry-run');
  return withCatalog(context, false, async (catalog) => {
    const wish = wishOf(given, catalog);
    const plan = planPrune(await surveyHome(realDisk, catalog, clock.now()), wish, clock.now());
    const refusal = plan.checkpoints.find((one) => one.refusal !== undefined)?.refusal;
    // A dry run ends as the real one would be refused, after it has shown why.
    if (refusal !== undefined && !dryRun) throw refusal;
    const result = dryRun ? expected(plan) : await prune(realDisk, catalog, plan, wish, clock);
    for (const name of result.busy) printer.warn(`${name} began to run; its checkpoints were left alone`);
    if (printer.json) await printer.document(pruneDocument(plan, result, dryRun));
    else {
      if (dryRun) await printer.data(planTables(plan, clock.now()));
      printer.note(prunedText(plan, result, dryRun));
    }
    if (refusal !== undefined) throw refusal;
    return EXIT.done;
  });
}

/** @throws USAGE, JOB_NOT_FOUND, CHECKPOINT_NOT_FOUND */
function wishOf(given: Given, catalog: Catalog): PruneWish {
  const keepLast = keepLastOf(given.text('keep-last'));
  const age = given.text('older-than');
  const olderThan = age === undefined ? undefined : parseDuration(age, '--older-than');
  const named = given.operands.map((text) => {
    const { job: reference, checkpoint } = checkpointOperand(text);
    const job = catalog.job(reference).id;
    if (checkpoint === undefined) return { job, checkpoint };
    if (keepLast !== undefined || olderThan !== undefined) {
      throw new TidemarkError(
        'USAGE',
        `${text} names one checkpoint: a policy chooses among those of a job`,
        {
          hint: `tidemark prune ${text}, or tidemark prune ${reference} --keep-last 1`,
        },
      );
    }
    const { state } = catalog.checkpoint(job, checkpoint);
    if (state === 'completed') return { job, checkpoint };
    throw new TidemarkError('CHECKPOINT_NOT_FOUND', `checkpoint ${text} is ${state}: it holds nothing`, {
      hint: `tidemark checkpoints ${reference}`,
    });
  });
  return { named, keepLast, olderThan };
}

function keepLastOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new TidemarkError(
    'USAGE',
    `--keep-last: expected a whole number from 0, found ${JSON.stringify(text)}`,
    {
      hint: 'as in --keep-last 3',
    },
  );
}

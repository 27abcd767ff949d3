/** `tidemark pin [job[@CHECKPOINT]] [--remove] [--reason TEXT]` */
import { EXIT, TidemarkError } from '../../base/errors.js';
import type { Catalog } from '../../catalog/catalog.js';
import type { JobRecord, PinRecord } from '../../catalog/records.js';
import type { Context, Given } from '../context.js';
import { printable } from '../printer.js';
import { withCatalog } from '../session.js';
import { checkpointOperand } from '../snapshot-operand.js';
import { table } from '../table.js';

const COLUMNS = [{ title: 'CHECKPOINT' }, { title: 'BY' }, { title: 'REASON' }, { title: 'UNTIL' }];
const NO_REASON = 'no reason given';
/** Characters that the catalog keeps. */
const MAX_REASON = 200;

export function run(given: Given, context: Context): Promise<number> {
  const [operand] = given.operands;
  const remove = given.flag('remove');
  const reason = given.text('reason');
  if (operand === undefined && (remove || reason !== undefined)) throw usage('a checkpoint is missing');
  if (remove && reason !== undefined) throw usage('--remove and --reason exclude each other');
  if (reason !== undefined && (reason === '' || reason.length > MAX_REASON))
    throw usage(`--reason: expected 1 to ${MAX_REASON} characters, found ${reason.length}`);
  return withCatalog(context, false, async (catalog) => {
    if (operand === undefined) return list(catalog, context);
    const { job: reference, checkpoint } = checkpointOperand(operand);
    const job = catalog.job(reference);
    if (!remove) return pin(catalog, job, checkpoint, reason ?? NO_REASON, context);
    if (checkpoint === undefined)
      throw usage(`which checkpoint of ${job.name}? tidemark pin lists the pinned ones`);
    return unpin(catalog, job, checkpoint, context);
  });
}

async function list(catalog: Catalog, { printer }: Context): Promise<number> {
  const names = new Map(catalog.jobs({ all: true }).map(({ id, name }) => [id, name]));
  const pins = catalog.pins();
  if (printer.json) await printer.document(pins.map((one) => pinRow(one, names.get(one.job) ?? one.job)));
  else if (pins.length === 0) printer.note('no checkpoint is pinned');
  else
    await printer.data(
      table(
        COLUMNS,
        pins.map((one) => cells(one, names.get(one.job) ?? one.job)),
      ),
    );
  return EXIT.done;
}

function pinRow({ job, checkpoint, who, why, until }: PinRecord, name: string): unknown {
  const ends = until === undefined ? null : new Date(until).toISOString();
  return { job: { id: job, name }, checkpointId: checkpoint, by: who, reason: why, until: ends };
}

function cells({ job, checkpoint, who, why, until }: PinRecord, name: string): readonly string[] {
  const ends = until === undefined ? 'removed' : new Date(until).toISOString();
  return [`${name}@${checkpoint} (${job})`, who, printable(why), ends];
}

async function pin(
  catalog: Catalog,
  job: JobRecord,
  wanted: number | undefined,
  reason: string,
  { printer }: Context,
): Promise<number> {
  const checkpoint = catalog.pinForUser(job.id, wanted, reason);
  if (printer.json) await printer.document(outcome(job, checkpoint, true));
  else printer.note(`${job.name}@${checkpoint} stays until: tidemark pin ${job.name}@${checkpoint} --remove`);
  return EXIT.done;
}

async function unpin(
  catalog: Catalog,
  job: JobRecord,
  checkpoint: number,
  { printer }: Context,
): Promise<number> {
  catalog.checkpoint(job.id, checkpoint);
  const was = catalog.unpinForUser(job.id, checkpoint);
  if (printer.json) await printer.document(outcome(job, checkpoint, false));
  else printer.note(`${job.name}@${checkpoint} ${was ? 'is no longer pinned' : 'was not pinned'} by you`);
  const others = printer.json ? [] : catalog.pins(job.id).filter((one) => one.checkpoint === checkpoint);
  for (const { who, until } of others) {
    const ends = until === undefined ? '' : `, until ${new Date(until).toISOString()} at the latest`;
    printer.note(`it is pinned by ${who}, which may read it${ends}`);
  }
  return EXIT.done;
}

function outcome({ id, name }: JobRecord, checkpointId: number, pinned: boolean): unknown {
  return { job: { id, name }, checkpointId, pinned };
}

function usage(message: string): TidemarkError {
  return new TidemarkError('USAGE', message, { hint: 'tidemark pin <job>@<checkpoint> [--remove]' });
}

/** `tidemark externalize <job[@CHECKPOINT]> [-o FILE|-] [--dry-run]` */
import { parseDuration } from '../../base/duration.js';
import { EXIT, TidemarkError } from '../../base/errors.js';
import { realDisk } from '../../base/real-disk.js';
import { formatBytes } from '../../base/size.js';
import type { Catalog } from '../../catalog/catalog.js';
import type { JobRecord } from '../../catalog/records.js';
import type { ArchiveProgress } from '../../job/archive-task.js';
import { type Destination, type Externalized, externalize } from '../../job/externalize.js';
import { type ExternalizePlan, planExternalize } from '../../job/externalize-plan.js';
import type { Context, Given } from '../context.js';
import { EXIT_NO_READER } from '../exit.js';
import { interruptible } from '../interruptible.js';
import { signingKey } from '../keys.js';
import { printable } from '../printer.js';
import { progressText } from '../saving-text.js';
import { withCatalog } from '../session.js';
import { snapshotOperand } from '../snapshot-operand.js';
import { table } from '../table.js';
import { destinationOf } from '../take-savepoint.js';
import { counted } from '../text.js';

/** Milliseconds that a live job has to commit its checkpoint; it does so by itself, or fails its attempt. */
const PATIENCE = 600_000;

const COLUMNS = [{ title: 'SEGMENT' }, { title: 'SIZE', right: true }, { title: 'ALSO PART OF' }];

export function run(given: Given, context: Context): Promise<number> {
  return withCatalog(context, false, async (catalog) => {
    const { job, checkpoint } = operandOf(given, context, catalog);
    if (given.flag('dry-run')) {
      await show(await planExternalize(realDisk, catalog, job, checkpoint), catalog, context);
      return EXIT.done;
    }
    const packed = await pack(given, context, catalog, job, checkpoint);
    if (packed.interrupted) return packed.exitCode;
    await tell(job, packed.value, given.text('output') === '-', context);
    return EXIT.done;
  });
}

function operandOf(
  given: Given,
  { cwd }: Context,
  catalog: Catalog,
): { readonly job: JobRecord; readonly checkpoint: number | undefined } {
  const operand = snapshotOperand(given.operands[0] ?? '', cwd);
  if (operand.kind === 'job') return { job: catalog.job(operand.job), checkpoint: operand.checkpoint };
  throw new TidemarkError('USAGE', `${operand.path} is a file: it is external already`, {
    hint: 'name a job, or one of its checkpoints as job@12',
  });
}

async function pack(
  given: Given,
  context: Context,
  catalog: Catalog,
  job: JobRecord,
  checkpoint: number | undefined,
) {
  const { printer, clock } = context;
  const timeout = given.text('timeout');
  const doing = `externalizing ${job.name}`;
  const destination = whereTo(given, context, catalog.home.job(job.id).folder);
  const wheel = await printer.spinner(doing);
  const common = {
    catalog,
    disk: realDisk,
    clock,
    job,
    checkpoint,
    destination,
    reason: given.text('reason'),
    sign: signingKey(given, context)?.sign,
    patience: timeout === undefined ? PATIENCE : parseDuration(timeout, '--timeout'),
    onProgress: (progress: ArchiveProgress) => wheel.say(`${doing}: ${progressText(progress)}`),
  };
  const exitCode = process.exitCode;
  // What goes to stdout ends with its reader, as in main.ts.
  if ('stream' in destination) process.exitCode = EXIT_NO_READER;
  try {
    return await interruptible(context, (signal) => externalize({ ...common, signal }));
  } finally {
    process.exitCode = exitCode;
    wheel.stop();
  }
}

function whereTo(given: Given, context: Context, folder: string): Destination {
  const { output, piped } = destinationOf(given.text('output'), context, folder, 'checkpoint');
  if (!piped) return { output, force: given.flag('force') };
  return { output, stream: (bytes) => context.printer.data(bytes) };
}

/** The document, or the path for `$(…)`; on stderr where the archive itself is on stdout. */
async function tell(
  job: JobRecord,
  packed: Externalized,
  piped: boolean,
  { printer }: Context,
): Promise<void> {
  const { checkpointId, bytes, digest, path } = packed;
  const shown = piped ? { ...packed, path: '-' } : packed;
  if (printer.json && piped) printer.note(JSON.stringify(shown));
  else if (printer.json) await printer.document(shown);
  else {
    const what = `checkpoint ${checkpointId}, ${formatBytes(bytes)}, digest ${digest.slice(0, 12)}`;
    printer.note(`${job.name}: externalized ${what}`);
    if (!piped) await printer.data(`${path}\n`);
  }
}

async function show(plan: ExternalizePlan, catalog: Catalog, { printer }: Context): Promise<void> {
  if (printer.json) return await printer.document(plan);
  const { job, checkpointId, mode, backend, bytes, segments, committed } = plan;
  const names = new Map(catalog.jobs({ all: true }).map(({ id, name }) => [id, name]));
  const rows = segments.map(({ name, bytes: size, sharedWith }) => [
    name,
    formatBytes(size),
    printable(sharedWith.map((one) => `${names.get(one.job) ?? one.job}@${one.checkpoint}`).join(', ')),
  ]);
  const total = `${counted(segments.length, 'segment')}, ${formatBytes(bytes.total)}`;
  const shared =
    bytes.shared === 0 ? '' : `, ${formatBytes(bytes.shared)} of it shared with other checkpoints`;
  const first = committed ? '' : '; its sinks have not committed it: that is finished first';
  await printer.data(
    `${table(COLUMNS, rows)}\n${printable(job.name)}@${checkpointId}, ${mode}, ${backend} backend: ${total}${shared}${first}\n`,
  );
}

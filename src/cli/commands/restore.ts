/** `tidemark restore <snapshot> [--definition FILE] [--convert] [--dry-run]` */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { EXIT, TidemarkError } from '../../base/errors.js';
import { type HomePaths, homePaths } from '../../base/home.js';
import type { Catalog } from '../../catalog/catalog.js';
import { findHome, isHome } from '../../catalog/home.js';
import type { JobRecord } from '../../catalog/records.js';
import type { ArchiveProgress } from '../../job/archive-task.js';
import { type PlannedRestore, planRestore, type RestoreOptions, restoreJob } from '../../job/restore.js';
import { jobOutcome } from '../../job/status.js';
import { runInBackground } from '../background.js';
import type { Context, Given } from '../context.js';
import { errorDocument } from '../exit.js';
import { runForeground } from '../foreground.js';
import { interruptible, type Outcome } from '../interruptible.js';
import { restoreFlags } from '../restore-flags.js';
import { restoreLines, restoreView } from '../restore-view.js';
import { progressText } from '../saving-text.js';
import { withCatalog } from '../session.js';
import { archiveOperand } from '../snapshot-operand.js';
import { count } from '../text.js';

export async function run(given: Given, context: Context): Promise<number> {
  const options = optionsOf(given, context);
  if (given.flag('dry-run')) return dryRun(options, context);
  refuseAbsent(options);
  return withCatalog(context, true, async (catalog) => {
    const plan = await planned(catalog.home, options, context);
    const created = plan.convert
      ? await convertFirst(catalog, plan, context)
      : ({ interrupted: false, value: restoreJob(catalog, plan) } as const);
    if (created.interrupted) return created.exitCode;
    const job = created.value;
    for (const line of restoreLines(plan)) context.printer.note(line);
    if (!given.flag('detach')) return runForeground(context, catalog, job);
    const started = await runInBackground(context, catalog, job);
    if (context.printer.json) await context.printer.document(jobOutcome(started));
    return EXIT.done;
  });
}

function optionsOf(given: Given, context: Context): RestoreOptions {
  const definition = given.text('definition');
  const hint = (job: string) =>
    `first: tidemark savepoint ${job} -o FILE.tar, or tidemark externalize ${job} -o FILE.tar; then: tidemark restore FILE.tar`;
  return {
    ...restoreFlags(given, context),
    archive: archiveOperand(given.operands[0] ?? '', context.cwd, hint),
    ...(definition === undefined ? {} : { definition }),
  };
}

/** Prints the plan; ends with the exit code that the real run would be refused with. Needs and makes no home. */
async function dryRun(options: RestoreOptions, context: Context): Promise<number> {
  const { printer, home: flag, environment, cwd } = context;
  const home = findHome({ flag, env: environment['TIDEMARK_HOME'], cwd });
  const looked = await interruptible(context, (signal) =>
    options.definition === undefined
      ? planned(home, { ...options, signal }, context)
      : planAside({ ...options, signal, remembers: home }, context),
  );
  if (looked.interrupted) return looked.exitCode;
  const plan = looked.value;
  const { settings, lineage: _lineage, refusal, ...shown } = plan;
  if (printer.json) {
    const refused = refusal === undefined ? null : errorDocument(refusal);
    await printer.document({ ...shown, settings, refusal: refused });
  } else {
    await printer.data(restoreView(plan, await printer.paint()));
  }
  if (refusal !== undefined) throw refusal;
  await warnOfName(home, plan, context);
  return EXIT.done;
}

/** With a definition at hand, the plan keeps its code in a folder that is gone after. */
async function planAside(options: RestoreOptions, context: Context): Promise<PlannedRestore> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-plan-'));
  try {
    return await planned(homePaths(folder), options, context);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function planned(
  home: HomePaths,
  options: RestoreOptions,
  { printer }: Context,
): Promise<PlannedRestore> {
  const wheel = await printer.spinner(`looking at ${options.archive}`);
  try {
    const onProgress = (entries: number, of: number) =>
      wheel.say(`looking at ${options.archive}: ${count(entries)} of ${count(of)} entries`);
    return await planRestore(home, { ...options, onProgress });
  } finally {
    wheel.stop();
  }
}

/** Creates the job from a converted copy. */
async function convertFirst(
  catalog: Catalog,
  plan: PlannedRestore,
  context: Context,
): Promise<Outcome<JobRecord>> {
  // A wrong plan needs no conversion to be refused.
  if (plan.refusal !== undefined) throw plan.refusal;
  const { restoreConverted } = await import('../../job/own-origin.js');
  const doing = `converting ${plan.snapshot.path}`;
  const wheel = await context.printer.spinner(doing);
  const onProgress = (progress: ArchiveProgress) => wheel.say(`${doing}: ${progressText(progress)}`);
  try {
    return await interruptible(context, (signal) => restoreConverted(catalog, plan, { signal, onProgress }));
  } finally {
    wheel.stop();
  }
}

/** Whoever tries out an upgrade mostly does so while the old job runs: that is worth a word, not a refusal. */
async function warnOfName(home: HomePaths, { name }: PlannedRestore, context: Context): Promise<void> {
  if (!isHome(home.root)) return;
  await withCatalog(context, false, async (catalog) => {
    const over = new Set(['finished', 'canceled', 'failed']);
    const holder = catalog.jobs({ all: false }).find((job) => job.name === name && !over.has(job.state));
    if (holder === undefined) return;
    context.printer.warn(
      `${name} (${holder.id}) is ${holder.state}; to restore beside it, give another --name`,
    );
  });
}

/** Before a home is made for it. */
function refuseAbsent({ archive, definition, cwd }: RestoreOptions): void {
  if (!existsSync(archive)) {
    throw new TidemarkError('FILE_NOT_FOUND', `${archive}: there is no such file`, {
      hint: 'list what was taken: tidemark snapshots',
    });
  }
  if (definition === undefined || existsSync(resolve(cwd, definition))) return;
  throw new TidemarkError('FILE_NOT_FOUND', `no file ${definition} in ${cwd}`, {
    hint: 'give the path of a definition: --definition jobs/word-count.ts',
  });
}

/** `tidemark resume <job> | --all` */
import { EXIT, TidemarkError, toTidemarkError } from '../../base/errors.js';
import type { Catalog } from '../../catalog/catalog.js';
import { isLive, isOver } from '../../catalog/job-state.js';
import type { JobRecord } from '../../catalog/records.js';
import { checkStartable, replaceDefinition } from '../../job/prepare.js';
import { jobOutcome } from '../../job/status.js';
import { runInBackground } from '../background.js';
import type { Context, Given } from '../context.js';
import { runForeground } from '../foreground.js';
import { withCatalog } from '../session.js';
import { jobEnded } from '../steer.js';

export function run(given: Given, context: Context): Promise<number> {
  const [reference] = given.operands;
  const definition = given.text('definition');
  const foreground = given.flag('foreground');
  if (given.flag('all')) {
    if (reference !== undefined || definition !== undefined || foreground) {
      throw usage('--all goes with neither a job nor --definition nor --foreground');
    }
    return withCatalog(context, false, (catalog) => resumeAll(context, catalog));
  }
  if (reference === undefined) throw usage('a job is missing');
  return withCatalog(context, false, async (catalog) => {
    const found = catalog.job(reference);
    refuseUnlessResumable(found);
    const { cwd, environment, printer } = context;
    if (definition === undefined) await checkStartable(catalog.home, found, environment);
    const job =
      definition === undefined
        ? found
        : await replaceDefinition(catalog.home, catalog, found, definition, { cwd, environment });
    if (foreground) return runForeground(context, catalog, job);
    const resumed = await runInBackground(context, catalog, job);
    if (printer.json) await printer.document(jobOutcome(resumed));
    return EXIT.done;
  });
}

/** Resumes what was suspended or lost; a failed job is left to whoever mends it. Goes on after one that fails. */
async function resumeAll(context: Context, catalog: Catalog): Promise<number> {
  const { printer } = context;
  const jobs = catalog
    .jobs({ all: false })
    .filter((job) => job.state === 'suspended' || job.state === 'lost');
  const resumed: JobRecord[] = [];
  let firstError: TidemarkError | undefined;
  for (const job of jobs.reverse()) {
    try {
      await checkStartable(catalog.home, job, context.environment);
      resumed.push(await runInBackground(context, catalog, job));
    } catch (error) {
      const coded = toTidemarkError(error);
      if (firstError === undefined) firstError = coded;
      else printer.warn(coded.message);
    }
  }
  if (jobs.length === 0) printer.note('no job is suspended or lost');
  if (printer.json) await printer.document(resumed.map(jobOutcome));
  if (firstError !== undefined) throw firstError;
  return EXIT.done;
}

function refuseUnlessResumable(job: JobRecord): void {
  if (isOver(job.state)) throw jobEnded(job);
  if (!isLive(job.state)) return;
  throw new TidemarkError(
    'JOB_RUNNING',
    `${job.name} (${job.id}) runs already, as process ${job.pid ?? '?'}`,
    {
      hint: `tidemark status ${job.name}`,
    },
  );
}

function usage(message: string): TidemarkError {
  return new TidemarkError('USAGE', message, { hint: 'tidemark resume <job>, or tidemark resume --all' });
}

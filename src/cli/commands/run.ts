/** `tidemark run <definition>` */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { EXIT, TidemarkError } from '../../base/errors.js';
import type { Catalog } from '../../catalog/catalog.js';
import { isLive, isOver } from '../../catalog/job-state.js';
import type { JobRecord } from '../../catalog/records.js';
import { describeDefinition } from '../../job/describe-definition.js';
import { checkStartable, prepareJob, type StartOptions } from '../../job/prepare.js';
import { jobOutcome } from '../../job/status.js';
import { runInBackground } from '../background.js';
import type { Context, Given } from '../context.js';
import { runForeground } from '../foreground.js';
import { withCatalog } from '../session.js';
import { paramFlags, settingsFlags } from '../start-options.js';

export async function run(given: Given, context: Context): Promise<number> {
  const options = startOptions(given, context);
  if (!existsSync(resolve(context.cwd, options.definition))) {
    // Before a home is made for it.
    throw new TidemarkError('FILE_NOT_FOUND', `no file ${options.definition} in ${context.cwd}`, {
      hint: 'give the path of a definition: tidemark run jobs/word-count.ts',
    });
  }
  return withCatalog(context, true, async (catalog) => {
    const existing = given.flag('resume') ? await resumable(catalog, options, context) : undefined;
    if (existing !== undefined) await checkStartable(catalog.home, existing, context.environment);
    const job = existing ?? (await prepareJob(catalog.home, catalog, options));
    if (!given.flag('detach')) return runForeground(context, catalog, job);
    const started = await runInBackground(context, catalog, job);
    if (context.printer.json) await context.printer.document(jobOutcome(started));
    return EXIT.done;
  });
}

function startOptions(given: Given, { cwd, environment }: Context): StartOptions {
  const name = given.text('name');
  return {
    definition: given.operands[0] ?? '',
    ...(name === undefined ? {} : { name }),
    params: paramFlags(given),
    flags: settingsFlags(given),
    cwd,
    environment,
  };
}

/** The job of this name to go on with; undefined when there is none, or the last one is over. */
async function resumable(
  catalog: Catalog,
  options: StartOptions,
  { cwd, printer }: Context,
): Promise<JobRecord | undefined> {
  const name =
    options.name ?? (await describeDefinition(resolve(cwd, options.definition), { graph: false })).name;
  if (!catalog.jobs({ all: true }).some((job) => job.name === name)) return undefined;
  const job = catalog.job(name);
  if (isOver(job.state)) return undefined;
  if (isLive(job.state)) {
    throw new TidemarkError('JOB_RUNNING', `${name} (${job.id}) runs already, as process ${job.pid ?? '?'}`, {
      hint: `tidemark status ${name}, or tidemark suspend ${name}`,
    });
  }
  const changed = Object.keys(options.params).filter((key) => options.params[key] !== job.params[key]);
  if (changed.length > 0) {
    printer.warn(
      `--param ${changed.join(', ')}: ${name} goes on with the parameters it was first started with`,
    );
  }
  return job;
}

/** Runs a job in this process until it ends. */
import { EXIT, TidemarkError } from '../base/errors.js';
import type { Catalog } from '../catalog/catalog.js';
import type { JobRecord } from '../catalog/records.js';
import { Runner } from '../job/runner.js';
import { jobRow } from '../job/status.js';
import type { Context } from './context.js';
import { goOnHint } from './end-job.js';
import { EXIT_NO_READER } from './exit.js';
import { JobView } from './job-view.js';
import type { Printer } from './printer.js';
import { onSignal } from './signals.js';

/** Starts the job, shows it, suspends it on a signal, and tells how it ended. Gives the exit code. */
export async function runForeground(context: Context, catalog: Catalog, job: JobRecord): Promise<number> {
  const { printer, clock, environment } = context;
  const view = new JobView(job, printer, () => clock.now());
  let runner: Runner | undefined;
  const signals = onSignal(
    () => clock.monotonic(),
    (signal) => {
      view.phase('suspending');
      printer.note(`${signal}: suspending ${job.name}; once more ends it at once`);
      runner?.suspend('signal');
    },
  );
  // Until it ends otherwise: what a job cannot write it must not count as written. It is `lost`, and can be resumed.
  process.exitCode = EXIT_NO_READER;
  try {
    runner = await Runner.start({
      home: catalog.home,
      catalog,
      job: job.id,
      environment,
      stdin: () => process.stdin,
      stdout: (text) => printer.data(text),
      onEvent: view.event,
    });
    const started = runner;
    printer.note(`${job.name} (${job.id}) in ${catalog.home.root}`);
    if (signals.exitCode !== undefined) started.suspend('signal');
    view.start(() => started.metrics());
    const ended = await started.ended;
    view.stop();
    if (printer.json) await printer.document(jobRow(ended, catalog.latestCheckpoint(job.id)));
    return conclude(ended, view, printer, signals.exitCode);
  } finally {
    view.stop();
    signals.release();
  }
}

function conclude(job: JobRecord, view: JobView, printer: Printer, signaled: number | undefined): number {
  if (job.state === 'failed') throw endedByError(job);
  const goOn = job.state === 'suspended' ? `; go on with: tidemark resume ${job.name}` : '';
  printer.note(`${job.name} is ${job.state}: ${view.summary()}${goOn}`);
  return job.state === 'suspended' ? (signaled ?? EXIT.done) : EXIT.done;
}

/** The error that ended the job, with its own code and so its own exit code. */
export function endedByError(job: JobRecord): TidemarkError {
  const error = job.error ?? { code: 'JOB_FAILED' as const, message: 'for a reason that is not recorded' };
  return TidemarkError.fromRecord({
    ...error,
    message: `${job.name} (${job.id}) failed: ${error.message}`,
    hint: error.hint ?? goOnHint(job),
  });
}

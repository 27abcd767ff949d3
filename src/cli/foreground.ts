/** Runs a job in this process until it ends. */
import { fstatSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { EXIT, TidemarkError } from '../base/errors.js';
import type { Catalog } from '../catalog/catalog.js';
import type { JobRecord } from '../catalog/records.js';
import { Runner } from '../job/runner.js';
import { jobRow } from '../job/status.js';
import type { Context } from './context.js';
import { goOnHint } from './end-job.js';
import { EXIT_NO_READER } from './exit.js';
import { JobView } from './job-view.js';
import { onSignal } from './signals.js';

/** Starts the job, shows it, suspends it on a signal, and tells how it ended. Gives the exit code. */
export async function runForeground(context: Context, catalog: Catalog, job: JobRecord): Promise<number> {
  const { printer, clock, environment } = context;
  const view = new JobView(job, printer, () => clock.now());
  let runner: Runner | undefined;
  let reads = false;
  const stdin = () => {
    reads = true;
    return standardInput();
  };
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
      stdin,
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
    // In the background there is no standard input to go on with.
    const resume = `tidemark resume ${job.name}${reads ? ' --foreground' : ''}`;
    const goOn = ended.state === 'suspended' ? `; go on with: ${resume}` : '';
    if (ended.state === 'failed') throw endedByError(ended);
    printer.note(`${job.name} is ${ended.state}: ${view.summary()}${goOn}`);
    return ended.state === 'suspended' ? (signals.exitCode ?? EXIT.done) : EXIT.done;
  } finally {
    view.stop();
    signals.release();
  }
}

/** Node takes a directory for an input that is empty. @throws SOURCE_FAILED */
function standardInput(): Readable {
  const { stdin } = process;
  if (fstatSync(0).isDirectory())
    throw new TidemarkError('SOURCE_FAILED', 'standard input is a directory', {
      hint: 'give the command a file or a pipe: < FILE',
    });
  return stdin;
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

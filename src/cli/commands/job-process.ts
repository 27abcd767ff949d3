/** `tidemark __job <id>`: the process of a detached job; see detach.ts for who listens to it. */
import { EXIT, toTidemarkError } from '../../base/errors.js';
import type { Catalog } from '../../catalog/catalog.js';
import type { DetachedMessage } from '../../job/detach.js';
import type { RunnerEvent } from '../../job/events.js';
import { Runner } from '../../job/runner.js';
import type { Context, Given } from '../context.js';
import { endedByError } from '../foreground.js';
import { withCatalog } from '../session.js';
import { onSignal } from '../signals.js';

export function run(given: Given, context: Context): Promise<number> {
  return withCatalog(context, false, async (catalog) => {
    try {
      return await runJob(given, context, catalog);
    } catch (error) {
      await tell({ type: 'refused', error: toTidemarkError(error).toRecord() });
      throw error;
    }
  });
}

async function runJob(
  given: Given,
  { printer, environment, clock }: Context,
  catalog: Catalog,
): Promise<number> {
  let runner: Runner | undefined;
  const signals = onSignal(
    () => clock.monotonic(),
    () => runner?.suspend('signal'),
  );
  runner = await Runner.start({
    home: catalog.home,
    catalog,
    job: given.operands[0] ?? '',
    environment,
    trial: given.flag('trial'),
    stdout: (text) => printer.data(text),
    onEvent: tellFirstNews(),
  });
  if (signals.exitCode !== undefined) runner.suspend('signal');
  const ended = await runner.ended;
  signals.release();
  await tell({ type: 'ended' });
  if (ended.state === 'failed') return endedByError(ended).exitCode;
  return ended.state === 'suspended' ? (signals.exitCode ?? EXIT.done) : EXIT.done;
}

/** Tells what happens until the job runs; after that nobody listens. */
function tellFirstNews(): (event: RunnerEvent) => void {
  let told = false;
  return (event) => {
    if (told) return;
    if (event.type === 'running') {
      told = true;
      void tell({ type: 'running' });
    } else if (event.type === 'failure') {
      void tell({ type: 'failure', error: event.error });
    }
  };
}

/** Resolves once it is said, also when nobody listens. */
function tell(message: DetachedMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, () => resolve());
  });
}

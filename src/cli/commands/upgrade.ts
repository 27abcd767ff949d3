/** `tidemark upgrade <job> --definition FILE | --recover` */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseDuration } from '../../base/duration.js';
import { EXIT, TidemarkError } from '../../base/errors.js';
import type { Catalog } from '../../catalog/catalog.js';
import { isLive } from '../../catalog/job-state.js';
import type { JobRecord } from '../../catalog/records.js';
import { refuseBadOutput } from '../../job/check-output.js';
import { CHECK_ALL, RESTORE_CHECK } from '../../job/check-values.js';
import { Upgrade, type Upgraded, type UpgradeOptions, type UpgradeParts } from '../../job/upgrade.js';
import { recoverUpgrade } from '../../job/upgrade-recovery.js';
import type { Context, Given } from '../context.js';
import { goOnHint } from '../end-job.js';
import { withCatalog } from '../session.js';
import { onSignal } from '../signals.js';
import { paramFlags, settingsFlags } from '../start-options.js';
import { notLive } from '../steer.js';
import { destinationOf } from '../take-savepoint.js';
import { UpgradeView } from '../upgrade-view.js';

/** For the new version's first checkpoint. */
const TIMEOUT_MS = 120_000;

export function run(given: Given, context: Context): Promise<number> {
  refuseWrongUse(given, context);
  return withCatalog(context, false, async (catalog) => {
    const job = catalog.job(given.operands[0] ?? '');
    const view = new UpgradeView(context.printer, job.name);
    try {
      const parts = partsOf(given, context, catalog, view);
      const upgrade = given.flag('recover')
        ? await recoverUpgrade(parts, job)
        : await begun(given, context, parts, job);
      return await carryOut(upgrade, context, view);
    } finally {
      view.stop();
    }
  });
}

function refuseWrongUse(given: Given, { cwd }: Context): void {
  const definition = given.text('definition');
  const recover = given.flag('recover');
  if (recover === (definition !== undefined)) {
    throw new TidemarkError('USAGE', 'expected either --definition or --recover', {
      hint: 'tidemark upgrade <job> --definition new.ts',
    });
  }
  if (definition === undefined || existsSync(resolve(cwd, definition))) return;
  throw new TidemarkError('FILE_NOT_FOUND', `no file ${definition} in ${cwd}`, {
    hint: 'give the path of the new version: --definition jobs/word-count.ts',
  });
}

function partsOf(given: Given, context: Context, catalog: Catalog, view: UpgradeView): UpgradeParts {
  const timeout = given.text('timeout');
  return {
    catalog,
    clock: context.clock,
    environment: context.environment,
    timeoutMs: timeout === undefined ? TIMEOUT_MS : parseDuration(timeout, '--timeout'),
    onEvent: (event) => view.event(event),
  };
}

async function begun(given: Given, context: Context, parts: UpgradeParts, job: JobRecord): Promise<Upgrade> {
  if (!isLive(job.state)) throw notToUpgrade(job);
  const options = optionsOf(given, context, parts.catalog.home.job(job.id).folder);
  await refuseBadOutput(options);
  return new Upgrade(parts, { old: job }, options);
}

function optionsOf(given: Given, context: Context, folder: string): UpgradeOptions {
  const { cwd, environment } = context;
  const output = given.text('output');
  if (output === '-') {
    throw new TidemarkError('USAGE', 'the savepoint of an upgrade is needed as a file', {
      hint: 'give -o FILE.tar',
    });
  }
  const { sinks: _sinks, ...flags } = settingsFlags(given);
  return {
    definition: given.text('definition') ?? '',
    output: destinationOf(output, context, folder).output,
    force: given.flag('force'),
    reason: given.text('reason'),
    params: paramFlags(given),
    flags,
    allowNonRestored: given.flag('allow-non-restored-state'),
    drop: given.list('drop'),
    strict: given.flag('strict'),
    check: given.flag('all') ? CHECK_ALL : RESTORE_CHECK,
    cwd,
    environment,
  };
}

/** The first signal takes it back; once the old version is stopped, that takes its time. */
async function carryOut(upgrade: Upgrade, context: Context, view: UpgradeView): Promise<number> {
  const { printer, clock } = context;
  const signals = onSignal(
    () => clock.monotonic(),
    (signal) => {
      printer.note(`${signal}: the old version is to run; once more ends this at once, whatever runs then`);
      upgrade.giveUp();
    },
  );
  let done: Upgraded;
  try {
    done = await upgrade.run();
  } finally {
    signals.release();
  }
  view.stop();
  const { report, error } = done;
  if (printer.json) await printer.document(report);
  else view.tell(report);
  // Nothing was changed: that is how any command ends that a signal has stopped.
  if (report.outcome === 'refused' && signals.exitCode !== undefined) return signals.exitCode;
  if (error !== undefined) throw error;
  return EXIT.done;
}

/** A job that does not run has nothing to be stopped: it can just go on with other code. */
function notToUpgrade(job: JobRecord): TidemarkError {
  const { name, state } = job;
  const refused = notLive(job);
  if (state === 'suspended' || state === 'lost' || state === 'failed') {
    return new TidemarkError('JOB_NOT_RUNNING', refused.message, {
      hint:
        state === 'failed'
          ? goOnHint(job)
          : `tidemark resume ${name} --definition FILE goes on with other code`,
    });
  }
  return new TidemarkError(refused.code, refused.message, {
    hint: `after an upgrade that was killed: tidemark upgrade ${name} --recover`,
  });
}

/** `tidemark check <definition> --against <archive|job> [--all] [--strict] [--trial N]` */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openArchive } from '../../archive/read.js';
import { requireSignature, type TrustedKey } from '../../archive/sign.js';
import { EXIT, TidemarkError } from '../../base/errors.js';
import { type HomePaths, homePaths } from '../../base/home.js';
import { realDisk } from '../../base/real-disk.js';
import { findHome, isHome } from '../../catalog/home.js';
import { CHECK_ALL, CHECK_SAMPLE, type CheckDepth } from '../../job/check-values.js';
import { type Checked, rememberPassed } from '../../job/checks-passed.js';
import { checkpointSnapshot, type PlannedSnapshot, snapshotOf } from '../../job/planned-snapshot.js';
import { type PlannedRestore, planSnapshot } from '../../job/restore.js';
import type { TrialReport } from '../../job/trial.js';
import { checkView } from '../check-view.js';
import type { Context, Given } from '../context.js';
import { errorDocument } from '../exit.js';
import { interruptible } from '../interruptible.js';
import { restoreFlags } from '../restore-flags.js';
import { withCatalog } from '../session.js';
import { snapshotOperand } from '../snapshot-operand.js';
import { limitOf } from '../state-name.js';
import { count } from '../text.js';

/** What was checked, and with what outcome. */
interface CheckResult {
  readonly plan: PlannedRestore;
  readonly trial: TrialReport | undefined;
}

export async function run(given: Given, context: Context): Promise<number> {
  const operand = againstOf(given, context);
  const elements = limitOf(given.text('trial'), '--trial');
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-check-'));
  try {
    const checked = await interruptible(context, (signal) =>
      check(given, context, homePaths(folder), { operand, elements, signal }),
    );
    if (checked.interrupted) return checked.exitCode;
    return await tell(checked.value, given, context);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Asked {
  readonly operand: ReturnType<typeof snapshotOperand>;
  /** Of a trial, for each split. */
  readonly elements: number | undefined;
  readonly signal: AbortSignal;
}

function againstOf(given: Given, { cwd }: Context): Asked['operand'] {
  const against = given.text('against');
  if (against !== undefined) return snapshotOperand(against, cwd);
  throw new TidemarkError('USAGE', 'check needs --against: an archive, or a job', {
    hint: `tidemark check ${given.operands[0] ?? '<definition>'} --against FILE.tar`,
  });
}

/** `scratch` takes the code that is looked at; it is gone after. */
async function check(
  given: Given,
  context: Context,
  scratch: HomePaths,
  { operand, elements, signal }: Asked,
): Promise<CheckResult> {
  const depth = given.flag('all') ? CHECK_ALL : CHECK_SAMPLE;
  const label = operand.kind === 'file' ? operand.path : operand.job;
  const wheel = await context.printer.spinner(`looking at ${label}`);
  const options = {
    ...restoreFlags(given, context),
    archive: label,
    definition: given.operands[0] ?? '',
    check: depth,
    aheadIsTold: true,
    signal,
    onProgress: (entries: number, of: number) =>
      wheel.say(`looking at ${label}: ${count(entries)} of ${count(of)} entries`),
  };
  try {
    return await withSnapshot(
      operand,
      { depth, signal, signedBy: options.signedBy ?? [] },
      context,
      async (snapshot) => {
        const plan = await planSnapshot(scratch, options, snapshot, depth);
        if (elements === undefined || plan.refusal !== undefined) return { plan, trial: undefined };
        wheel.say(`trying it out: ${count(elements)} elements a split`);
        // Loaded only where a job is run.
        const { runTrial } = await import('../../job/trial.js');
        return { plan, trial: await runTrial(scratch, plan, snapshot, { elements, signal }) };
      },
    );
  } finally {
    wheel.stop();
  }
}

interface HowToOpen {
  readonly depth: CheckDepth;
  readonly signal: AbortSignal;
  /** Of archives. */
  readonly signedBy: readonly TrustedKey[];
}

async function withSnapshot<T>(
  operand: Asked['operand'],
  { depth, signal, signedBy }: HowToOpen,
  context: Context,
  use: (snapshot: PlannedSnapshot) => Promise<T>,
): Promise<T> {
  if (operand.kind === 'job')
    return withCatalog(context, false, async (catalog) => {
      const snapshot = await checkpointSnapshot(catalog, operand.job, operand.checkpoint);
      try {
        return await use(snapshot);
      } finally {
        snapshot.close();
      }
    });
  const archive = await openArchive(realDisk, operand.path);
  try {
    requireSignature(archive, signedBy);
    if (depth.members) await archive.checkMembers(() => signal.throwIfAborted());
    return await use({ label: operand.path, ...snapshotOf(archive) });
  } finally {
    await archive.close();
  }
}

async function tell({ plan, trial }: CheckResult, given: Given, context: Context): Promise<number> {
  const { printer } = context;
  const { settings, lineage: _lineage, refusal, cwd: _cwd, ...shown } = plan;
  const failed = trial?.errors[0];
  const ok = refusal === undefined && failed === undefined;
  if (printer.json) {
    const refused = refusal === undefined ? null : errorDocument(refusal);
    await printer.document({ ok, ...shown, settings, trial: trial ?? null, refusal: refused });
  } else {
    await printer.data(checkView(plan, trial, await printer.paint()));
  }
  if (ok && given.flag('all')) remember(plan, given.list('drop'), context);
  warnOfTargets(plan, context);
  if (ok) return EXIT.done;
  await printer.error(
    refusal ?? TidemarkError.fromRecord(failed ?? { code: 'INTERNAL', message: 'no reason' }),
  );
  // Whatever would refuse the restore, the answer to the question that was asked is no.
  return EXIT.incompatible;
}

/** While the old job runs, its targets run ahead of every archive of it. */
function warnOfTargets({ snapshot, sinks }: PlannedRestore, { printer }: Context): void {
  const ahead = sinks.filter((sink) => sink.mode === 'live' && sink.ahead > 0).map(({ uid }) => uid);
  if (ahead.length === 0) return;
  const stop = `stop ${snapshot.job.name} and restore what that saves, or give restore --sinks rewind or mute`;
  printer.warn(`the target of ${ahead.join(', ')} is ahead of ${snapshot.path} by now: ${stop}`);
}

/** A restore into this home need not look again. A check makes no home. */
function remember(
  { snapshot, bundle, params }: PlannedRestore,
  drop: readonly string[],
  { home, environment, cwd }: Context,
): void {
  const found = findHome({ flag: home, env: environment['TIDEMARK_HOME'], cwd });
  const checked: Checked = { digest: snapshot.digest, bundle, params, drop };
  if (isHome(found.root)) rememberPassed(found, checked);
}

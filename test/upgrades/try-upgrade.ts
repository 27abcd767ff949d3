/** What `check` says of an upgrade, and what `restore` then does: both in this process, as the commands do it. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { UpgradeCase } from '../../fixtures/upgrades/upgrade-case.js';
import { CODES, type ErrorCode, EXIT, TidemarkError } from '../../src/base/errors.js';
import { CHECK_ALL, CHECK_SAMPLE } from '../../src/job/check-values.js';
import { restoreConverted } from '../../src/job/own-origin.js';
import { type PlannedRestore, planRestore, type RestoreOptions, restoreJob } from '../../src/job/restore.js';
import type { StatePlan } from '../../src/restore/plan-states.js';
import { committedLines } from '../crash/harness.js';
import { Place } from './running-jobs.js';

/** What a person is told of an upgrade. */
export interface Said {
  /** A line for each state, as in the cases. */
  readonly plan: readonly string[];
  readonly code: ErrorCode | undefined;
  readonly exit: number;
  /** All messages, advice, hints. */
  readonly text: string;
  /** Undefined where there is none: the archive or the definition is refused as such. */
  readonly planned: PlannedRestore | undefined;
}

export interface Done extends Said {
  /** What the new job wrote; undefined where there is none. */
  readonly prints: readonly unknown[] | undefined;
  /** How it failed, when it did. */
  readonly failed: string | undefined;
}

export interface Upgrade {
  readonly one: UpgradeCase;
  readonly archive: string;
  /** Over those of the archive. */
  readonly params: Readonly<Record<string, string>>;
  /** Lines that the old job has written, where it writes files. */
  readonly written: readonly string[];
}

export async function check(place: Place, upgrade: Upgrade): Promise<Said> {
  const depth = upgrade.one.options?.all === true ? CHECK_ALL : CHECK_SAMPLE;
  return plan(place, upgrade, { check: depth, aheadIsTold: true });
}

/**
 * Restores, if that is not refused, and lets the new job come to its end. It plans anew what has no plan, as `restore`
 * does: that is most of what it costs.
 */
export async function restore(place: Place, upgrade: Upgrade, ready?: PlannedRestore): Promise<Done> {
  const said = ready === undefined ? await plan(place, upgrade, {}) : saidOf(ready);
  const { planned } = said;
  const refused = { ...said, prints: undefined, failed: undefined };
  if (planned === undefined) return refused;
  const { catalog } = place;
  const output = upgrade.params['output'];
  try {
    const job = planned.convert
      ? await restoreConverted(catalog, planned, {
          signal: new AbortController().signal,
          onProgress: () => undefined,
        })
      : restoreJob(catalog, planned);
    const { job: ended, printed } = await place.run(job);
    const written = output === undefined ? [] : committedLines(join(place.folder, output));
    const lines = [...printed, ...written.filter((line) => !upgrade.written.includes(line))];
    const failed = ended.error?.code;
    return { ...said, prints: lines.map((line) => JSON.parse(line)), failed };
  } catch (error) {
    if (error !== planned.refusal) throw error;
    return refused;
  }
}

/** Jobs, and whatever else a restore leaves: what is refused must leave nothing. */
export function traces({ catalog, folder }: Place): readonly string[] {
  const jobs = catalog.jobs({ all: true }).map(({ id }) => id);
  return [...jobs, ...readdirSync(folder)].sort();
}

type How = Pick<RestoreOptions, 'check' | 'aheadIsTold'>;

async function plan(place: Place, upgrade: Upgrade, how: How): Promise<Said> {
  try {
    return saidOf(await planRestore(place.home, optionsOf(place, upgrade, how)));
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    const { code } = error;
    return { plan: [], code, exit: CODES[code], text: textOf(error).join('\n'), planned: undefined };
  }
}

function saidOf(planned: PlannedRestore): Said {
  const { states, refusal } = planned;
  const told = states.flatMap(({ message, advice, unproven }) => [message, advice, unproven]);
  const text = [...told.filter((line) => line !== null), ...aheadOf(planned), ...textOf(refusal)].join('\n');
  return { plan: states.map(planLine), code: refusal?.code, exit: exitOf(refusal), text, planned };
}

function optionsOf(place: Place, { one, archive, params }: Upgrade, how: How): RestoreOptions {
  const { options = {}, old, to } = one;
  const { parallelism, maxParallelism, backend, drop = [], strict = false } = options;
  return {
    archive,
    definition: Place.definition(old.file),
    name: one.name,
    params: { ...params, ...options.params, version: to },
    flags: {
      ...(parallelism === undefined ? {} : { parallelism: String(parallelism) }),
      ...(maxParallelism === undefined ? {} : { maxParallelism: String(maxParallelism) }),
      ...(backend === undefined ? {} : { backend }),
    },
    sinks: options.sinks,
    allowNonRestored: options.allowNonRestored ?? false,
    afterDrain: options.afterDrain ?? false,
    convert: options.convert ?? false,
    drop,
    strict,
    ...how,
    cwd: place.folder,
    environment: {},
  };
}

/** What becomes of a state, as in the cases. */
export function planLine({ action, name, to, versions, codecs }: StatePlan): string {
  const moved = to !== null && to !== name ? [`→ ${to}`] : [];
  const raised = versions === null ? [] : [`v${versions.from}→v${versions.to}`];
  const recoded = codecs === null ? [] : [`${codecs.from}→${codecs.to}`];
  return [action, name, ...moved, ...raised, ...recoded].join(' ');
}

/** What `check` warns of. */
function aheadOf({ sinks }: PlannedRestore): readonly string[] {
  return sinks.filter(({ ahead }) => ahead > 0).map(({ uid }) => `the target of ${uid} is ahead`);
}

/** Of `check`: whatever would refuse the restore, the answer to what was asked is no. */
function exitOf(refusal: TidemarkError | undefined): number {
  return refusal === undefined ? EXIT.done : EXIT.incompatible;
}

export function textOf(error: TidemarkError | undefined): readonly string[] {
  return error === undefined ? [] : [error.message, error.details.hint ?? ''];
}

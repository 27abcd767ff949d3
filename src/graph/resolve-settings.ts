/** From what a definition declares and what flags say to the settings a job runs with. Pure. */
import { parseDuration } from '../base/duration.js';
import { TidemarkError } from '../base/errors.js';
import { defaultMaxParallelism, MAX_PARALLELISM } from '../base/key-groups.js';
import { parseSize } from '../base/size.js';
import { show } from './names.js';
import { parseRestart } from './restart.js';
import {
  type CheckpointSettings,
  DEFAULT_CACHE,
  DEFAULT_CHECKPOINT,
  DEFAULT_RESTART,
  DEFAULT_STEP_TIMEOUT,
  type JobSettings,
  MAX_DURATION,
  type SettingsDeclaration,
} from './settings.js';

/** The settings of the command line, as typed (text) or already as numbers. */
export interface SettingsFlags {
  readonly parallelism?: string | number;
  readonly maxParallelism?: string | number;
  readonly backend?: string;
  /** Bytes of state that the disk backend keeps in memory: `128m`, `1g`. */
  readonly cache?: string | number;
  readonly checkpointInterval?: string | number;
  readonly checkpointMode?: string;
  readonly retain?: string | number;
  readonly onCancel?: string;
  readonly onFailure?: string;
  readonly restart?: string;
  readonly stepTimeout?: string | number;
  /** Old-space limit of the data thread: `512m`, `2g`. */
  readonly heap?: string | number;
  readonly sinks?: string;
}

/** The most completed checkpoints a job may keep. */
export const MAX_RETAIN = 1_000;
/** The most consecutive checkpoint failures a job may tolerate. */
export const MAX_TOLERATED = 1_000_000;
const MEBIBYTE = 1024 * 1024;
const MIN_CACHE = 4 * MEBIBYTE;
const MAX_CACHE = MEBIBYTE * MEBIBYTE;
const MIN_HEAP = 16;
const MAX_HEAP = 1024 * 1024;

/**
 * Flag over definition over default.
 * @throws TidemarkError USAGE for the first wrong value, naming where it stands.
 */
export function resolveSettings(declared: SettingsDeclaration, flags: SettingsFlags): JobSettings {
  const degree: Limits = { least: 1, most: MAX_PARALLELISM };
  const parallelism = whole(
    given(flags.parallelism, '--parallelism', declared.parallelism, 'parallelism'),
    1,
    degree,
  );
  const maxParallelism = whole(
    given(flags.maxParallelism, '--max-parallelism', declared.maxParallelism, 'maxParallelism'),
    defaultMaxParallelism(parallelism),
    degree,
  );
  if (parallelism > maxParallelism) {
    throw new TidemarkError(
      'USAGE',
      `parallelism ${parallelism} is over the maximum parallelism of ${maxParallelism}`,
      { hint: `give --parallelism ${maxParallelism} or less, or raise --max-parallelism` },
    );
  }
  const restart = given(flags.restart, '--restart', declared.restart, 'restart');
  const backend = oneOf(given<string>(flags.backend, '--backend', declared.backend, 'backend'), 'memory', [
    'memory',
    'disk',
  ]);
  const stepTimeout = given(flags.stepTimeout, '--step-timeout', declared.stepTimeout, 'stepTimeout');
  return {
    parallelism,
    maxParallelism,
    backend,
    cache: cache(given(flags.cache, '--cache', declared.cache, 'cache')),
    checkpoint: resolveCheckpoint(declared.checkpoint ?? {}, flags, backend),
    restart: restart === undefined ? DEFAULT_RESTART : parseRestart(restart.value, restart.where),
    stepTimeout: duration(stepTimeout, DEFAULT_STEP_TIMEOUT, 1),
    heap: flags.heap === undefined ? undefined : heap(flags.heap),
    sinks: oneOf(fromFlag(flags.sinks, '--sinks'), 'live', ['live', 'mute']),
  };
}

type CheckpointDeclaration = NonNullable<SettingsDeclaration['checkpoint']>;
const CHECKPOINT_NAMES = [
  'interval',
  'minPause',
  'timeout',
  'tolerated',
  'retain',
  'mode',
  'onCancel',
  'onFailure',
];

function resolveCheckpoint(
  declared: CheckpointDeclaration,
  flags: SettingsFlags,
  backend: JobSettings['backend'],
): CheckpointSettings {
  const unknown = Object.keys(declared).find((name) => !CHECKPOINT_NAMES.includes(name));
  if (unknown !== undefined) {
    throw new TidemarkError('USAGE', `the definition's checkpoint has no setting ${show(unknown)}`, {
      hint: `use one of: ${CHECKPOINT_NAMES.join(', ')}`,
    });
  }
  const base = DEFAULT_CHECKPOINT;
  const interval = given(
    flags.checkpointInterval,
    '--checkpoint-interval',
    declared.interval,
    'checkpoint.interval',
  );
  const tolerated = fromDefinition(declared.tolerated, 'checkpoint.tolerated');
  const retain = given(flags.retain, '--retain', declared.retain, 'checkpoint.retain');
  const onCancel = given<string>(flags.onCancel, '--on-cancel', declared.onCancel, 'checkpoint.onCancel');
  const onFailure = given<string>(
    flags.onFailure,
    '--on-failure',
    declared.onFailure,
    'checkpoint.onFailure',
  );
  const mode = given<string>(flags.checkpointMode, '--checkpoint-mode', declared.mode, 'checkpoint.mode');
  return {
    interval: duration(interval, base.interval, 0),
    minPause: duration(fromDefinition(declared.minPause, 'checkpoint.minPause'), base.minPause, 0),
    timeout: duration(fromDefinition(declared.timeout, 'checkpoint.timeout'), base.timeout, 1),
    tolerated: whole(tolerated, base.tolerated, { least: 0, most: MAX_TOLERATED }),
    retain: whole(retain, base.retain, { least: 1, most: MAX_RETAIN }),
    mode: oneOf(mode, backend === 'disk' ? 'incremental' : base.mode, ['full', 'incremental']),
    onCancel: oneOf(onCancel, base.onCancel, ['delete', 'retain']),
    onFailure: oneOf(onFailure, base.onFailure, ['delete', 'retain']),
  };
}

/** A value and where it was given, for messages. */
interface Given<V> {
  readonly value: V;
  readonly where: string;
}

function given<V>(
  flag: V | undefined,
  flagName: string,
  declared: V | undefined,
  setting: string,
): Given<V> | undefined {
  return fromFlag(flag, flagName) ?? fromDefinition(declared, setting);
}

function fromFlag<V>(value: V | undefined, where: string): Given<V> | undefined {
  return value === undefined ? undefined : { value, where };
}

function fromDefinition<V>(value: V | undefined, setting: string): Given<V> | undefined {
  return value === undefined ? undefined : { value, where: `the definition's ${setting}` };
}

interface Limits {
  readonly least: number;
  readonly most: number;
}

function whole(from: Given<string | number> | undefined, fallback: number, { least, most }: Limits): number {
  if (from === undefined) return fallback;
  const { value, where } = from;
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isSafeInteger(number) && number >= least && number <= most)
    return number;
  throw new TidemarkError(
    'USAGE',
    `${where}: expected a whole number from ${least} to ${most}, found ${show(value)}`,
    { hint: `give a whole number, as in ${example(where, Math.max(least, 1))}` },
  );
}

function duration(from: Given<string | number> | undefined, fallback: number, least: number): number {
  if (from === undefined) return fallback;
  const ms = parseDuration(from.value, from.where);
  if (ms >= least && ms <= MAX_DURATION) return ms;
  throw new TidemarkError(
    'USAGE',
    `${from.where}: expected ${least} ms to 24 days, found ${show(from.value)}`,
    { hint: `write it as '250ms', '10s' or '1h', as in ${example(from.where, '10s')}` },
  );
}

function oneOf<const C extends string>(
  from: Given<string> | undefined,
  fallback: NoInfer<C>,
  choices: readonly C[],
): C {
  if (from === undefined) return fallback;
  const choice = choices.find((candidate) => candidate === from.value);
  if (choice !== undefined) return choice;
  throw new TidemarkError(
    'USAGE',
    `${from.where}: expected ${choices.join(' or ')}, found ${show(from.value)}`,
    { hint: `give ${choices.map((each) => example(from.where, each)).join(' or ')}` },
  );
}

function cache(from: Given<string | number> | undefined): number {
  if (from === undefined) return DEFAULT_CACHE;
  const bytes = parseSize(from.value, from.where);
  if (bytes >= MIN_CACHE && bytes <= MAX_CACHE) return bytes;
  throw new TidemarkError('USAGE', `${from.where}: expected 4 MiB to 1 TiB, found ${show(from.value)}`, {
    hint: `give it with its unit, as in ${example(from.where, '128m')}`,
  });
}

function heap(flag: string | number): number {
  const mebibytes = Math.floor(parseSize(flag, '--heap') / MEBIBYTE);
  if (mebibytes >= MIN_HEAP && mebibytes <= MAX_HEAP) return mebibytes;
  throw new TidemarkError('USAGE', `--heap: expected ${MIN_HEAP} MiB to 1 TiB, found ${show(flag)}`, {
    hint: 'give it with its unit, as in --heap 512m or --heap 2g',
  });
}

/** How to type a value where `where` says it belongs. */
function example(where: string, value: string | number): string {
  return where.startsWith('--') ? `${where} ${value}` : String(value);
}

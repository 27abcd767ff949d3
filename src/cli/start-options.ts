/** The options of every command that starts a job, and what they mean. */
import { TidemarkError } from '../base/errors.js';
import type { SettingsFlags } from '../graph/resolve-settings.js';
import { type OptionSpec, optionNames } from './command-spec.js';
import type { Given } from './context.js';

export const START_OPTIONS: readonly OptionSpec[] = [
  { flags: '--name <name>', text: "the job's name (default: the definition's)" },
  { flags: '--param <name=value>', text: 'a parameter of the definition; as often as needed', repeats: true },
  { flags: '-p, --parallelism <n>', text: 'subtasks per operator (default: 1)' },
  {
    flags: '--max-parallelism <n>',
    text: 'key groups: the most it can ever be rescaled to (default: 128 and up)',
  },
  {
    flags: '--backend <backend>',
    text: 'where state lives while the job runs; disk: it may be larger than memory (default: memory)',
    choices: ['memory', 'disk'],
  },
  {
    flags: '--cache <size>',
    text: 'state that the disk backend keeps in memory, as 512m or 2g (default: 128m)',
  },
  {
    flags: '--checkpoint-interval <duration>',
    text: 'time between checkpoints; 0: none by themselves (default: 10s)',
  },
  {
    flags: '--checkpoint-mode <mode>',
    text: 'what a checkpoint writes: all state, or what has changed (default: full; on disk incremental)',
    choices: ['full', 'incremental'],
  },
  { flags: '--retain <n>', text: 'completed checkpoints to keep (default: 1)' },
  {
    flags: '--on-cancel <policy>',
    text: 'what becomes of the checkpoints of a canceled job (default: delete)',
    choices: ['delete', 'retain'],
  },
  {
    flags: '--on-failure <policy>',
    text: 'what becomes of the checkpoints of a failed job (default: retain)',
    choices: ['retain', 'delete'],
  },
  {
    flags: '--restart <strategy>',
    text: 'none, fixed-delay:1s:3, exponential-delay:1s:1m:10 (default) or failure-rate:3:1m:1s',
  },
  { flags: '--step-timeout <duration>', text: 'the longest that user code may take at a time (default: 1m)' },
  { flags: '--heap <size>', text: "most memory for the job's objects, as 512m or 2g (default: Node's own)" },
  {
    flags: '--sinks <mode>',
    text: 'mute: nothing leaves the job; for trying one out (default: live)',
    choices: ['live', 'mute'],
  },
];

/** Of `restore`: what is not given comes from the snapshot, and sinks may be set back to it. */
export const RESTORE_OPTIONS: readonly OptionSpec[] = START_OPTIONS.map((option) => {
  switch (optionNames(option).at(-1)) {
    case '--name':
      return { ...option, text: "the job's name (default: that of the job it was taken of)" };
    case '--param':
      return { ...option, text: 'a parameter, over those of the snapshot; as often as needed' };
    case '--parallelism':
      return { ...option, text: "subtasks per operator (default: the snapshot's)" };
    case '--max-parallelism':
      return { ...option, text: 'only what the snapshot says; its state is cut into so many key groups' };
    case '--backend':
      return { ...option, text: "where state lives while the job runs (default: a native archive's own)" };
    case '--checkpoint-mode':
      return { ...option, text: "what a checkpoint writes (default: a native archive's own)" };
    case '--sinks':
      return {
        ...option,
        text: 'mute: nothing leaves the job; rewind: what targets hold beyond the snapshot is set aside (default: live)',
        choices: ['live', 'mute', 'rewind'],
      };
    default:
      return option;
  }
});

const SETTINGS: readonly (readonly [keyof SettingsFlags, option: string])[] = [
  ['parallelism', 'parallelism'],
  ['maxParallelism', 'max-parallelism'],
  ['backend', 'backend'],
  ['cache', 'cache'],
  ['checkpointInterval', 'checkpoint-interval'],
  ['checkpointMode', 'checkpoint-mode'],
  ['retain', 'retain'],
  ['onCancel', 'on-cancel'],
  ['onFailure', 'on-failure'],
  ['restart', 'restart'],
  ['stepTimeout', 'step-timeout'],
  ['heap', 'heap'],
  ['sinks', 'sinks'],
];

/** The settings that were typed; their values are read where they meet the definition's. */
export function settingsFlags(given: Given): SettingsFlags {
  return Object.fromEntries(
    SETTINGS.flatMap(([setting, option]) => {
      const text = given.text(option);
      return text === undefined ? [] : [[setting, text]];
    }),
  );
}

/** `--param name=value` pairs; the last one of a name counts. */
export function paramFlags(given: Given): Readonly<Record<string, string>> {
  const params = new Map<string, string>();
  for (const pair of given.list('param')) {
    const at = pair.indexOf('=');
    if (at <= 0) {
      throw new TidemarkError('USAGE', `--param: expected NAME=VALUE, found ${JSON.stringify(pair)}`, {
        hint: 'write it as --param input=data.txt',
      });
    }
    params.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return Object.fromEntries(params);
}

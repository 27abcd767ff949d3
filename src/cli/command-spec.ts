/** How a command is described: for the parser, its help and completion alike, without loading the command. */
import type { CommandModule } from './context.js';

export interface OptionSpec {
  /** As commander reads them: `-p, --parallelism <n>`. */
  readonly flags: string;
  readonly text: string;
  /** The only values it takes. */
  readonly choices?: readonly string[];
  /** May be given more than once; its value is a list. */
  readonly repeats?: boolean;
  /** What completion offers for its value; nothing when absent. */
  readonly completes?: Completes;
}

/** `snapshot`: a job or a file. */
export type Completes = 'file' | 'folder' | 'job' | 'snapshot' | 'command';

export interface OperandSpec {
  /** As commander reads it: `<job>`, `[topic]`. */
  readonly name: string;
  readonly text: string;
  readonly completes?: Completes;
  readonly choices?: readonly string[];
}

export interface CommandSpec {
  readonly name: string;
  readonly group: string;
  readonly summary: string;
  /** More than one line of help, where the summary is not enough. */
  readonly detail?: string;
  readonly operands: readonly OperandSpec[];
  readonly options: readonly OptionSpec[];
  readonly examples: readonly string[];
  /** Left out of help and completion. */
  readonly hidden?: boolean;
  /** Takes whatever follows, unread. */
  readonly raw?: boolean;
  load(): Promise<CommandModule>;
}

/** `--checkpoint-interval` of `--checkpoint-interval <duration>`, and `-p` where there is one. */
export function optionNames(option: OptionSpec): readonly string[] {
  return option.flags.match(/(?<=^|[ ,])--?[a-z][a-z-]*/g) ?? [];
}

/** Whether the option is followed by a value. */
export function takesValue(option: OptionSpec): boolean {
  return /[<[]/.test(option.flags);
}

/** Options that every command has, before or after its name. */
export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '--home <dir>',
    text: 'where jobs and their state are kept (default: $TIDEMARK_HOME, else the nearest .tidemark)',
    completes: 'folder',
  },
  { flags: '--json', text: 'print data as JSON, and errors as a last line of JSON on stderr' },
  { flags: '--quiet', text: 'print data and errors only' },
  { flags: '--no-color', text: 'no colours, also on a terminal (as NO_COLOR does)' },
];

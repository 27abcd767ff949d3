/** What `tidemark --help` prints. Made here and not by commander, which takes longer to load than all of this. */
import { COMMANDS } from './command-list.js';
import { type CommandSpec, GLOBAL_OPTIONS } from './command-spec.js';

const WIDTH = 24;

const EPILOGUE = `Exit codes: 0 done, 1 a bug, 2 wrong usage, 3 the job failed, 4 not found, 5 conflict, 6 incompatible,
7 corrupt, 8 no answer, 9 they differ, 10 the environment, 11 upgrade rolled back, 130/143/129 suspended by a signal.
More: tidemark help exit-codes

Examples:
  $ tidemark run word-count.ts --param input=book.txt --param output=counts
  $ tidemark status word-count --watch
  $ tidemark suspend word-count && tidemark resume word-count
  $ tidemark stop word-count -o word-count.tar && tidemark restore word-count.tar --parallelism 4
`;

export function overview(): string {
  const shown = COMMANDS.filter((spec) => spec.hidden !== true);
  const groups = [...new Set(shown.map((spec) => spec.group))];
  const options = [
    ...GLOBAL_OPTIONS.map((option) => entry(option.flags, option.text)),
    entry('-h, --help', 'explain tidemark, or the command before it'),
    entry('-V, --version', 'print the version'),
  ];
  return [
    'Usage: tidemark <command> [options]\n',
    'Runs stateful stream jobs, written in TypeScript, and looks after their state.\n',
    ...groups.map((group) =>
      section(
        group,
        shown.filter((spec) => spec.group === group).map((spec) => entry(usageOf(spec), spec.summary)),
      ),
    ),
    section('Options, before or after the command:', options),
    EPILOGUE,
  ].join('\n');
}

function usageOf(spec: CommandSpec): string {
  return [spec.name, ...spec.operands.map((operand) => operand.name)].join(' ');
}

function section(title: string, lines: readonly string[]): string {
  return [title, ...lines, ''].join('\n');
}

function entry(name: string, text: string): string {
  return `  ${name.padEnd(WIDTH)}  ${text}`;
}

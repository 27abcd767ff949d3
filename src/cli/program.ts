/** The commander program, built from the list of commands. Parsing finds out what to run; nothing is run here. */
import { Command, Option } from 'commander';
import { COMMANDS } from './command-list.js';
import { type CommandSpec, GLOBAL_OPTIONS, type OptionSpec } from './command-spec.js';
import { Given } from './context.js';
import { overview } from './overview.js';

const MAX_HELP_WIDTH = 110;

export interface Invocation {
  readonly spec: CommandSpec;
  readonly given: Given;
}

/**
 * Reads a command line. Gives what to run, or undefined when help or the version was asked for; `out` has it then.
 * Throws commander's error for wrong usage.
 */
export function parse(
  args: readonly string[],
  version: string,
  out: (text: string) => void,
): Invocation | undefined {
  const found: { invocation?: Invocation } = {};
  const program = buildProgram(version, out, (invocation) => {
    found.invocation = invocation;
  });
  program.parse([...args], { from: 'user' });
  return found.invocation;
}

export function buildProgram(
  version: string,
  out: (text: string) => void,
  onCommand: (invocation: Invocation) => void,
): Command {
  const program = new Command('tidemark')
    .description('Runs stateful stream jobs, written in TypeScript, and looks after their state.')
    .usage('<command> [options]')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'explain a command')
    .helpCommand(false)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: out,
      // Errors are thrown, and written once, by whoever catches them.
      writeErr: () => {},
      outputError: () => {},
      getOutHelpWidth: helpWidth,
      getErrHelpWidth: helpWidth,
    });
  program.helpInformation = overview;
  for (const option of GLOBAL_OPTIONS) program.addOption(toOption(option));
  for (const spec of COMMANDS)
    program.addCommand(toCommand(spec, program, onCommand), { hidden: spec.hidden ?? false });
  return program;
}

function toCommand(
  spec: CommandSpec,
  program: Command,
  onCommand: (invocation: Invocation) => void,
): Command {
  const command = new Command(spec.name)
    .copyInheritedSettings(program)
    .summary(spec.summary)
    .description(spec.detail ?? `${spec.summary[0]?.toUpperCase()}${spec.summary.slice(1)}.`)
    .helpGroup(spec.group);
  for (const { name, text, choices } of spec.operands) {
    const argument = command.createArgument(name, text);
    command.addArgument(choices === undefined ? argument : argument.choices(choices));
  }
  for (const option of spec.options) command.addOption(toOption(option));
  if (spec.raw === true) command.allowUnknownOption().helpOption(false);
  else command.allowExcessArguments(false);
  if (spec.examples.length > 0) command.addHelpText('after', `\n${examplesText(spec)}\n`);
  return command.action(() => {
    onCommand({ spec, given: new Given(command.args, command.optsWithGlobals()) });
  });
}

function helpWidth(): number {
  return Math.min(process.stdout.columns || MAX_HELP_WIDTH, MAX_HELP_WIDTH);
}

export function examplesText(spec: CommandSpec): string {
  return ['Examples:', ...spec.examples.map((example) => `  $ ${example}`)].join('\n');
}

function toOption(spec: OptionSpec): Option {
  const option = new Option(spec.flags, spec.text);
  if (spec.choices !== undefined) option.choices(spec.choices);
  if (spec.repeats === true) {
    option.argParser<readonly string[]>((value, before) => [...(before ?? []), value]);
  }
  return option;
}

/** What may stand at the end of a command line. Pure; job names come from whoever calls. */
import {
  type CommandSpec,
  type Completes,
  GLOBAL_OPTIONS,
  type OptionSpec,
  optionNames,
  takesValue,
} from './command-spec.js';
import { TOPICS } from './topics.js';

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Names of files fit here as well; the shell knows them. */
  readonly files: boolean;
}

export interface Candidate {
  readonly text: string;
  readonly about: string;
}

const NOTHING: Completion = { candidates: [], files: false };

/** `words`: those after `tidemark`, the last of them unfinished. */
export function complete(
  words: readonly string[],
  commands: readonly CommandSpec[],
  jobs: () => readonly Candidate[],
): Completion {
  const visible = commands.filter((command) => command.hidden !== true);
  const typed = words.slice(0, -1);
  const word = words.at(-1) ?? '';
  const { command, operands, open } = read(typed, visible);
  return startingWith(word, candidatesFor(word, command, operands, open, visible, jobs));
}

function candidatesFor(
  word: string,
  command: CommandSpec | undefined,
  operands: number,
  open: OptionSpec | undefined,
  commands: readonly CommandSpec[],
  jobs: () => readonly Candidate[],
): Completion {
  if (open !== undefined) return values(open.choices, open.completes, commands, jobs);
  const options = [...(command?.options ?? []), ...GLOBAL_OPTIONS];
  if (word.startsWith('-')) return { candidates: options.flatMap(optionCandidates), files: false };
  if (command === undefined) return { candidates: commands.map(commandCandidate), files: false };
  const last = command.operands.at(-1);
  const operand = command.operands[operands] ?? (last?.name.endsWith('...]') === true ? last : undefined);
  return operand === undefined ? NOTHING : values(operand.choices, operand.completes, commands, jobs);
}

interface Read {
  readonly command: CommandSpec | undefined;
  /** How many operands the command has been given. */
  readonly operands: number;
  /** An option that waits for its value. */
  readonly open: OptionSpec | undefined;
}

function read(words: readonly string[], commands: readonly CommandSpec[]): Read {
  let state: Read = { command: undefined, operands: 0, open: undefined };
  for (const word of words) state = readWord(state, word, commands);
  return state;
}

function readWord(state: Read, word: string, commands: readonly CommandSpec[]): Read {
  if (state.open !== undefined) return { ...state, open: undefined };
  if (word.startsWith('-')) {
    const options = [...(state.command?.options ?? []), ...GLOBAL_OPTIONS];
    const option = options.find((candidate) => optionNames(candidate).includes(word));
    return { ...state, open: option !== undefined && takesValue(option) ? option : undefined };
  }
  if (state.command !== undefined) return { ...state, operands: state.operands + 1 };
  return { ...state, command: commands.find((command) => command.name === word) };
}

function values(
  choices: readonly string[] | undefined,
  completes: Completes | undefined,
  commands: readonly CommandSpec[],
  jobs: () => readonly Candidate[],
): Completion {
  if (choices !== undefined)
    return { candidates: choices.map((text) => ({ text, about: '' })), files: false };
  switch (completes) {
    case 'job':
      return { candidates: jobs(), files: false };
    case 'snapshot':
      return { candidates: jobs(), files: true };
    case 'command': {
      const topics = Object.keys(TOPICS).map((text) => ({ text, about: 'a topic of help' }));
      return { candidates: [...commands.map(commandCandidate), ...topics], files: false };
    }
    case 'file':
    case 'folder':
      return { candidates: [], files: true };
    default:
      return NOTHING;
  }
}

function commandCandidate(command: CommandSpec): Candidate {
  return { text: command.name, about: command.summary };
}

function optionCandidates(option: OptionSpec): readonly Candidate[] {
  return optionNames(option).map((text) => ({ text, about: option.text }));
}

function startingWith(word: string, { candidates, files }: Completion): Completion {
  return { candidates: candidates.filter((candidate) => candidate.text.startsWith(word)), files };
}

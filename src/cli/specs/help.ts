/** Help, and what is not for people. */
import type { CommandSpec } from '../command-spec.js';

const HELP = 'Help:';

export const HELP_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'completion',
    group: HELP,
    summary: 'print a completion script for a shell',
    operands: [{ name: '<shell>', text: 'which shell', choices: ['bash', 'zsh', 'fish'] }],
    options: [],
    examples: [
      'source <(tidemark completion bash)',
      'tidemark completion zsh > "${fpath[1]}/_tidemark"',
      'tidemark completion fish > ~/.config/fish/completions/tidemark.fish',
    ],
    load: () => import('../commands/completion.js'),
  },
  {
    name: 'help',
    group: HELP,
    summary: 'explain a command or a topic: exit-codes, json, environment',
    operands: [{ name: '[topic]', text: 'a command or a topic', completes: 'command' }],
    options: [],
    examples: ['tidemark help run', 'tidemark help exit-codes'],
    load: () => import('../commands/help.js'),
  },
  {
    name: '__job',
    group: HELP,
    summary: 'the process of a detached job',
    operands: [{ name: '<id>', text: 'the job' }],
    options: [{ flags: '--trial', text: 'no restart before its first checkpoint' }],
    examples: [],
    hidden: true,
    load: () => import('../commands/job-process.js'),
  },
  {
    name: '__complete',
    group: HELP,
    summary: 'what may stand at the end of a command line',
    operands: [{ name: '[words...]', text: 'the words so far' }],
    options: [],
    examples: [],
    hidden: true,
    raw: true,
    load: () => import('../commands/complete.js'),
  },
];

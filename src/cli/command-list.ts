/** Every command: what it takes and how it is explained. The commands themselves are loaded when they run. */
import type { CommandSpec, OperandSpec, OptionSpec } from './command-spec.js';
import { START_OPTIONS } from './start-options.js';

const RUN = 'Run jobs:';
const LOOK = 'Look at jobs:';
const STEER = 'Steer jobs:';
const HELP = 'Help:';

const JOB: OperandSpec = {
  name: '<job>',
  text: 'its name, its id or a unique beginning of the id',
  completes: 'job',
};
const DEFINITION: OperandSpec = {
  name: '<definition>',
  text: 'the TypeScript or JavaScript file that describes the job',
  completes: 'file',
};
const TIMEOUT: OptionSpec = {
  flags: '--timeout <duration>',
  text: 'wait no longer than this, then exit 8; what was asked goes on (default: no limit)',
};
const DETACH: OptionSpec = {
  flags: '-d, --detach',
  text: 'run it in the background; return once it runs',
};

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'run',
    group: RUN,
    summary: 'start a job',
    detail:
      'Starts a job and stays with it until it ends. Ctrl-C suspends it: a last checkpoint is taken and ' +
      'tidemark resume goes on from there; a second Ctrl-C ends it at once. The definition, its parameters and ' +
      'the options are frozen with the job, for every restart and resume.',
    operands: [DEFINITION],
    options: [
      ...START_OPTIONS,
      DETACH,
      {
        flags: '--resume',
        text: 'go on with the suspended, lost or failed job of this name, if there is one',
      },
    ],
    examples: [
      'tidemark run word-count.ts --param input=book.txt --param output=counts',
      'tidemark run word-count.ts --name nightly --parallelism 4 --checkpoint-interval 5s --detach',
      'tidemark run word-count.ts --resume        # for systemd: starts it, or goes on with it',
    ],
    load: () => import('./commands/run.js'),
  },
  {
    name: 'resume',
    group: RUN,
    summary: 'go on with a suspended, lost or failed job from its last checkpoint',
    detail: 'Runs in the background unless --foreground is given; returns once the job runs.',
    operands: [{ ...JOB, name: '[job]' }],
    options: [
      { flags: '--all', text: 'every suspended and every lost job (after a reboot)' },
      {
        flags: '--definition <file>',
        text: 'go on with this code instead of the frozen one; refused when the state does not fit',
        completes: 'file',
      },
      { flags: '--foreground', text: 'stay with the job, as run does' },
    ],
    examples: [
      'tidemark resume word-count',
      'tidemark resume word-count --definition mended.ts',
      'tidemark resume --all',
    ],
    load: () => import('./commands/resume.js'),
  },
  {
    name: 'plan',
    group: RUN,
    summary: 'show what a definition would run, without running it',
    detail: 'Shows the dataflow, its state, what each sink guarantees, and the settings it would run with.',
    operands: [DEFINITION],
    options: START_OPTIONS,
    examples: ['tidemark plan word-count.ts --param input=book.txt --param output=counts'],
    load: () => import('./commands/plan.js'),
  },
  {
    name: 'list',
    group: LOOK,
    summary: 'list the jobs of this home',
    detail: 'Without --all, jobs that finished or were canceled are left out.',
    operands: [],
    options: [{ flags: '-a, --all', text: 'also those that finished or were canceled' }],
    examples: ['tidemark list', 'tidemark list --all --json | jq -r ".[] | [.name, .state] | @tsv"'],
    load: () => import('./commands/list.js'),
  },
  {
    name: 'status',
    group: LOOK,
    summary: 'show one job: its operators, state, splits and checkpoints',
    operands: [JOB],
    options: [{ flags: '-w, --watch', text: 'show it again every second, until the job ends' }],
    examples: ['tidemark status word-count', 'tidemark status word-count --json | jq .operators'],
    load: () => import('./commands/status.js'),
  },
  {
    name: 'checkpoints',
    group: LOOK,
    summary: "list a job's checkpoints",
    operands: [JOB],
    options: [],
    examples: ['tidemark checkpoints word-count'],
    load: () => import('./commands/checkpoints.js'),
  },
  {
    name: 'logs',
    group: LOOK,
    summary: 'print what a job and its code said',
    operands: [JOB],
    options: [{ flags: '-f, --follow', text: 'go on printing until the job ends' }],
    examples: ['tidemark logs word-count', 'tidemark logs word-count --follow'],
    load: () => import('./commands/logs.js'),
  },
  {
    name: 'wait',
    group: LOOK,
    summary: 'wait until a job runs, has a checkpoint or has finished',
    detail:
      'Exits with 0 when it is so, 8 when the time is over, 3 when the job failed, and 5 when it cannot ' +
      'happen any more unless somebody resumes the job.',
    operands: [JOB],
    options: [
      {
        flags: '--until <state>',
        text: 'what to wait for',
        choices: ['running', 'checkpoint', 'finished'],
      },
      TIMEOUT,
    ],
    examples: ['tidemark wait word-count --until finished --timeout 10m'],
    load: () => import('./commands/wait.js'),
  },
  {
    name: 'checkpoint',
    group: STEER,
    summary: 'take a checkpoint now; the job runs on',
    operands: [JOB],
    options: [{ flags: '--full', text: 'write all state, whatever the mode' }, TIMEOUT],
    examples: ['tidemark checkpoint word-count'],
    load: () => import('./commands/checkpoint.js'),
  },
  {
    name: 'suspend',
    group: STEER,
    summary: 'pause a job after a last checkpoint',
    operands: [JOB],
    options: [TIMEOUT],
    examples: ['tidemark suspend word-count && tidemark resume word-count'],
    load: () => import('./commands/suspend.js'),
  },
  {
    name: 'cancel',
    group: STEER,
    summary: 'end a job for good, without a last checkpoint',
    detail:
      'Commits what completed checkpoints hold, and drops the checkpoints unless the job retains them ' +
      '(--on-cancel retain). Also ends a suspended, lost or failed job.',
    operands: [JOB],
    options: [TIMEOUT],
    examples: ['tidemark cancel word-count'],
    load: () => import('./commands/cancel.js'),
  },
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
    load: () => import('./commands/completion.js'),
  },
  {
    name: 'help',
    group: HELP,
    summary: 'explain a command or a topic: exit-codes, json, environment',
    operands: [{ name: '[topic]', text: 'a command or a topic', completes: 'command' }],
    options: [],
    examples: ['tidemark help run', 'tidemark help exit-codes'],
    load: () => import('./commands/help.js'),
  },
  {
    name: '__job',
    group: HELP,
    summary: 'the process of a detached job',
    operands: [{ name: '<id>', text: 'the job' }],
    options: [],
    examples: [],
    hidden: true,
    load: () => import('./commands/job-process.js'),
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
    load: () => import('./commands/complete.js'),
  },
];

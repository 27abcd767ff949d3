/** Commands that run jobs. */
import type { CommandSpec } from '../command-spec.js';
import { START_OPTIONS } from '../start-options.js';
import { DEFINITION, DETACH, JOB } from './shared.js';

const RUN = 'Run jobs:';

export const RUN_COMMANDS: readonly CommandSpec[] = [
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
    load: () => import('../commands/run.js'),
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
    load: () => import('../commands/resume.js'),
  },
  {
    name: 'plan',
    group: RUN,
    summary: 'show what a definition would run, without running it',
    detail: 'Shows the dataflow, its state, what each sink guarantees, and the settings it would run with.',
    operands: [DEFINITION],
    options: START_OPTIONS,
    examples: ['tidemark plan word-count.ts --param input=book.txt --param output=counts'],
    load: () => import('../commands/plan.js'),
  },
];

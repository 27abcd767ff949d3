/** Commands that look at jobs. */
import type { CommandSpec } from '../command-spec.js';
import { JOB, TIMEOUT } from './shared.js';

const LOOK = 'Look at jobs:';

export const LOOK_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'list',
    group: LOOK,
    summary: 'list the jobs of this home',
    detail: 'Without --all, jobs that finished or were canceled are left out.',
    operands: [],
    options: [{ flags: '-a, --all', text: 'also those that finished or were canceled' }],
    examples: ['tidemark list', 'tidemark list --all --json | jq -r ".[] | [.name, .state] | @tsv"'],
    load: () => import('../commands/list.js'),
  },
  {
    name: 'status',
    group: LOOK,
    summary: 'show one job: its operators, state, event time and splits',
    operands: [JOB],
    options: [{ flags: '-w, --watch', text: 'show it again every second, until the job ends' }],
    examples: ['tidemark status word-count', 'tidemark status word-count --json | jq .operators'],
    load: () => import('../commands/status.js'),
  },
  {
    name: 'checkpoints',
    group: LOOK,
    summary: "list a job's checkpoints",
    operands: [JOB],
    options: [],
    examples: ['tidemark checkpoints word-count'],
    load: () => import('../commands/checkpoints.js'),
  },
  {
    name: 'logs',
    group: LOOK,
    summary: 'print what a job and its code said',
    operands: [JOB],
    options: [{ flags: '-f, --follow', text: 'go on printing until the job ends' }],
    examples: ['tidemark logs word-count', 'tidemark logs word-count --follow'],
    load: () => import('../commands/logs.js'),
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
    load: () => import('../commands/wait.js'),
  },
];

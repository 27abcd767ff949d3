/** Commands that steer running jobs. */
import type { CommandSpec } from '../command-spec.js';
import { JOB, SIGN, TIMEOUT } from './shared.js';

const STEER = 'Steer jobs:';

export const STEER_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'checkpoint',
    group: STEER,
    summary: 'take a checkpoint now; the job runs on',
    operands: [JOB],
    options: [
      { flags: '--full', text: 'write all state, whatever the mode' },
      {
        flags: '--with-savepoint <file>',
        text: 'and a savepoint of the same moment; a name ending in / is a folder',
        completes: 'file',
      },
      { flags: '--force', text: 'replace a savepoint that is there' },
      { flags: '--reason <text>', text: 'why the savepoint; it is kept in it' },
      { ...SIGN, text: 'sign the savepoint with this private key, ed25519 in PEM' },
      TIMEOUT,
    ],
    examples: [
      'tidemark checkpoint word-count',
      'tidemark checkpoint word-count --full && tidemark externalize word-count',
      'tidemark checkpoint word-count --with-savepoint noon.savepoint.tar',
    ],
    load: () => import('../commands/checkpoint.js'),
  },
  {
    name: 'suspend',
    group: STEER,
    summary: 'pause a job after a last checkpoint',
    operands: [JOB],
    options: [TIMEOUT],
    examples: ['tidemark suspend word-count && tidemark resume word-count'],
    load: () => import('../commands/suspend.js'),
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
    load: () => import('../commands/cancel.js'),
  },
];

/** Commands that clean up. */
import type { CommandSpec } from '../command-spec.js';
import { JOB } from './shared.js';

const CLEAN = 'Clean up:';

export const CLEAN_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'pin',
    group: CLEAN,
    summary: 'keep a checkpoint until its pin is removed; list the pinned ones',
    detail:
      'Neither its job nor prune drops a pinned checkpoint. Without a number it pins the last completed one; without ' +
      'a job it lists all pins.',
    operands: [{ ...JOB, name: '[checkpoint]', text: 'job@CHECKPOINT, or a job' }],
    options: [
      { flags: '--reason <text>', text: 'why; it is shown in the list' },
      { flags: '--remove', text: 'take the pin away' },
    ],
    examples: [
      'tidemark pin word-count@12 --reason "before the migration"',
      'tidemark pin',
      'tidemark pin word-count@12 --remove',
    ],
    load: () => import('../commands/pin.js'),
  },
  {
    name: 'prune',
    group: CLEAN,
    summary: 'remove what nothing needs, and checkpoints of ended jobs when told so',
    detail:
      'Always removes what lost processes have left: segments that nothing refers to, half-written files, leases, ' +
      'pins that have run out. Checkpoints that stayed when their job ended are yours: they go when you name them, ' +
      'or by a policy. Never goes what a running job has, what is pinned, or an archive; the last checkpoint of a ' +
      'suspended, failed or lost job only as job@CHECKPOINT, for the job cannot be resumed without it.',
    operands: [{ ...JOB, name: '[what...]', text: 'jobs, or checkpoints as job@CHECKPOINT' }],
    options: [
      {
        flags: '--keep-last <n>',
        text: 'of the jobs named, else of all that ended, drop all but the newest n',
      },
      {
        flags: '--older-than <duration>',
        text: 'only what was completed longer ago; with --keep-last, what both would drop',
      },
      { flags: '--dry-run', text: 'remove nothing; say of each checkpoint and each segment what and why' },
    ],
    examples: [
      'tidemark prune',
      'tidemark prune --dry-run',
      'tidemark prune --keep-last 1 --older-than 30d',
      'tidemark prune word-count@12',
    ],
    load: () => import('../commands/prune.js'),
  },
  {
    name: 'doctor',
    group: CLEAN,
    summary: 'look whether this home is well',
    detail:
      'Checks the catalog, that every segment is there and has its size, and what lost processes have left. Changes ' +
      'nothing. Exits with 7 when something is corrupt or missing.',
    operands: [],
    options: [{ flags: '--deep', text: 'also read every segment, and compare its hash' }],
    examples: ['tidemark doctor', 'tidemark doctor --deep --json | jq -r ".findings[].code"'],
    load: () => import('../commands/doctor.js'),
  },
];

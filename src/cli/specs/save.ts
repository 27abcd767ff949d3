/** Commands that save, inspect and restore state. */
import type { CommandSpec } from '../command-spec.js';
import { RESTORE_OPTIONS } from '../start-options.js';
import {
  ARCHIVE,
  DETACH,
  JOB,
  LEAVE_BEHIND,
  LIMIT,
  OUTPUT,
  REQUIRE_SIGNATURE,
  SIGN,
  SNAPSHOT,
  STATE,
  TIMEOUT,
} from './shared.js';

const SAVE = 'Save, inspect and restore state:';

export const SAVE_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'savepoint',
    group: SAVE,
    summary: "save a running job's state into a file; the job runs on",
    detail:
      'Takes a savepoint: one portable file with all state, that belongs to you. Sinks have committed what it ' +
      'includes. It restores at any parallelism, and into a changed definition. Prints its path. With --at each split ' +
      'waits until all are where they were in another savepoint, so that the two can be compared; what asked for it ' +
      'must stay: Ctrl-C, or the end of --timeout, lets all go on.',
    operands: [JOB],
    options: [
      ...OUTPUT,
      SIGN,
      {
        flags: '--at <snapshot>',
        text: 'take it where another was taken: at the positions in this FILE; or of another live job, which is saved, too',
        completes: 'snapshot',
      },
      TIMEOUT,
    ],
    examples: [
      'tidemark savepoint word-count',
      'tidemark savepoint word-count -o backups/ --reason "before the upgrade"',
      'tidemark savepoint green --at blue -o green.tar && tidemark diff blue-beside-green.savepoint.tar green.tar',
      'tidemark savepoint word-count -o - | ssh backup "cat > word-count.savepoint.tar"',
    ],
    load: () => import('../commands/savepoint.js'),
  },
  {
    name: 'externalize',
    group: SAVE,
    summary: 'pack a checkpoint into a file of your own',
    detail:
      'Packs a completed checkpoint, the newest one if none is named, of a live or an ended job: the bytes that exist, ' +
      'with all that an incremental one refers to. What its sinks have not committed is committed first. An ' +
      'incremental one restores its own job as it was; tidemark convert makes a savepoint of it for everything else.',
    operands: [{ ...JOB, text: 'a job, or one of its checkpoints: job@CHECKPOINT' }],
    options: [
      {
        flags: '-o, --output <file>',
        text: 'where to, - for stdout; a name ending in / is a folder (default: ./<job>-<checkpoint>.checkpoint.tar)',
        completes: 'file',
      },
      { flags: '--force', text: 'replace a file that is there' },
      { flags: '--reason <text>', text: 'why; it is kept in the archive and shown by snapshots' },
      SIGN,
      { flags: '--dry-run', text: 'list the segments and their bytes, write nothing' },
      TIMEOUT,
    ],
    examples: [
      'tidemark externalize word-count',
      'tidemark externalize word-count@12 -o backups/ && tidemark verify backups/word-count-12.checkpoint.tar',
      'tidemark externalize word-count --dry-run',
    ],
    load: () => import('../commands/externalize.js'),
  },
  {
    name: 'stop',
    group: SAVE,
    summary: 'end a job with a savepoint',
    detail:
      'Nothing is processed after the savepoint. When it cannot be saved, the job runs on. Go on from it with ' +
      'tidemark restore, at another parallelism or with other code.',
    operands: [JOB],
    options: [
      ...OUTPUT,
      SIGN,
      { flags: '--drain', text: 'first let event time end: windows and timers fire, for good' },
      TIMEOUT,
    ],
    examples: ['tidemark stop word-count -o word-count.tar && tidemark restore word-count.tar -p 4'],
    load: () => import('../commands/stop.js'),
  },
  {
    name: 'restore',
    group: SAVE,
    summary: 'start a job from a savepoint or an externalized checkpoint',
    detail:
      'Without --definition it runs the code that the savepoint was taken of, if this home has it. --dry-run prints ' +
      'the plan: what becomes of each state, and what targets hold beyond the snapshot; it ends with the exit ' +
      'code that the real run would be refused with. Nothing is changed in the file.',
    operands: [
      { ...SNAPSHOT, text: 'the FILE of an archive (with a / or ending in .tar)', completes: 'file' },
    ],
    options: [
      {
        flags: '--definition <file>',
        text: 'run this code; refused when the state does not fit',
        completes: 'file',
      },
      ...LEAVE_BEHIND,
      REQUIRE_SIGNATURE,
      { flags: '--after-drain', text: 'restore what stop --drain has left' },
      {
        flags: '--convert',
        text: 'rewrite a native archive as a savepoint first, in the home: for what it cannot do as it is',
      },
      { flags: '--dry-run', text: 'print the plan, start nothing' },
      ...RESTORE_OPTIONS,
      DETACH,
    ],
    examples: [
      'tidemark restore word-count.tar -p 4 --detach',
      'tidemark restore word-count.tar --definition word-count-2.ts --dry-run',
      'tidemark restore word-count.tar --name fork --param output=counts-of-fork',
      'tidemark restore word-count-12.checkpoint.tar --convert -p 4',
    ],
    load: () => import('../commands/restore.js'),
  },
  {
    name: 'snapshots',
    group: SAVE,
    summary: 'list the savepoints that were taken here, and whether they are still there',
    detail: 'A name stands for all jobs that had it, so that those before a restore are listed, too.',
    operands: [{ ...JOB, name: '[job]' }],
    options: [],
    examples: ['tidemark snapshots', 'tidemark snapshots word-count --json | jq -r ".[-1].path"'],
    load: () => import('../commands/snapshots.js'),
  },
  {
    name: 'inspect',
    group: SAVE,
    summary: 'look into a savepoint or a checkpoint',
    detail:
      'A summary; with --state the entries of one state, a line each; with --key those of one key. Keys are read ' +
      'as JSON in the form that inspect prints, or as text: --key hello, --key 42, --key \'{"$bigint":"5"}\'.',
    operands: [SNAPSHOT],
    options: [STATE, { flags: '--key <key>', text: 'one key of that state' }, LIMIT],
    examples: [
      'tidemark inspect word-count.tar',
      'tidemark inspect word-count.tar --state count.seen --limit 10',
      'tidemark inspect word-count --state count.seen --key whale --json | jq .value',
    ],
    load: () => import('../commands/inspect.js'),
  },
  {
    name: 'verify',
    group: SAVE,
    summary: 'check that an archive is whole, byte for byte',
    detail: 'Reads all of it and lists all that is wrong; exit 7 when anything is. Needs no home.',
    operands: [ARCHIVE],
    options: [REQUIRE_SIGNATURE],
    examples: [
      'tidemark verify word-count.tar',
      'tidemark verify word-count.tar --require-signature release.pub.pem',
    ],
    load: () => import('../commands/verify.js'),
  },
  {
    name: 'diff',
    group: SAVE,
    summary: 'compare the state in two archives',
    detail: 'Counts what was added, removed and changed from a to b; with --state it lists the entries.',
    operands: [
      { ...ARCHIVE, name: '<a>' },
      { ...ARCHIVE, name: '<b>' },
    ],
    options: [{ flags: '--exit-code', text: 'exit 9 when they differ' }, STATE, LIMIT],
    examples: ['tidemark diff before.tar after.tar --exit-code'],
    load: () => import('../commands/diff.js'),
  },
  {
    name: 'convert',
    group: SAVE,
    summary: 'rewrite an externalized checkpoint as a savepoint',
    detail:
      'The state stays the same, its layout becomes the portable one: the result restores at any parallelism, into ' +
      'a changed definition, on any backend, and can be compared. Works offline, without the code of the job, ' +
      'without a home; the input is not changed. Prints the path of the savepoint.',
    operands: [ARCHIVE],
    options: [
      {
        flags: '-o, --output <file>',
        text: 'where to; a name ending in / is a folder (default: <file>.savepoint.tar, beside the input)',
        completes: 'file',
      },
      { flags: '--force', text: 'replace a file that is there' },
      SIGN,
    ],
    examples: [
      'tidemark convert word-count.checkpoint.tar',
      'tidemark convert word-count.checkpoint.tar -o backups/ && tidemark restore backups/word-count.savepoint.tar -p 4',
    ],
    load: () => import('../commands/convert.js'),
  },
];

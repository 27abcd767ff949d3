/** Every command: what it takes and how it is explained. The commands themselves are loaded when they run. */
import type { CommandSpec, OperandSpec, OptionSpec } from './command-spec.js';
import { RESTORE_OPTIONS, START_OPTIONS } from './start-options.js';

const RUN = 'Run jobs:';
const LOOK = 'Look at jobs:';
const STEER = 'Steer jobs:';
const SAVE = 'Save, inspect and restore state:';
const CLEAN = 'Clean up:';
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
const SNAPSHOT: OperandSpec = {
  name: '<snapshot>',
  text: 'a FILE (with a / or ending in .tar), a job, or job@CHECKPOINT',
  completes: 'snapshot',
};
const ARCHIVE: OperandSpec = {
  name: '<file>',
  text: 'an archive: a path with a / or ending in .tar',
  completes: 'file',
};
const OUTPUT: readonly OptionSpec[] = [
  {
    flags: '-o, --output <file>',
    text: 'where to, - for stdout; a name ending in / is a folder (default: ./<job>-<checkpoint>.savepoint.tar)',
    completes: 'file',
  },
  { flags: '--force', text: 'replace a file that is there' },
  { flags: '--reason <text>', text: 'why; it is kept in the archive and shown by snapshots' },
];
const STATE: OptionSpec = { flags: '--state <uid.name>', text: 'one state only, as the summary names it' };
const LIMIT: OptionSpec = { flags: '--limit <n>', text: 'the most lines to print' };
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
    summary: 'show one job: its operators, state, event time and splits',
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
    options: [
      { flags: '--full', text: 'write all state, whatever the mode' },
      {
        flags: '--with-savepoint <file>',
        text: 'and a savepoint of the same moment; a name ending in / is a folder',
        completes: 'file',
      },
      { flags: '--force', text: 'replace a savepoint that is there' },
      { flags: '--reason <text>', text: 'why the savepoint; it is kept in it' },
      TIMEOUT,
    ],
    examples: [
      'tidemark checkpoint word-count',
      'tidemark checkpoint word-count --full && tidemark externalize word-count',
      'tidemark checkpoint word-count --with-savepoint noon.savepoint.tar',
    ],
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
    name: 'savepoint',
    group: SAVE,
    summary: "save a running job's state into a file; the job runs on",
    detail:
      'Takes a savepoint: one portable file with all state, that belongs to you. Sinks have committed what it ' +
      'includes. It restores at any parallelism, and into a changed definition. Prints its path.',
    operands: [JOB],
    options: [...OUTPUT, TIMEOUT],
    examples: [
      'tidemark savepoint word-count',
      'tidemark savepoint word-count -o backups/ --reason "before the upgrade"',
      'tidemark savepoint word-count -o - | ssh backup "cat > word-count.savepoint.tar"',
    ],
    load: () => import('./commands/savepoint.js'),
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
      { flags: '--dry-run', text: 'list the segments and their bytes, write nothing' },
      TIMEOUT,
    ],
    examples: [
      'tidemark externalize word-count',
      'tidemark externalize word-count@12 -o backups/ && tidemark verify backups/word-count-12.checkpoint.tar',
      'tidemark externalize word-count --dry-run',
    ],
    load: () => import('./commands/externalize.js'),
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
      { flags: '--drain', text: 'first let event time end: windows and timers fire, for good' },
      TIMEOUT,
    ],
    examples: ['tidemark stop word-count -o word-count.tar && tidemark restore word-count.tar -p 4'],
    load: () => import('./commands/stop.js'),
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
      { flags: '--allow-non-restored-state', text: 'leave behind what the definition has no place for' },
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
    load: () => import('./commands/restore.js'),
  },
  {
    name: 'snapshots',
    group: SAVE,
    summary: 'list the savepoints that were taken here, and whether they are still there',
    detail: 'A name stands for all jobs that had it, so that those before a restore are listed, too.',
    operands: [{ ...JOB, name: '[job]' }],
    options: [],
    examples: ['tidemark snapshots', 'tidemark snapshots word-count --json | jq -r ".[-1].path"'],
    load: () => import('./commands/snapshots.js'),
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
    load: () => import('./commands/inspect.js'),
  },
  {
    name: 'verify',
    group: SAVE,
    summary: 'check that an archive is whole, byte for byte',
    detail: 'Reads all of it and lists all that is wrong; exit 7 when anything is. Needs no home.',
    operands: [ARCHIVE],
    options: [],
    examples: ['tidemark verify word-count.tar'],
    load: () => import('./commands/verify.js'),
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
    load: () => import('./commands/diff.js'),
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
    ],
    examples: [
      'tidemark convert word-count.checkpoint.tar',
      'tidemark convert word-count.checkpoint.tar -o backups/ && tidemark restore backups/word-count.savepoint.tar -p 4',
    ],
    load: () => import('./commands/convert.js'),
  },
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
    load: () => import('./commands/pin.js'),
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
    load: () => import('./commands/prune.js'),
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
    load: () => import('./commands/doctor.js'),
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

/** Commands that change jobs and their state with certainty: check, upgrade, rewrite, export, import. */
import { type CommandSpec, type OptionSpec, optionNames } from '../command-spec.js';
import { RESTORE_OPTIONS } from '../start-options.js';
import {
  ARCHIVE,
  DEFINITION,
  JOB,
  LEAVE_BEHIND,
  OUTPUT,
  REQUIRE_SIGNATURE,
  SIGN,
  SNAPSHOT,
  STATE,
} from './shared.js';

const CHANGE = 'Change jobs with certainty:';

/** A name, the maximum parallelism and the mode of the sinks stay what they are. */
const FIXED = new Set(['--name', '--max-parallelism', '--sinks']);
const UPGRADE_OPTIONS = RESTORE_OPTIONS.filter(
  (option) => !optionNames(option).some((name) => FIXED.has(name)),
);
const UPGRADE_OUTPUT: readonly OptionSpec[] = OUTPUT.map((option) =>
  optionNames(option).includes('-o')
    ? {
        ...option,
        text: "where the old version's savepoint goes (default: ./<job>-<checkpoint>.savepoint.tar)",
      }
    : option,
);

export const CHANGE_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'check',
    group: CHANGE,
    summary: 'tell whether a definition takes the state of an archive or a job, before anything is stopped',
    detail:
      'Loads the new code and holds it against the snapshot: operators, states, codecs, schema versions, keys, windows, ' +
      'timers, sources and targets. Then it decodes, validates and migrates real values with it: a sample of each ' +
      'state, or with --all every one. Starts nothing and changes nothing. Against a job it looks at its last checkpoint, ' +
      'as if it were stopped with a savepoint. Exits with 0, or 6 when a restore would be refused.',
    operands: [DEFINITION],
    options: [
      {
        flags: '--against <snapshot>',
        text: 'an archive (with a / or ending in .tar), a job, or job@CHECKPOINT',
        completes: 'snapshot',
      },
      { flags: '--all', text: 'look at every value; a restore of the same need not do so again' },
      ...LEAVE_BEHIND,
      {
        flags: '--trial <n>',
        text: 'also restore it aside, with muted sinks, and read n elements of each split',
      },
      REQUIRE_SIGNATURE,
      { flags: '--after-drain', text: 'as restore --after-drain' },
      { flags: '--convert', text: 'as restore --convert' },
      ...RESTORE_OPTIONS,
    ],
    examples: [
      'tidemark check word-count-2.ts --against word-count',
      'tidemark check word-count-2.ts --against word-count.tar --all --strict',
      'tidemark check word-count-2.ts --against word-count.tar --json | jq -r ".states[] | [.action, .name] | @tsv"',
    ],
    load: () => import('../commands/check.js'),
  },
  {
    name: 'upgrade',
    group: CHANGE,
    summary: "replace a running job's code, and go back to the old code when the new one does not get going",
    detail:
      'Looks whether the new version takes the state (of a savepoint taken aside for that) and whether the old one would ' +
      'start again; then stops the job with a savepoint and starts the new version from it, in the background. When that ' +
      'has completed no checkpoint in time, or fails before, it is ended and the old version starts from the same ' +
      'savepoint: nothing is lost or doubled, since sinks commit nothing before the first checkpoint. Parameters and ' +
      'options that are not given stay as they were typed for the old version. Ctrl-C takes the upgrade back. ' +
      'Exits with 0, with 6 when it was refused (the old version runs, untouched), with 11 when it was rolled back (the ' +
      'old version runs, as a new job), or with 3 when neither runs (the error names the savepoint). With any other ' +
      'code nothing has begun.',
    operands: [JOB],
    options: [
      { flags: '--definition <file>', text: 'the new version', completes: 'file' },
      {
        flags: '--recover',
        text: 'instead: put right what an upgrade has left that was killed; forward if the new version runs, else back',
      },
      ...UPGRADE_OUTPUT,
      {
        flags: '--timeout <duration>',
        text: 'for the new version to be restored and have its first checkpoint, before it is given up (default: 2m)',
      },
      { flags: '--all', text: 'look at every value before anything is stopped, not at a sample' },
      ...LEAVE_BEHIND,
      ...UPGRADE_OPTIONS,
    ],
    examples: [
      'tidemark upgrade word-count --definition word-count-2.ts',
      'tidemark upgrade word-count --definition word-count-2.ts -o backups/ --all --strict --reason "release 2"',
      'tidemark upgrade word-count --definition word-count-2.ts --json | jq -r .outcome',
      'tidemark upgrade word-count --recover        # after one that was killed',
    ],
    load: () => import('../commands/upgrade.js'),
  },
  {
    name: 'rewrite',
    group: CHANGE,
    summary:
      'make an archive of an archive, its state renamed, dropped, re-keyed, filtered, mapped or edited',
    detail:
      'Works offline, without the code of the job and without a home; the input is not changed. Applied in this order, ' +
      'whatever the order of the options: drop, rename, filter, map, edits, max-parallelism; filters, maps and edits use ' +
      'the new names. All that is wrong is told at once, before anything is written. What is not asked for stays as it is. ' +
      'A filter sees the columns key, key_group, namespace, window_start, window_end, map_key, value and expires; what SQL ' +
      "has no type for is JSON text: value ->> '$.count' > 3. A map is a module whose default export gives a new value, or " +
      'undefined: ({ key, namespace, mapKey, value }) => value. Edits are lines as inspect --state --json prints them; ' +
      'with "delete": true they take the entry away. Prints the path of the new archive.',
    operands: [ARCHIVE],
    options: [
      {
        flags: '-o, --output <file>',
        text: 'where to; a name ending in / is a folder',
        completes: 'file',
      },
      { flags: '--force', text: 'replace a file that is there' },
      SIGN,
      {
        flags: '--rename <old=new>',
        text: 'an operator, uid=new, or a state of it, uid.state=new; as often as needed',
        repeats: true,
      },
      {
        flags: '--drop <state>',
        text: 'leave out an operator or one state of it: uid or uid.state',
        repeats: true,
      },
      {
        flags: '--filter <uid.state=sql>',
        text: 'keep the entries of a state for which the SQL expression is true',
        repeats: true,
      },
      {
        flags: '--map <uid.state=file>',
        text: 'give the entries of a state the values that a module makes of them',
        repeats: true,
      },
      {
        flags: '--edits <file>',
        text: 'set and take away single entries: JSON lines, - for stdin',
        completes: 'file',
      },
      {
        flags: '--max-parallelism <n>',
        text: 'cut keyed state into n key groups: the most it can be rescaled to',
      },
      { flags: '--reason <text>', text: 'why; it is kept in the archive' },
      { flags: '--dry-run', text: 'do all of it but write nothing, and say what would become of each state' },
    ],
    examples: [
      'tidemark rewrite word-count.tar -o renamed.tar --rename count=counter --rename count.seen=total',
      'tidemark rewrite word-count.tar -o wide.tar --max-parallelism 1024 && tidemark restore wide.tar -p 200',
      'tidemark rewrite word-count.tar --filter "count.seen=value > 1 AND key NOT LIKE \'tmp-%\'" --dry-run',
      'tidemark rewrite word-count.tar -o mapped.tar --map count.seen=double.ts',
      'tidemark inspect word-count.tar --state count.seen --key whale --json | jq -c ".value = 7" |\n' +
        '      tidemark rewrite word-count.tar -o edited.tar --edits - --reason "the whale was miscounted"',
    ],
    load: () => import('../commands/rewrite.js'),
  },
  {
    name: 'export',
    group: CHANGE,
    summary: 'write state as JSON lines, CSV or an SQLite file, for other tools',
    detail:
      'JSON lines are those of inspect --state --json. CSV has one state, with a line of column names. An SQLite file has a ' +
      'table for each state, named uid.name, with the columns key (key_1, key_2… for tuples), window_start, window_end, ' +
      'map_key, value and expires, as far as the state has them, and tidemark_states, which says what each is. What SQL ' +
      "has no type for is JSON text: value ->> '$.count'. tidemark import makes the same state of each of them again.",
    operands: [SNAPSHOT],
    options: [
      { ...STATE, text: 'this state, as inspect names it; as often as needed (default: all)', repeats: true },
      {
        flags: '--format <format>',
        text: 'jsonl, csv or sqlite (default: by the name of the file, .csv, .db or .sqlite, else jsonl)',
        choices: ['jsonl', 'csv', 'sqlite'],
      },
      { flags: '-o, --output <file>', text: 'where to, - for stdout (default: stdout)', completes: 'file' },
      { flags: '--force', text: 'replace a file that is there' },
    ],
    examples: [
      'tidemark export word-count.tar -o word-count.db',
      'tidemark export word-count --state count.seen | jq -r "[.key, .value] | @tsv" | sort -nrk2 | head',
      'tidemark export word-count.tar --state count.seen -o seen.csv',
    ],
    load: () => import('../commands/export.js'),
  },
  {
    name: 'import',
    group: CHANGE,
    summary: 'make an archive of data: of what export wrote, or of tables of your own',
    detail:
      'Rows take the place of all entries of their state; --merge keeps the entries that no row names. With --into all else is as ' +
      'in that archive, which is not changed. With --definition the archive is made from nothing: states without rows are ' +
      'empty, there are no positions, and a job that is restored from it reads from the beginning. Rows of your own need ' +
      '--state, and columns called key and value, or --key and --value; without a value, the other columns make an object. ' +
      'Rows that are no entries are listed with line or row, and then nothing is written. Prints the path of the archive.',
    operands: [
      {
        name: '<data>',
        text: 'JSON lines, CSV (with column names) or SQLite; - for stdin',
        completes: 'file',
      },
    ],
    options: [
      { flags: '--into <archive>', text: 'all else is as in this archive', completes: 'file' },
      {
        flags: '--definition <file>',
        text: 'without --into, all else is empty: the first state of this job. It looks at every value before it counts',
        completes: 'file',
      },
      {
        flags: '--param <name=value>',
        text: 'a parameter of the definition; as often as needed',
        repeats: true,
      },
      { flags: '--max-parallelism <n>', text: 'key groups of an archive from nothing (default: as run)' },
      { flags: '-o, --output <file>', text: 'where to; a name ending in / is a folder', completes: 'file' },
      { flags: '--force', text: 'replace a file that is there' },
      SIGN,
      { ...STATE, text: 'the state that the rows are of; of exports, the only one to take' },
      { flags: '--merge', text: 'keep the entries that no row names' },
      {
        flags: '--format <format>',
        text: 'jsonl, csv or sqlite (default: what the file is)',
        choices: ['jsonl', 'csv', 'sqlite'],
      },
      { flags: '--query <sql>', text: 'of an SQLite file: the statement that gives the rows' },
      { flags: '--key <column>', text: 'the key; for tuples as often as they have places', repeats: true },
      { flags: '--map-key <column>', text: 'the map key of map state' },
      { flags: '--value <column>', text: 'the value; other columns are passed over' },
      { flags: '--json-column <column>', text: 'its text is JSON; as often as needed', repeats: true },
      {
        flags: '--text-column <column>',
        text: 'its text is text, whatever it looks like; as often as needed',
        repeats: true,
      },
      { flags: '--delimiter <character>', text: 'of CSV (default: a comma; a tab for .tsv)' },
      { flags: '--reason <text>', text: 'why; it is kept in the archive' },
    ],
    examples: [
      'tidemark import word-count.db --into word-count.tar -o changed.tar --reason "the whale was miscounted"',
      'tidemark import accounts.csv --definition bank.ts --state balances.total --key id --value cents -o first.tar',
      'tidemark import shop.db --definition shop.ts --state customers.profile -o first.tar \\\n' +
        '      --query "SELECT id AS key, name, country FROM customers"',
      'tidemark restore first.tar --definition shop.ts',
    ],
    load: () => import('../commands/import.js'),
  },
];
